"""Guesses the period of a season from the training part of a series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 12
CYCLES = 2.5  # that must have been seen
WORTH = 0.7  # a shorter period is preferred unless a longer one's squared error is below this share of its own


def guess_period(values: NDArray[np.float64], usual: Sequence[int] = (), most: int | None = None) -> int | None:
    """The period after which a series repeats itself best, among peaks of its autocorrelation and `usual` ones.

    Args:
        values: `(n,)` or `(n, C)` in the order of time, of the training part alone.
        usual: periods that the calendar suggests; such a one needs only be more alike than what lies around it.
        most: the longest that is of use; none for any.

    Returns:
        Steps, at least 2; `None` where nothing repeats.
    """
    x = values.reshape(len(values), -1)
    count = len(x)
    longest = min(int(count / CYCLES), count if most is None else most)
    if longest < 2:
        return None
    steps = np.arange(count)[:, None]
    slope = ((steps - steps.mean()) * x).sum(axis=0) / np.square(steps - steps.mean()).sum()
    flat = x - x.mean(axis=0) - slope * (steps - steps.mean())
    flat = flat / np.where(flat.std(axis=0) > 0, flat.std(axis=0), 1.0)
    spectrum = np.square(np.abs(np.fft.rfft(flat, 2 * count, axis=0))).sum(axis=1)
    likeness = np.fft.irfft(spectrum)[:count]
    likeness = likeness / (likeness[0] or 1.0) * count / np.arange(count, 0, -1)
    inner = likeness[1 : longest + 2]
    peaks = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] >= inner[2:])) + 2
    peaks = peaks[likeness[peaks] > 2 / count**0.5]
    best = peaks[np.argsort(-likeness[peaks], kind="stable")][:CANDIDATES].tolist()
    found = sorted({*best, *(period for period in usual if 2 <= period <= longest and _stands_out(likeness, period))})
    if not found:
        return None
    errors = [float(np.square(flat[period:] - flat[:-period]).mean()) for period in found]
    least = min(errors)
    return int(next(period for period, error in zip(found, errors, strict=True) if error * WORTH <= least))


def _stands_out(likeness: NDArray[np.float64], period: int) -> bool:
    around = max(1, period // 4)
    return bool(likeness[period] > max(likeness[period - around], likeness[period + around], 0.0))

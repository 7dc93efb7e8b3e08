"""Guesses the period of a season from the training part of a series."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 12
CYCLES = 2.5  # that the training part must contain
WORTH = 0.7  # a period is preferred to its multiples unless their squared error is below this share of its own
WORTH_OTHER = 0.5  # the same of a period of the calendar, which noise may make less exact than one of its multiples
NEAR = 0.08  # a calendar period replaces peaks within this relative distance
BY_CHANCE = 0.007  # probability that noise has a peak among all lags, and likewise among the calendar's periods


def guess_period(
    values: NDArray[np.float64], usual: Sequence[int] = (), filled: NDArray[np.bool_] | None = None
) -> int | None:
    """Returns the period after which a series repeats itself best, among the peaks of its autocorrelation and `usual`
    periods.

    Args:
        values: `(n,)` or `(n, C)` in the order of time, from the training part alone.
        usual: the periods of the calendar, which are few, so that noise has one of them less often by chance.
        filled: `(n,)` which values are interpolated, and therefore ignored.

    Returns:
        The period in steps, at least 2; `None` if nothing repeats.
    """
    x = values.reshape(len(values), -1)
    count = len(x)
    longest = int(count / CYCLES)
    if longest < 2:
        return None
    present = np.ones(count, dtype=bool) if filled is None else ~filled
    flat = _without_trend(x, present)
    pairs = np.maximum(_products(present[:, None].astype(np.float64)).round(), 1.0)  # of present values, so far apart
    likeness = _products(flat) / pairs
    likeness = likeness / (likeness[0] or 1.0)
    inner = likeness[1 : longest + 2]
    peaks = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] >= inner[2:])) + 2
    # A season's values become unlike in between: a slow wave, too, is much the same two steps on.
    dips = np.minimum.accumulate(likeness[1:])[peaks - 2]
    deviation = np.sqrt(_inflation(likeness) / pairs)  # of the autocorrelation of noise
    surely = NormalDist().inv_cdf(1 - BY_CHANCE / longest)
    peaks = peaks[np.minimum(likeness[peaks], likeness[peaks] - dips) > surely * deviation[peaks]]
    best = peaks[np.argsort(-likeness[peaks], kind="stable")][:CANDIDATES].tolist()
    possible = [period for period in usual if 2 <= period <= longest]
    surely = NormalDist().inv_cdf(1 - BY_CHANCE / max(1, len(possible)))
    calendar = {
        period for period in possible if likeness[period] > surely * deviation[period] and _stands_out(likeness, period)
    }
    near = {period for period in best if any(0 < abs(period - one) <= NEAR * one for one in calendar)}
    periods = sorted({*best, *calendar} - near)
    if not periods:
        return None
    errors = [_error_of(flat, present, period) for period in periods]
    least, exact = min(zip(errors, periods, strict=True))
    for period, error in zip(periods, errors, strict=True):
        times = round(exact / period)
        worth = WORTH_OTHER if period in calendar and exact not in calendar else WORTH
        if times > 1 and abs(exact - times * period) <= times and error * worth <= least:
            return int(period)
    return int(exact)


def _without_trend(x: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the values `(n, C)` without their linear trend, standardised; 0 for missing values."""
    steps = np.arange(len(x))[present][:, None]
    steps = steps - steps.mean()
    values = x[present] - x[present].mean(axis=0)
    values = values - steps * (steps * values).sum(axis=0) / (np.square(steps).sum() or 1.0)
    flat = np.zeros_like(x)
    flat[present] = values / np.where(values.std(axis=0) > 0, values.std(axis=0), 1.0)
    return flat


def _products(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns sums of the products of all values `(n, C)` that are 0, 1, 2 ... steps apart, `(n,)`."""
    spectrum = np.square(np.abs(np.fft.rfft(x, 2 * len(x), axis=0))).sum(axis=1)
    return np.fft.irfft(spectrum)[: len(x)]


def _inflation(likeness: NDArray[np.float64]) -> float:
    """Returns how much larger the variance of autocorrelations is than that of white noise, by those of the first lags,
    up to the first that is negative (Bartlett, 1946)."""
    negative = np.flatnonzero(likeness[1:] <= 0)
    first = likeness[1 : 1 + (int(negative[0]) if len(negative) else len(likeness))]
    return float(1 + 2 * np.square(first).sum())


def _error_of(flat: NDArray[np.float64], present: NDArray[np.bool_], period: int) -> float:
    """Returns the mean squared error of forecasting the value one period before."""
    both = present[period:] & present[:-period]
    return float(np.square(flat[period:][both] - flat[:-period][both]).mean()) if both.any() else float("inf")


def _stands_out(likeness: NDArray[np.float64], period: int) -> bool:
    around = max(1, period // 4)
    return bool(likeness[period] > max(likeness[period - around], likeness[period + around], 0.0))

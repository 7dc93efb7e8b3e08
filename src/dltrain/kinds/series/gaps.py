"""Steps and values that are missing: what is refused, and what takes their place."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dltrain.errors import DataError
from dltrain.kinds.series.regular import Floats, IncompleteSeries, RegularSeries

Gaps = Literal["interpolate", "mask", "refuse", "ignore"]
INVENTED = 1 / 3  # share of steps without a row, above which these are not the steps of the series


def check_gaps(series: RegularSeries, whole: Floats, gaps: Gaps, max_gap: int | None, stated: bool) -> None:
    """Refuses gaps that are not to be filled, given the values `(n, C)` with NaN for missing ones.

    Args:
        series: with the values filled.
        whole: the values.
        gaps: as in `data=series`.
        max_gap: most consecutive steps that are filled; `None` for any number.
        stated: whether the user says how long a step is.

    Raises:
        DataError: a gap is too long, or gaps are refused, or most steps have no row.
    """
    missing = series.filled
    invented = np.isnan(whole).all(axis=1).mean() if gaps == "mask" else missing.mean()
    if invented > INVENTED and gaps != "refuse":
        raise IncompleteSeries(
            f"{missing.sum()} of {len(series)} steps of {series.axis.step_words} from {series.spell(0)} to "
            f"{series.spell(len(series) - 1)} have no value: most rows are further apart",
            where=f"column {series.axis.name!r}",
            fix="treat the rows as evenly spaced"
            if stated or not series.axis.has_dates
            else "say how long a step is, as in data.freq=W, or treat the rows as evenly spaced",
            override="data.gaps=ignore",
        )
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(lengths.argmax())
    limited = max_gap is not None and gaps != "mask"
    if gaps == "refuse" or (limited and lengths[longest] > (max_gap or 0)):
        start, length = int(starts[longest]), int(lengths[longest])
        refusal = DataError if gaps == "refuse" else IncompleteSeries
        raise refusal(
            f"{missing.sum()} steps have no value, {length} of them consecutive, from {series.spell(start)} to "
            f"{series.spell(start + length - 1)}",
            where="data.gaps" if gaps == "refuse" else "data.max_gap",
            fix="fill them in the file, or let dltrain interpolate them",
            override="data.gaps=interpolate" if gaps == "refuse" else f"data.max_gap={length}",
        )


def fill_covariates(beside: Floats, steps: int) -> Floats:
    """Returns covariates `(n + A, K)` with those missing in the first `steps` interpolated, and none after them."""
    filled = beside.copy()
    positions = np.arange(steps)
    for column in range(filled.shape[1]):
        past = filled[:steps, column]
        present = ~np.isnan(past)
        if present.any() and not present.all():
            filled[:steps, column] = np.interp(positions, positions[present], past[present])
        elif not present.any():
            filled[:steps, column] = 0.0
    return filled


def interpolate(values: Floats) -> Floats:
    """Returns the values `(n, C)`, with missing ones interpolated linearly."""
    steps, filled = np.arange(len(values)), values.copy()
    for column in range(filled.shape[1]):
        present = ~np.isnan(filled[:, column])
        filled[~present, column] = np.interp(steps[~present], steps[present], values[present, column])
    return filled

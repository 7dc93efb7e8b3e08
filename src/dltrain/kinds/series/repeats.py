"""Rows with the time of another row of their series."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.errors import DataError
from dltrain.kinds.series.regular import Floats
from dltrain.kinds.series.time_axis import TimeAxis

Repeats = Literal["refuse", "mean", "first"]


def join_repeats(
    time: Cells, steps: NDArray[np.int64], values: Floats, axis: TimeAxis, repeats: Repeats, several: bool
) -> tuple[NDArray[np.int64], Floats, str]:
    """Returns the rows to keep, the values `(R, C)`, those of kept rows averaged if that is wanted, and a note.

    Args:
        time: the times of the rows.
        steps: `(R,)` on the axis.
        values: of the rows.
        axis: of the series.
        repeats: as in `data=series`.
        several: whether a column tells series apart.

    Raises:
        DataError: two rows have the same time and different values.
    """
    order = np.argsort(steps, kind="stable")
    same = np.diff(steps[order]) == 0
    if not same.any():
        return np.arange(len(steps)), values, ""
    first, again = order[:-1][same], order[1:][same]
    differ = ((values[first] != values[again]) & ~(np.isnan(values[first]) & np.isnan(values[again]))).any(axis=1)
    kept = np.setdiff1d(np.arange(len(steps)), again)
    if not differ.any():
        return kept, values, f"left out rows with the same time and values as another: {len(again):,}"
    if repeats == "refuse":
        raise _contradiction(time, (int(first[differ][0]), int(again[differ][0])), steps, again, axis, several)
    if repeats == "mean":
        totals = pd.DataFrame(values).groupby(steps).transform("mean")
        values = totals.to_numpy()
    words = "the mean" if repeats == "mean" else "the first"
    return kept, values, f"of {len(again):,} rows with the time of another, {words} is taken: data.repeats"


def _contradiction(
    time: Cells,
    rows: tuple[int, int],
    steps: NDArray[np.int64],
    again: NDArray[np.int64],
    axis: TimeAxis,
    several: bool,
) -> DataError:
    one, other = rows
    text = time.values[time.codes[one]]
    fix = "leave one of them out, take their mean or the first of them, or name the column that tells series apart"
    if several:
        fix = "leave one of them out, or take their mean or the first of them"
    elif len(again) <= 24 and len(steps) / max(1, len(again)) > 2 and _is_night(axis, int(steps[one])):
        fix = "where clocks were set back, an hour comes twice: take the mean of both, or the first of them"
    return DataError(
        f"two rows have the time {text} and different values",
        where=f"rows {time.rows[one] + 2} and {time.rows[other] + 2}, column {axis.name!r} of the file",
        fix=fix + " (data.repeats" + ("" if several else ", data.series") + ")",
        override="data.repeats=mean",
    )


def _is_night(axis: TimeAxis, step: int) -> bool:
    """Tells whether a step is at a time at which clocks are set back."""
    if axis.unit != "seconds":
        return False
    moment = axis.moment(step)
    return moment.hour <= 3 and moment.month in (3, 4, 9, 10, 11)

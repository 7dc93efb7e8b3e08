"""Reads a column of times as steps of one length, for every series of a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.date_format import DateFormat
from dltrain.errors import DataError
from dltrain.kinds.series.moments import Moments, read_moments, refuse_time
from dltrain.kinds.series.steps import DatedSteps, Steps, exact_step, usual_step, whole_steps
from dltrain.kinds.series.time_axis import TimeAxis


def read_axis(cells: Cells, name: str, dates: str | DateFormat = "auto") -> tuple[TimeAxis, NDArray[np.int64]]:
    """Returns the axis of one series, and the step of each row `(N,)`, as `read_steps` does."""
    read = read_steps(cells, name, np.zeros(len(cells.codes), np.int64), dates)
    return read.axes[0], read.steps


def read_steps(
    cells: Cells,
    name: str,
    groups: NDArray[np.int64],
    dates: str | DateFormat = "auto",
    freq: str | None = None,
    like: TimeAxis | None = None,
) -> Steps:
    """Returns the times of rows as steps of one length in all series.

    Args:
        cells: of the column of times.
        name: of the column.
        groups: `(N,)` the number of each row's series, from 0 on, each with at least one row.
        dates: how dates are read, as in `infer_dates`, or the format of an earlier series, which is tried first.
        freq: the length of a step as `parse_frequency` reads it; None to find it.
        like: the axis of the training series, whose steps these have to be.

    Raises:
        DataError: a cell is not a time, its dates may be read in several ways, or the times are not evenly spaced, or
            have other steps than the training series.
    """
    if (cells.codes < 0).any():
        raise refuse_time(cells, int((cells.codes < 0).argmax()), name)
    read = read_moments(cells, name, dates, like)
    if isinstance(read, Moments):
        axis = TimeAxis("seconds", name=name, spelling=read.spelling, offset=read.offset, dates=read.form)
        steps = DatedSteps(axis, read.moments, groups, freq, like).read(cells)
        return replace(steps, notes=(*read.notes, *steps.notes))
    numbers, spelling = read
    if freq is not None:
        raise DataError(
            f"the times in {name!r} are numbers, whose steps have no name",
            where="data.freq",
            fix="leave it out, or say how the numbers are dates",
            override="data.dates=unix",
        )
    step = like.step if like is not None else exact_step(numbers, groups, usual_step(numbers, groups))
    starts = np.array([numbers[groups == group].min() for group in range(groups.max() + 1)])
    width, decimals = _digits(cells, spelling)
    axis = TimeAxis("numbers", step=step, spelling=spelling, name=name, width=width, decimals=decimals)
    axes = tuple(replace(axis, start=float(start)) for start in starts)
    places = whole_steps((numbers - starts[groups]) / step, cells, axes[0], like)
    if step != round(step):  # the numbers are rounded, so that their mean tells more than the first
        starts = np.array([(numbers - places * step)[groups == group].mean() for group in range(len(axes))])
        axes = tuple(replace(axis, start=float(start)) for axis, start in zip(axes, starts, strict=True))
    return Steps(axes, places)


def _digits(cells: Cells, prefix: str) -> tuple[int, int]:
    """Returns how many digits the numbers of all cells have before and after the point, as in `TimeAxis`."""
    if prefix.startswith("{"):
        return 0, 0
    whole, _, fraction = zip(*(text[len(prefix) :].partition(".") for text in cells.values), strict=True)
    padded = any(len(text) > 1 and text.startswith("0") for text in whole)
    decimals = set(map(len, fraction))
    width = max(map(len, whole)) if padded else 0
    return width, decimals.pop() if len(decimals) == 1 else -max(decimals)

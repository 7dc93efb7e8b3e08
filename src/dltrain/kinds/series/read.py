"""Reads a table of times and values as an evenly spaced series: sorts it, and fills its gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, check_numbers, name_list, nearest, read_cells
from dltrain.data.column_names import pick_column, plain
from dltrain.data.date_format import DateFormat
from dltrain.data.dates import are_dates
from dltrain.errors import DataError
from dltrain.kinds.series.time_axis import TimeAxis, read_axis

Gaps = Literal["interpolate", "refuse", "ignore"]
TIME = r"(unix|utc)?(timestamp|datetime|date|time)(utc)?|t|ds|year|month|week|day|hour|period|quarter|index|"
TIME += r"(时间|日期|月份|年份|年|月|日|时间戳|年月)"


@dataclass(frozen=True)
class RegularSeries:
    """Evenly spaced values.

    Args:
        names: the names of the columns.
        values: `(n, C)` float64.
        filled: `(n,)` whether any value of a step was missing.
        axis: the times.
        first: the step on the axis of the first value.
        notes: what was inferred and interpolated.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    filled: NDArray[np.bool_]
    axis: TimeAxis
    first: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def spell(self, position: int) -> str:
        """Returns the time of the value at a position, as the source would write it."""
        return self.axis.spell(self.first + position)


def read_series(
    frame: pd.DataFrame,
    target: Sequence[str] | None,
    time: str | None,
    gaps: Gaps,
    max_gap: int,
    dates: str | DateFormat = "auto",
) -> RegularSeries:
    """Returns times and values in order, with gaps of at most `max_gap` steps filled.

    Args:
        frame: the table.
        target: the columns of values; None for all columns of numbers.
        time: the column of times; None to find it.
        gaps: what happens to missing steps, as in `data=series`.
        max_gap: the largest number of consecutive steps that are filled.
        dates: how dates are read, as in `data=series`, or the format of an earlier series.

    Raises:
        DataError: there are no numbers, the times are not evenly spaced, two rows contradict each other, or a gap is
            too long.
    """
    cells = {str(name): read_cells(frame[name]) for name in frame.columns}
    time = find_time(frame, cells, time, target)
    names = _value_columns(frame, cells, time, target)
    notes = [f"values {name_list(names)}" + (f", times {time}" if time else ", one row per step: no column of times")]
    values = np.stack([cells[name].as_numbers() for name in names], axis=1)
    if time is None or gaps == "ignore":
        axis, steps = TimeAxis(), np.arange(len(frame))
        if time is not None:
            notes.append(f"{time} is ignored: the rows are treated as evenly spaced")
    else:
        axis, steps = read_axis(cells[time], time, dates)
        once = _first_of_each(cells, time, steps, values)
        if not once.all():
            notes.append(f"left out rows with the same time and values as another: {(~once).sum():,}")
            steps, values = steps[once], values[once]
        if (np.diff(steps) < 0).any():
            notes.append(f"sorted the rows by {time}")
    complete = np.flatnonzero(~np.isnan(values).any(axis=1))
    if len(complete) < 2:
        raise DataError(
            f"{'only one row has' if len(complete) else 'no row has'} all values",
            where="data.path",
            fix="give a longer series",
        )
    first, last = int(steps[complete].min()), int(steps[complete].max())
    whole = np.full((last - first + 1, len(names)), np.nan)
    inside = (steps >= first) & (steps <= last)
    whole[steps[inside] - first] = values[inside]
    series = RegularSeries(names, whole, np.isnan(whole).any(axis=1), axis, first)
    if series.filled.any():
        series = replace(series, values=_fill_gaps(series, gaps, max_gap))
        notes.append(f"interpolated {series.filled.sum()} of {len(series)} steps, which were missing: data.gaps")
    return replace(series, notes=tuple(notes))


def find_time(
    frame: pd.DataFrame, cells: Mapping[str, Cells], named: str | None, target: Sequence[str] | None
) -> str | None:
    """Returns the column of times: the given one, one with a usual name, or the first with dates; None without one."""
    column = pick_column(frame, "time", named, TIME, target or ())
    if column is not None and (named is not None or len(cells) > 1):
        return column
    for name in cells:
        if name not in (target or ()) and are_dates(cells[name]):
            return name
    counting = next(iter(cells))  # a column without a name, as spreadsheets and pandas write their row numbers
    numbers = cells[counting].as_numbers()
    nameless = plain(counting) in ("column1", "unnamed0")
    even = len(cells) > 1 and len(numbers) > 2 and bool((np.diff(numbers) == 1).all())
    return counting if nameless and even else None


def _value_columns(
    frame: pd.DataFrame, cells: Mapping[str, Cells], time: str | None, target: Sequence[str] | None
) -> tuple[str, ...]:
    """Returns the names of the columns of values.

    Raises:
        DataError: a column does not exist, or one of its cells is not a number.
    """
    numeric = [name for name, column in cells.items() if name != time and column.values and column.all_numbers]
    for name in target or ():
        if name not in cells:
            best = (nearest(name, frame.columns) or numeric or [""])[0]
            raise DataError(
                f"the table has no column {name!r}",
                where="data.target",
                fix=f"name one of its columns: {name_list(frame.columns)}",
                override=_override([best if other == name else other for other in target or ()]) if best else "",
            )
    for name in cells if target is None else target:
        try:
            if target is not None or (name != time and cells[name].values):
                check_numbers(name, cells[name], strict=target is not None)
        except DataError as error:
            others = [other for other in (target or numeric) if other in numeric and other != name]
            fix = "correct it, or leave the cell empty to have it interpolated"
            raise DataError(
                error.what, error.where, fix + (", or leave the column out" if others else ""), _override(others)
            ) from None
    if target is not None:
        return tuple(dict.fromkeys(target))
    if not numeric:
        raise DataError(
            f"no column contains numbers: {name_list(cells)}",
            where="data.target",
            fix="give a file with a column of values",
        )
    return tuple(numeric)


def _override(target: Sequence[str]) -> str:
    names = list(dict.fromkeys(target))
    return f"data.target={names[0] if len(names) == 1 else '[' + ','.join(names) + ']'}" if names else ""


def _first_of_each(
    cells: Mapping[str, Cells], time: str, steps: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Returns which rows `(N,)` do not repeat an earlier one.

    Raises:
        DataError: two rows have the same time and different values.
    """
    order = np.argsort(steps, kind="stable")
    same = np.diff(steps[order]) == 0
    first, again = order[:-1][same], order[1:][same]
    differ = ((values[first] != values[again]) & ~(np.isnan(values[first]) & np.isnan(values[again]))).any(axis=1)
    if differ.any():
        one, other = int(first[differ][0]), int(again[differ][0])
        times, rows = cells[time], cells[time].rows
        apart = [name for name, column in cells.items() if name != time and column.codes[one] != column.codes[other]]
        words = [name for name in apart if not cells[name].all_numbers]
        raise DataError(
            f"two rows have the time {times.values[times.codes[one]]} and different values",
            where=f"rows {rows[one] + 2} and {rows[other] + 2}, column {time!r} of the file",
            fix=f"give one file for each {words[0]}, if that distinguishes series"
            if words
            else "leave one of them out",
        )
    once = np.ones(len(steps), dtype=bool)
    once[again] = False
    return once


def _fill_gaps(series: RegularSeries, gaps: Gaps, max_gap: int) -> NDArray[np.float64]:
    """Returns the values `(n, C)`, with missing ones interpolated linearly.

    Raises:
        DataError: a gap is too long, or gaps are refused.
    """
    missing = series.filled
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(lengths.argmax())
    if gaps == "refuse" or lengths[longest] > max_gap:
        start, length = int(starts[longest]), int(lengths[longest])
        raise DataError(
            f"{missing.sum()} steps have no value, {length} of them consecutive, from {series.spell(start)} to "
            f"{series.spell(start + length - 1)}",
            where="data.gaps" if gaps == "refuse" else "data.max_gap",
            fix="fill them in the file, or have them interpolated",
            override="data.gaps=interpolate" if gaps == "refuse" else f"data.max_gap={length}",
        )
    steps = np.arange(len(series))
    filled = series.values.copy()
    for column in range(filled.shape[1]):
        present = ~np.isnan(filled[:, column])
        filled[~present, column] = np.interp(steps[~present], steps[present], series.values[present, column])
    return filled

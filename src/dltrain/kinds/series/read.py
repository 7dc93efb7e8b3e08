"""Reads the rows of a table as evenly spaced series: tells them apart, sorts each, and fills its gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, Form, check_numbers, name_list, read_cells
from dltrain.data.date_format import DateFormat
from dltrain.data.stand_ins import StandIns
from dltrain.errors import DataError
from dltrain.kinds.series.axis_reader import read_steps
from dltrain.kinds.series.columns import Roles, codes_of
from dltrain.kinds.series.covariates import Covariate
from dltrain.kinds.series.gaps import Gaps, check_gaps, fill_covariates, interpolate
from dltrain.kinds.series.plain_cells import read_times
from dltrain.kinds.series.regular import Floats, IncompleteSeries, RegularSeries
from dltrain.kinds.series.repeats import Repeats, join_repeats
from dltrain.kinds.series.steps import Steps
from dltrain.kinds.series.time_axis import TimeAxis

BETWEEN = " / "  # in the name of a series that several columns tell apart


@dataclass(frozen=True)
class Reading:
    """How rows become series.

    Args:
        roles: of the columns.
        forms: how the numbers of columns of values are written, where they are not plain.
        covariates: the columns beside the values: observed ones, then known ones.
        gaps: what happens to missing steps, as in `data=series`.
        max_gap: most consecutive steps that are filled; `None` for any number.
        repeats: what happens to rows with one time and different values, as in `data=series`.
        dates: how dates are read, or the format of an earlier series.
        freq: the length of a step, as `parse_frequency` reads it.
        like: the axis of the training series.
        missing: values that stand for missing ones, by column.
    """

    roles: Roles
    forms: Mapping[str, Form | None]
    covariates: tuple[Covariate, ...] = ()
    gaps: Gaps = "interpolate"
    max_gap: int | None = 10
    repeats: Repeats = "refuse"
    dates: str | DateFormat = "auto"
    freq: str | None = None
    like: TimeAxis | None = None
    missing: StandIns = field(default_factory=dict)

    def read(
        self, frame: pd.DataFrame, cells: Mapping[str, Cells]
    ) -> tuple[tuple[RegularSeries, ...], tuple[str, ...]]:
        """Returns the series in a table in the order of their first rows, and notes.

        Args:
            frame: the table.
            cells: of its columns.

        Raises:
            DataError: the times are not evenly spaced, two rows contradict each other, or a gap is too long.
        """
        roles = self.roles
        groups, group_names = _groups(cells, roles.series, len(frame))
        if roles.time:
            cells = {**cells, roles.time: read_times(frame[roles.time])}
        values = self._read_values(frame)
        beside = [self._read_covariate(frame, column) for column in self.covariates]
        covariates = np.concatenate([np.empty((len(frame), 0)), *beside], axis=1)
        notes: list[str] = []
        if roles.time and self.gaps != "ignore":
            read = read_steps(cells[roles.time], roles.time, groups, self.dates, self.freq, self.like)
            notes += read.notes
        else:
            read = _by_order(groups)
            if roles.time:
                notes.append(f"{roles.time} is ignored: the rows are treated as evenly spaced")
        static = [cells[name].or_else([""] * len(frame)) for name in roles.static]
        series: list[RegularSeries] = []
        problems: list[tuple[str, DataError]] = []
        for group, name in enumerate(group_names):
            rows = np.flatnonzero(groups == group)
            try:
                one = self._regular(name, rows, read, values[rows], covariates[rows], cells, group)
            except IncompleteSeries as error:
                if len(group_names) == 1:
                    raise
                problems.append((name, error))
                continue
            series.append(replace(one, static=tuple(column[rows[0]] for column in static)))
        if not series:
            name, first = problems[0]
            raise DataError(f"series {name}: {first.what}", first.where, first.fix, first.override)
        return tuple(series), (*notes, *_notes_of(series, problems))

    def _read_values(self, frame: pd.DataFrame) -> Floats:
        """Returns the values `(N, C)`, NaN for missing ones and where there is no such column.

        Raises:
            DataError: a cell is no number.
        """
        columns = []
        for name in self.roles.target:
            cells = read_cells(frame[name], form=self.forms.get(name))
            check_numbers(name, cells, strict=True)
            columns.append(cells.as_numbers())
        return np.stack(columns, axis=1)

    def _read_covariate(self, frame: pd.DataFrame, column: Covariate) -> Floats:
        as_written = bool(column.levels) or column.form is not None
        return column.encode(read_cells(frame[column.name], form=column.form, as_written=as_written))

    def _regular(
        self,
        name: str,
        rows: NDArray[np.int64],
        read: Steps,
        values: Floats,
        covariates: Floats,
        cells: Mapping[str, Cells],
        group: int,
    ) -> RegularSeries:
        """Returns one series of some rows of the table, with its values `(R, C)` and covariates `(R, K)`."""
        steps, axis, notes = read.steps[rows], read.axes[group], []
        time = cells[self.roles.time].take(rows) if self.roles.time and axis.unit != "rows" else None
        if time is not None:
            kept, values, repeated = join_repeats(time, steps, values, axis, self.repeats, bool(self.roles.series))
            if repeated:
                notes.append(repeated)
            steps, values, covariates = steps[kept], values[kept], covariates[kept]
            texts = [time.values[code] for code in time.codes[kept].tolist()]
            if (np.diff(steps) < 0).any():
                notes.append("sorted")
        else:
            texts = [axis.spell(int(step)) for step in steps]
        complete = np.flatnonzero(~np.isnan(values).any(axis=1))
        if len(complete) < 2:
            raise IncompleteSeries(
                f"{'only one row has' if len(complete) else 'no row has'} all values",
                where="data.path",
                fix="give a longer series",
            )
        first, last, end = int(steps[complete].min()), int(steps[complete].max()), int(steps.max())
        inside, held = (steps >= first) & (steps <= last), steps >= first
        whole = np.full((last - first + 1, values.shape[1]), np.nan)
        whole[steps[inside] - first] = values[inside]
        beside = np.full((end - first + 1, covariates.shape[1]), np.nan)
        beside[steps[held] - first] = covariates[held]
        times: list[str | None] = [None] * (end - first + 1)
        for step, text in zip(steps[held].tolist(), np.array(texts, dtype=object)[held], strict=True):
            times[step - first] = text
        filled = np.isnan(whole).any(axis=1)
        series = RegularSeries(
            self.roles.target,
            whole,
            filled,
            axis,
            first,
            name,
            tuple(axis.spell(first + at) if text is None else text for at, text in enumerate(times)),
            fill_covariates(beside, last - first + 1),
            notes=tuple(notes),
        )
        outside = int((~inside & ~np.isnan(values).all(axis=1)).sum())
        if outside:
            series = replace(series, notes=(*notes, _outside_note(self.roles.target, values[~inside], outside)))
        if filled.any():
            check_gaps(series, whole, self.gaps, self.max_gap, self.freq is not None)
            series = replace(series, values=interpolate(whole))
        if self.gaps == "mask":
            series = replace(series, missing=np.isnan(whole))
        return series


def _outside_note(names: Sequence[str], values: Floats, rows: int) -> str:
    """Returns what is said of rows before or after those in which all columns have values."""
    lacking = [name for name, column in zip(names, np.isnan(values).T, strict=True) if column.any()]
    shorter = f"{name_list(lacking, 3)} {'has' if len(lacking) == 1 else 'have'} no value there"
    return f"left out {rows:,} rows at the ends: {shorter}; data.target forecasts fewer columns"


def _groups(cells: Mapping[str, Cells], columns: Sequence[str], rows: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Returns the series of each row `(N,)`, and the names of the series."""
    if not columns:
        return np.zeros(rows, np.int64), ("",)
    codes = codes_of(cells, columns)
    _, firsts = np.unique(codes, return_index=True)
    parts = [cells[name].or_else([""] * rows) for name in columns]
    return codes, tuple(BETWEEN.join(filter(None, (part[row] for part in parts))) for row in firsts.tolist())


def _by_order(groups: NDArray[np.int64]) -> Steps:
    """Returns the rows of each series as its steps, in their order."""
    steps = np.asarray(pd.Series(groups).groupby(groups).cumcount(), np.int64)
    return Steps((TimeAxis(),) * (int(groups.max()) + 1), steps)


def _notes_of(series: Sequence[RegularSeries], problems: Sequence[tuple[str, DataError]]) -> Iterable[str]:
    """Yields what was done to series, and which were left out."""
    time = series[0].axis.name
    if any("sorted" in one.notes for one in series):
        yield f"sorted the rows by {time}"
    yield from dict.fromkeys(note for one in series for note in one.notes if note != "sorted")
    filled = sum(int(one.filled.sum()) for one in series)
    if filled:
        total = sum(map(len, series))
        way = "interpolated" if series[0].missing is None else "told the model of"
        yield f"{way} {filled} of {total} steps, which were missing: data.gaps"
    if problems:
        name, error = problems[0]
        count = len(problems)
        yield f"left out {count} series, such as {name}: {error.what}"

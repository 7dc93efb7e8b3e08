"""Reads the rows of a table as evenly spaced series: tells them apart, sorts each, and fills its gaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, Form, check_numbers, name_list, read_cells
from dltrain.data.date_format import DateFormat
from dltrain.data.stand_ins import StandIns
from dltrain.errors import DataError
from dltrain.kinds.series.axis_reader import Steps, read_steps
from dltrain.kinds.series.columns import Roles, codes_of, is_still
from dltrain.kinds.series.covariates import Covariate
from dltrain.kinds.series.time_axis import TimeAxis

Gaps = Literal["interpolate", "mask", "refuse", "ignore"]
Repeats = Literal["refuse", "mean", "first"]
Floats = NDArray[np.float64]
INVENTED = 1 / 3  # share of steps without a row, above which these are not the steps of the series
POINTED = re.compile(r"\d{1,8}\.0")
BETWEEN = " / "  # in the name of a series that several columns tell apart


@dataclass(frozen=True)
class RegularSeries:
    """Evenly spaced values of one series.

    Args:
        names: the names of the columns of values.
        values: `(n, C)` float64.
        filled: `(n,)` whether any value of a step was missing.
        missing: `(n, C)` which values were, where the model is to know; None where it is not.
        axis: the times.
        first: the step on the axis of the first value.
        name: of the series; empty where there is one alone.
        times: of the steps, as the source writes them, and of rows after them that hold covariates alone.
        covariates: `(n + A, K)` of the steps and of `A` steps after them; NaN where one is not given after them.
        static: the cells of the columns that are the same in all of its rows.
        notes: what was sorted, left out and interpolated.
    """

    names: tuple[str, ...]
    values: Floats
    filled: NDArray[np.bool_]
    axis: TimeAxis
    first: int
    name: str = ""
    times: tuple[str, ...] = ()
    covariates: Floats | None = None
    static: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def beside(self) -> Floats:
        """Returns the covariates `(n + A, K)`, of which there may be none."""
        return np.empty((len(self), 0)) if self.covariates is None else self.covariates

    def spell(self, position: int) -> str:
        """Returns the time of the value at a position, as the source writes it, or would write it."""
        return self.times[position] if position < len(self.times) else self.axis.spell(self.first + position)

    def moments(self, count: int) -> pd.DatetimeIndex:
        """Returns the times of the first steps `(count,)` of a series with dates."""
        positions = np.arange(self.first, self.first + count)
        if self.axis.unit == "seconds":
            seconds = (positions - self.axis.at) * self.axis.step
            return pd.Timestamp(self.axis.start) + pd.to_timedelta(seconds, unit="s")
        if self.axis.unit == "sessions":
            dates = self.axis.dates or DateFormat()
            known = pd.DatetimeIndex(dates.read(self.times, local=True))
            after = [self.axis.moment(int(position)) for position in positions[len(known) :]]
            return pd.DatetimeIndex([*known[:count], *after])
        return pd.DatetimeIndex([self.axis.moment(int(position)) for position in positions])


class IncompleteSeries(DataError):
    """A series lacks too many values to be used; of several, it is left out."""


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
            kept, values, repeated = self._without_repeats(time, steps, values, axis)
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
            _fill_covariates(beside, last - first + 1),
            notes=tuple(notes),
        )
        outside = int((~inside & ~np.isnan(values).all(axis=1)).sum())
        if outside:
            series = replace(series, notes=(*notes, _outside_note(self.roles.target, values[~inside], outside)))
        if filled.any():
            self._check_gaps(series, whole)
            series = replace(series, values=_interpolate(whole))
        if self.gaps == "mask":
            series = replace(series, missing=np.isnan(whole))
        return series

    def _without_repeats(
        self, time: Cells, steps: NDArray[np.int64], values: Floats, axis: TimeAxis
    ) -> tuple[NDArray[np.int64], Floats, str]:
        """Returns the rows to keep, the values `(R, C)`, those of kept rows averaged if that is wanted, and a note.

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
        if self.repeats == "refuse":
            raise self._contradiction(time, int(first[differ][0]), int(again[differ][0]), steps, again, axis)
        if self.repeats == "mean":
            totals = pd.DataFrame(values).groupby(steps).transform("mean")
            values = totals.to_numpy()
        words = "the mean" if self.repeats == "mean" else "the first"
        return kept, values, f"of {len(again):,} rows with the time of another, {words} is taken: data.repeats"

    def _contradiction(
        self,
        time: Cells,
        one: int,
        other: int,
        steps: NDArray[np.int64],
        again: NDArray[np.int64],
        axis: TimeAxis,
    ) -> DataError:
        text = time.values[time.codes[one]]
        fix = "leave one of them out, take their mean or the first of them, or name the column that tells series apart"
        if self.roles.series:
            fix = "leave one of them out, or take their mean or the first of them"
        elif len(again) <= 24 and len(steps) / max(1, len(again)) > 2 and _is_night(axis, int(steps[one])):
            fix = "where clocks were set back, an hour comes twice: take the mean of both, or the first of them"
        return DataError(
            f"two rows have the time {text} and different values",
            where=f"rows {time.rows[one] + 2} and {time.rows[other] + 2}, column {self.roles.time!r} of the file",
            fix=fix + " (data.repeats" + ("" if self.roles.series else ", data.series") + ")",
            override="data.repeats=mean",
        )

    def _check_gaps(self, series: RegularSeries, whole: Floats) -> None:
        """Refuses gaps that are not to be filled, given the values `(n, C)` with NaN for missing ones.

        Raises:
            DataError: a gap is too long, or gaps are refused, or most steps have no row.
        """
        missing = series.filled
        invented = np.isnan(whole).all(axis=1).mean() if self.gaps == "mask" else missing.mean()
        if invented > INVENTED and self.gaps != "refuse":
            raise IncompleteSeries(
                f"{missing.sum()} of {len(series)} steps of {series.axis.step_words} from {series.spell(0)} to "
                f"{series.spell(len(series) - 1)} have no value: most rows are further apart",
                where=f"column {series.axis.name!r}",
                fix="treat the rows as evenly spaced"
                if self.freq is not None or not series.axis.has_dates
                else "say how long a step is, as in data.freq=W, or treat the rows as evenly spaced",
                override="data.gaps=ignore",
            )
        edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        longest = int(lengths.argmax())
        limited = self.max_gap is not None and self.gaps != "mask"
        if self.gaps == "refuse" or (limited and lengths[longest] > (self.max_gap or 0)):
            start, length = int(starts[longest]), int(lengths[longest])
            refusal = DataError if self.gaps == "refuse" else IncompleteSeries
            raise refusal(
                f"{missing.sum()} steps have no value, {length} of them consecutive, from {series.spell(start)} to "
                f"{series.spell(start + length - 1)}",
                where="data.gaps" if self.gaps == "refuse" else "data.max_gap",
                fix="fill them in the file, or have them interpolated",
                override="data.gaps=interpolate" if self.gaps == "refuse" else f"data.max_gap={length}",
            )


def _outside_note(names: Sequence[str], values: Floats, rows: int) -> str:
    """Returns what is said of rows before or after those in which all columns have values."""
    lacking = [name for name, column in zip(names, np.isnan(values).T, strict=True) if column.any()]
    shorter = f"{name_list(lacking, 3)} {'has' if len(lacking) == 1 else 'have'} no value there"
    return f"left out {rows:,} rows at the ends: {shorter}; data.target forecasts fewer columns"


def _is_night(axis: TimeAxis, step: int) -> bool:
    """Tells whether a step is at a time at which clocks are set back."""
    if axis.unit != "seconds":
        return False
    moment = axis.moment(step)
    return moment.hour <= 3 and moment.month in (3, 4, 9, 10, 11)


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


def _fill_covariates(beside: Floats, steps: int) -> Floats:
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


def _interpolate(values: Floats) -> Floats:
    """Returns the values `(n, C)`, with missing ones interpolated linearly."""
    steps, filled = np.arange(len(values)), values.copy()
    for column in range(filled.shape[1]):
        present = ~np.isnan(filled[:, column])
        filled[~present, column] = np.interp(steps[~present], steps[present], values[present, column])
    return filled


def with_plain_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a table without last rows that are empty, whose typed dates without a time of day are texts without one,
    and in which a point alone, as statistical offices write it, is a missing value."""
    if _ends_empty(frame):
        filled = np.flatnonzero((frame.notna() & (frame != "")).any(axis=1).to_numpy())
        frame = frame.iloc[: filled[-1] + 1] if len(filled) else frame
    dated = [
        name
        for name in frame.columns
        if pd.api.types.is_datetime64_dtype(frame[name].dtype)
        and (frame[name].dropna().dt.normalize() == frame[name].dropna()).all()
    ]
    plain = {name: frame[name].dt.strftime("%Y-%m-%d") for name in dated}
    texts = [name for name in frame.columns if name not in dated and not pd.api.types.is_numeric_dtype(frame[name])]
    points = [name for name in texts if (frame[name] == ".").any()]
    plain |= {name: frame[name].mask(frame[name] == ".") for name in points}
    return frame.assign(**plain) if plain else frame


def _ends_empty(frame: pd.DataFrame) -> bool:
    return bool(len(frame)) and all(pd.isna(cell) or cell == "" for cell in frame.iloc[-1])


def read_times(column: pd.Series[Any]) -> Cells:
    """Returns the cells of a column of times as they are written, because 1980.10 is not 1980.1; whole numbers that a
    program has written with a point are whole."""
    cells = read_cells(column, as_written=True)
    pointed = all(POINTED.fullmatch(text) for text in cells.values)
    return read_cells(column) if pointed else cells


def read_all(frame: pd.DataFrame) -> dict[str, Cells]:
    """Returns the cells of all columns."""
    return {str(name): read_cells(frame[name]) for name in frame.columns}


def unused(roles: Roles, names: Iterable[Any]) -> tuple[str, ...]:
    """Returns the columns that have no role."""
    taken = {*roles.target, roles.time, *roles.series, *roles.covariates, *roles.static}
    return tuple(str(name) for name in names if str(name) not in taken)


def unused_note(columns: Mapping[str, Cells], codes: NDArray[np.int64]) -> Iterable[str]:
    """Yields notes on columns that have no role.

    Args:
        columns: these columns.
        codes: `(N,)` the series of each row.
    """
    still = [name for name, cells in columns.items() if len(cells.values) and is_still(cells, codes)]
    rest = [name for name, cells in columns.items() if len(cells.values) and name not in still]
    if rest:
        keys = "data.known for those that are known ahead, data.observed for others"
        yield f"not used: {name_list(rest)} ({keys})"
    if still:
        yield f"not used: {name_list(still)}, the same in all rows" + (" of a series" if codes.any() else "")

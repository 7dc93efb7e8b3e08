"""Reads a column of times as steps of one length, for every series of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.date_format import NUMBERS, AmbiguousDates, DateFormat
from dltrain.data.date_layouts import find_range
from dltrain.data.dates import HALF, infer_cells, no_time
from dltrain.errors import DataError
from dltrain.kinds.series.doubtful_times import read_doubtful, read_elapsed
from dltrain.kinds.series.spelling import find_spelling, months_in, spells
from dltrain.kinds.series.time_axis import DAY, RELATIVE, TimeAxis, Unit, last_weekdays, parse_frequency

TOLERANCE = 0.05  # largest deviation of a time, as a fraction of a step
TOLERANCE_STATED = 0.35  # the same where the user says how long a step is
WHOLE_STEPS = 0.01  # largest relative error of a step that was rounded
PART = 1e-4  # the same of 1/12 and the like
COMMON = 0.1  # fraction of all steps, above which the smallest step is not an accident
SAMPLE = 50  # times by which the spelling is told
CLOSED, LONGEST_CLOSED = 0.1, 8  # share of weekdays without a row, and most in a row, of an open market
EARLY, ON_TIME = 4, 0.8  # days before the last weekday of a month, and the share of rows without any
FEW = 10  # times, below which weekends may be missing by chance
OFFSET = re.compile(r"(?<=\d)\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)$", re.IGNORECASE)  # after a time of day
MIDNIGHT = re.compile(r"\s24[:.]00")  # which is written as 00:00 of the next day
NUMBERED = re.compile(r"([^\W\d](?:[^\W\d]| )*)(\d{1,6})")  # V12, day 3
COUNTED_MONTH = re.compile(r"(\d{1,2})-(0[1-9]|1[0-2])")  # 1-01 is the first month of the first year


@dataclass(frozen=True)
class Steps:
    """The times of a table's rows as steps.

    Args:
        axes: of each series.
        steps: `(N,)` the step of each row on the axis of its series, 0 for the earliest.
        notes: what is not obvious.
    """

    axes: tuple[TimeAxis, ...]
    steps: NDArray[np.int64]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Moments:
    """Times as a source's clocks show them: `(N,)` moments, their texts, the offset with which they end, and format."""

    moments: pd.DatetimeIndex
    spelling: str
    offset: str
    form: DateFormat
    notes: tuple[str, ...] = ()


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
        raise _no_time(cells, int((cells.codes < 0).argmax()), name)
    read = _read_moments(cells, name, dates, like)
    if isinstance(read, _Moments):
        axis = TimeAxis("seconds", name=name, spelling=read.spelling, offset=read.offset, dates=read.form)
        steps = _DatedSteps(axis, read.moments, groups, freq, like).read(cells)
        return replace(steps, notes=(*read.notes, *steps.notes))
    numbers, spelling = read
    if freq is not None:
        raise DataError(
            f"the times in {name!r} are numbers, whose steps have no name",
            where="data.freq",
            fix="leave it out, or say how the numbers are dates",
            override="data.dates=unix",
        )
    step = like.step if like is not None else _exact_step(numbers, groups, _usual_step(numbers, groups))
    starts = np.array([numbers[groups == group].min() for group in range(groups.max() + 1)])
    width, decimals = _digits(cells, spelling)
    axis = TimeAxis("numbers", step=step, spelling=spelling, name=name, width=width, decimals=decimals)
    axes = tuple(replace(axis, start=float(start)) for start in starts)
    return Steps(axes, _whole((numbers - starts[groups]) / step, cells, axes[0], like))


def _digits(cells: Cells, prefix: str) -> tuple[int, int]:
    """Returns how many digits the numbers of all cells have before and after the point, as in `TimeAxis`."""
    if prefix.startswith("{"):
        return 0, 0
    whole, _, fraction = zip(*(text[len(prefix) :].partition(".") for text in cells.values), strict=True)
    padded = any(len(text) > 1 and text.startswith("0") for text in whole)
    decimals = set(map(len, fraction))
    width = max(map(len, whole)) if padded else 0
    return width, decimals.pop() if len(decimals) == 1 else -max(decimals)


def _exact_step(numbers: NDArray[np.float64], groups: NDArray[np.int64], step: float) -> float:
    """Returns a step such as 1/12 of which the numbers show a few digits, as the span of the longest series has it."""
    spans = [float(np.ptp(numbers[groups == group])) for group in range(groups.max() + 1)]
    count = round(max(spans) / step)
    exact = max(spans) / count if count and step != round(step) else step
    parts = round(1 / exact) if exact < 1 else 0  # of a year, for example
    exact = 1 / parts if parts and abs(exact * parts - 1) < PART else exact
    return exact if abs(exact / step - 1) < WHOLE_STEPS else step


def _read_moments(
    cells: Cells, name: str, dates: str | DateFormat, like: TimeAxis | None
) -> _Moments | tuple[NDArray[np.float64], str]:
    """Returns the times, or where they are no dates, their numbers `(N,)` and how these are spelled."""
    form, notes = _date_format(cells, name, dates, like is not None)
    if form is not None and not np.isnat(utc := form.read(cells.values)).any():
        read = _by_clocks(cells, form, utc, "" if like is None else like.spelling)
        return replace(read, notes=(*notes, *read.notes))
    if cells.all_numbers:
        return cells.as_numbers(), ""
    counted = [COUNTED_MONTH.fullmatch(value) for value in cells.values]
    if all(counted):
        months = np.array([12 * int(match[1]) + int(match[2]) - 1 for match in counted if match], np.float64)
        return months[cells.codes], RELATIVE
    numbered = [NUMBERED.fullmatch(value) for value in cells.values]
    if all(numbered) and len({match[1] for match in numbered if match}) == 1:
        numbers = np.array([float(match[2]) for match in numbered if match])
        return numbers[cells.codes], next(match[1] for match in numbered if match)
    elapsed = read_elapsed(cells.values)
    if elapsed is not None:
        return elapsed.seconds[cells.codes], elapsed.spelling
    bad = np.isnat((form or DateFormat()).read(cells.values))
    raise _no_time(cells, int(bad[cells.codes].argmax()), name)


def _by_clocks(cells: Cells, form: DateFormat, utc: NDArray[np.datetime64], usual_spelling: str) -> _Moments:
    """Returns the times as clocks show them: where offsets change, as clocks with the last row's offset do, unless all
    times are one time of the day. They are spelled as in the training series, if that fits."""
    texts = cells.values
    local = form.read(texts, local=True)
    ahead = (local - utc).astype("timedelta64[s]").astype(np.int64)
    endings = [match[0] if (match := OFFSET.search(text)) and ":" in text else "" for text in texts]
    zoned = bool(ahead.any() or any(endings)) and form.numbers not in NUMBERS
    notes: tuple[str, ...] = ()
    offset, moments = "", local
    if zoned:
        last = int(utc.argmax())
        offset = endings[last] or _spell_offset(int(ahead[last]))
        if len(set(ahead.tolist())) > 1:
            of_day = (local - local.astype("datetime64[D]")).astype(np.int64)
            if len(set(of_day.tolist())) > 1:
                moments = utc + np.timedelta64(int(ahead[last]), "s")
            spelled = sorted({_spell_offset(seconds) for seconds in ahead.tolist()})
            notes = (f"times have the offsets {' and '.join(spelled)}; later times are given with {offset.strip()}",)
    usual = np.array([at for at, text in enumerate(texts) if not MIDNIGHT.search(text)] or range(len(texts)))
    chosen = usual[np.unique(np.linspace(0, len(usual) - 1, SAMPLE).astype(int))]
    ends = [len(endings[row]) for row in chosen]
    bare = [texts[row][: len(texts[row]) - end] for row, end in zip(chosen, ends, strict=True)]
    shown = [pd.Timestamp(local[row]) for row in chosen]
    if usual_spelling and spells(usual_spelling, shown, bare):
        spelling = usual_spelling
    else:
        spelling = find_spelling(shown, bare, form, months_in(texts, list(pd.DatetimeIndex(local))))
    if zoned and not any(endings):
        spelling = ""
    return _Moments(pd.DatetimeIndex(moments)[cells.codes], spelling, offset, form, notes)


def _spell_offset(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def _date_format(
    cells: Cells, name: str, dates: str | DateFormat, again: bool
) -> tuple[DateFormat | None, tuple[str, ...]]:
    """Returns how dates are written: as in an earlier series, if that reads all of them; None if there are none. And
    what is said of that.

    Raises:
        DataError: they may be read in several ways.
    """
    if isinstance(dates, DateFormat):
        if not np.isnat(dates.read(cells.values)).any():
            return dates, ()
        dates = "auto"
    if dates == "auto" and not again:
        doubtful, note = read_doubtful(cells, name)
        if doubtful is not None:
            return doubtful, (note,)
    form = infer_cells(cells, dates=dates, enough=HALF)
    if isinstance(form, AmbiguousDates):
        raise form.refuse(f"column {name!r}")
    first = cells.values[0]
    spans = form is not None and find_range(first) is not None
    return form, (f"{name} holds spans of time, such as {first}, which are dated by their beginning",) if spans else ()


def _no_time(cells: Cells, at: int, name: str) -> DataError:
    return no_time(cells, at, name, fix="treat the rows as evenly spaced", override="data.gaps=ignore")


class _DatedSteps:
    """Turns the dates of rows into steps of their series.

    Args:
        axis: all but unit, start and step.
        moments: `(N,)`.
        groups: `(N,)` the series of each row.
        freq: as in `read_steps`.
        like: likewise.
    """

    def __init__(
        self,
        axis: TimeAxis,
        moments: pd.DatetimeIndex,
        groups: NDArray[np.int64],
        freq: str | None,
        like: TimeAxis | None,
    ) -> None:
        self.axis, self.moments, self.groups, self.like = axis, moments, groups, like
        order = np.lexsort((moments.to_numpy(), groups))
        begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
        self.firsts, self.lasts = moments[order[begins]], moments[order[[*(begins[1:] - 1), len(order) - 1]]]
        self.seconds = (moments - self.firsts[groups]).total_seconds().to_numpy(np.float64)
        self.stated = freq is not None
        self.unit, self.step = self._choose() if freq is None else parse_frequency(freq)

    def read(self, cells: Cells) -> Steps:
        """Returns the steps."""
        axis = replace(self.axis, unit=self.unit, step=self.step)
        if self.like is not None:
            self._check_like(axis)
            axis = replace(axis, unit=self.like.unit, step=self.like.step)
        exact = self._exact(axis)
        steps = _whole(exact, cells, axis, self.like, TOLERANCE_STATED if self.stated else TOLERANCE)
        notes: tuple[str, ...] = ()
        if axis.unit == "weekdays" and (closed := self._closed_days(steps)):
            axis = replace(axis, unit="sessions")
            notes = (f"days without a row are closed days, and no gaps: {closed}",)
        if axis.unit == "sessions":
            steps, ats = self._rank()
            axes = [replace(axis, start=last.isoformat(), at=at) for last, at in zip(self.lasts, ats, strict=True)]
        else:
            axes = [replace(axis, start=first.isoformat()) for first in self.firsts]
        return Steps(tuple(axes), steps, notes)

    def _choose(self) -> tuple[Unit, float]:
        """Returns unit and length of the usual step."""
        moments, step = self.moments, _usual_step(self.seconds, self.groups)
        one_day = moments.day.nunique() == 1 or bool(moments.is_month_end.all())
        if step >= 27 * DAY and one_day and moments.normalize().nunique() > 1:
            return "months", _usual_step(self._months(), self.groups)
        if step >= 27 * DAY and self._near_month_ends().all() and (self._before_month_end() == 0).mean() >= ON_TIME:
            return "month ends", _usual_step(self._months(), self.groups)
        if step == DAY and (moments.day_of_week < 5).all() and len(moments) > 5:
            return "weekdays", 1.0
        return "seconds", step

    def _before_month_end(self) -> NDArray[np.int64]:
        """Returns how many days each row is before the last weekday of its month, `(N,)`."""
        return np.asarray((last_weekdays(self.moments) - self.moments.normalize()).days)

    def _near_month_ends(self) -> NDArray[np.bool_]:
        """Tells which rows `(N,)` may be the last day of a month on which a market is open."""
        return self._before_month_end() <= EARLY

    def _months(self) -> NDArray[np.float64]:
        """Returns how many months each row is after the first of its series, `(N,)`."""
        firsts = self.firsts[self.groups]
        months = 12 * (self.moments.year - firsts.year) + self.moments.month - firsts.month
        return months.to_numpy(np.float64)

    def _exact(self, axis: TimeAxis) -> NDArray[np.float64]:
        """Returns how many steps each row is after the first of its series, `(N,)`, not rounded."""
        if axis.unit == "months":
            ends = self.moments.is_month_end & self.firsts[self.groups].is_month_end
            days = np.where(ends, 0, self.moments.day - self.firsts[self.groups].day)
            return np.asarray((self._months() + days / 31) / axis.step)
        if axis.unit == "month ends":
            return np.asarray((self._months() + np.where(self._near_month_ends(), 0.0, 0.5)) / axis.step)
        if axis.unit in ("weekdays", "sessions"):
            days = self.moments.to_numpy().astype("datetime64[D]")
            counted = np.busday_count(self.firsts.to_numpy().astype("datetime64[D]")[self.groups], days)
            return np.asarray(counted + np.where(self.moments.day_of_week < 5, 0.0, 0.5), np.float64)
        return self.seconds / axis.step

    def _closed_days(self, steps: NDArray[np.int64]) -> int:
        """Returns how many weekdays without a row there are, if these can be the closed days of a market; else 0."""
        order = np.lexsort((steps, self.groups))
        between = np.diff(steps[order])[np.diff(self.groups[order]) == 0]
        missing = np.maximum(between - 1, 0)
        if not missing.any() or missing.max() > LONGEST_CLOSED or missing.sum() > CLOSED * len(steps):
            return 0
        return int(missing.sum())

    def _rank(self) -> tuple[NDArray[np.int64], list[int]]:
        """Returns the number of each row's time among those of its series `(N,)`, and the last number of each."""
        ranks, lasts = np.zeros(len(self.groups), np.int64), []
        for group in range(len(self.firsts)):
            rows = np.flatnonzero(self.groups == group)
            distinct, ranks[rows] = np.unique(self.moments[rows].to_numpy(), return_inverse=True)
            lasts.append(len(distinct) - 1)
        return ranks, lasts

    def _check_like(self, own: TimeAxis) -> None:
        """Refuses rows whose own steps are other than those of the training series.

        Raises:
            DataError: they are.
        """
        assert self.like is not None
        distinct = len(set(zip(self.groups.tolist(), self.moments.to_numpy().tolist(), strict=True)))
        if distinct - len(self.firsts) < 1:
            return
        weekdays = ("weekdays", "sessions")
        same = own.unit == self.like.unit and own.step == self.like.step
        both = own.unit in weekdays and self.like.unit in weekdays
        by_chance = distinct < FEW and {own.unit, self.like.unit} & set(weekdays) and own.step in (1, DAY)
        whole = self.like.unit == own.unit and self.like.step < own.step and distinct < 3
        if not (same or both or by_chance or whole):
            raise other_step(own, self.like)


def other_step(own: TimeAxis, like: TimeAxis) -> DataError:
    """Returns the error of rows whose steps are not those of the training series."""
    return DataError(
        f"these rows are {own.step_words} apart, and the model was trained on steps of {like.step_words}",
        where=f"column {own.name!r}",
        fix=f"give rows that are {like.step_words} apart, or train a model on such a series",
    )


def _whole(
    exact: NDArray[np.float64], cells: Cells, axis: TimeAxis, like: TimeAxis | None, tolerance: float = TOLERANCE
) -> NDArray[np.int64]:
    """Returns steps as whole numbers.

    Raises:
        DataError: one is none.
    """
    steps = np.round(exact).astype(np.int64)
    off = np.abs(exact - steps)
    if off.max() > tolerance:
        at = int(off.argmax())
        raise DataError(
            f"{cells.values[cells.codes[at]]} is not a whole number of steps ({axis.step_words}) after the first",
            where=f"row {cells.rows[at] + 2}, column {axis.name!r} (the header is row 1)",
            fix="give a regular series, say how long a step is (data.freq), or treat the rows as evenly spaced"
            if like is None
            else f"give rows that are {like.step_words} apart, as those that the model was trained on",
            override="data.gaps=ignore" if like is None else "",
        )
    return steps


def _usual_step(times: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Returns the median step within the series; the smallest if so many steps are missing that the median is a gap."""
    order = np.lexsort((times, groups))
    steps = np.diff(times[order])[np.diff(groups[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        return 1.0
    median, least = float(np.median(steps)), float(steps.min())
    common = bool((steps < (1 + TOLERANCE) * least).mean() > COMMON)
    return least if common and not _are_whole(steps / median) and _are_whole(steps / least) else median


def _are_whole(steps: NDArray[np.float64]) -> bool:
    return bool((np.abs(steps - np.round(steps)) <= TOLERANCE).all())

"""Steps of one length between the times of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.errors import DataError
from dltrain.kinds.series.time_axis import DAY, TimeAxis, Unit, last_weekdays, parse_frequency

TOLERANCE = 0.05  # largest deviation of a time, as a fraction of a step
TOLERANCE_STATED = 0.35  # the same where the user says how long a step is
WHOLE_STEPS = 0.01  # largest relative error of a step that was rounded
PART = 1e-4  # the same of 1/12 and the like
COMMON = 0.1  # fraction of all steps, above which the smallest step is not an accident
CLOSED, LONGEST_CLOSED = 0.1, 8  # share of weekdays without a row, and most in a row, of an open market
EARLY, ON_TIME = 4, 0.8  # days before the last weekday of a month, and the share of rows without any
FEW = 10  # times, below which weekends may be missing by chance


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


class DatedSteps:
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
        steps = whole_steps(exact, cells, axis, self.like, TOLERANCE_STATED if self.stated else TOLERANCE)
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
        moments, step = self.moments, usual_step(self.seconds, self.groups)
        one_day = moments.day.nunique() == 1 or bool(moments.is_month_end.all())
        if step >= 27 * DAY and one_day and moments.normalize().nunique() > 1:
            return "months", usual_step(self._months(), self.groups)
        if step >= 27 * DAY and self._near_month_ends().all() and (self._before_month_end() == 0).mean() >= ON_TIME:
            return "month ends", usual_step(self._months(), self.groups)
        if step == DAY and (moments.day_of_week < 5).all() and len(moments) > 5:
            return "weekdays", 1.0
        return "seconds", exact_step(self.seconds, self.groups, step)

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
        same = own.unit == self.like.unit and abs(own.step / self.like.step - 1) < WHOLE_STEPS
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


def whole_steps(
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


def usual_step(times: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
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


def exact_step(numbers: NDArray[np.float64], groups: NDArray[np.int64], step: float) -> float:
    """Returns a step such as 1/12 of which the numbers show a few digits, as the span of the longest series has it."""
    spans = [float(np.ptp(numbers[groups == group])) for group in range(groups.max() + 1)]
    count = round(max(spans) / step)
    exact = max(spans) / count if count and step != round(step) else step
    parts = round(1 / exact) if exact < 1 else 0  # of a year, for example
    exact = 1 / parts if parts and abs(exact * parts - 1) < PART else exact
    return exact if abs(exact / step - 1) < WHOLE_STEPS else step

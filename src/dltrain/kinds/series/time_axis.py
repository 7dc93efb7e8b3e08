"""Converts times of a series to whole steps, and steps back to times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.date_format import AmbiguousDates, DateFormat
from dltrain.data.dates import HALF, infer_cells, no_time
from dltrain.errors import DataError

Unit = Literal["rows", "numbers", "seconds", "weekdays", "months"]
TOLERANCE = 0.05  # largest deviation of a time, as a fraction of a step
COMMON = 0.1  # fraction of all steps, above which the smallest step is not an accident
DAY = 86_400
OFFSET = re.compile(r"(?<=\d:\d\d)(.*?)(Z|[+-]\d\d:?\d\d)$")  # from UTC, after a time of day
SPELLINGS = (
    *("%Y-%m", "%Y/%m", "%Y.%m", "%Y%m", "%Y年%m月"),
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"),
    *(f"{date}{time}" for date in ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y") for time in (" %H:%M:%S", " %H:%M")),
    *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"),
    *("%b-%y", "%b-%Y", "%b %Y", "%B %Y", "%d-%b-%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%m/%Y", "%m-%Y", "%m.%Y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y"),
)


@dataclass(frozen=True)
class TimeAxis:
    """Evenly spaced times.

    Args:
        unit: the unit of a step; `rows` without times.
        start: the time of step 0: a number, or an ISO date.
        step: the length of a step in units.
        spelling: the format of a date for `strftime`; empty for ISO with the time of day.
        name: the name of the column; empty if there is none.
        offset: the offset from UTC, with which all times end.
        dates: how the source writes dates; None for numbers.
    """

    unit: Unit = "rows"
    start: float | str = 0.0
    step: float = 1.0
    spelling: str = ""
    name: str = ""
    offset: str = ""
    dates: DateFormat | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TimeAxis:
        """Returns the axis that `to_json` wrote.

        Raises:
            TypeError: the stored values are not an axis.
        """
        fields = {"dates": None, **stored}
        return cls(**fields | {"dates": fields["dates"] and DateFormat.from_json(fields["dates"])})

    def to_json(self) -> dict[str, Any]:
        """Returns its fields."""
        return asdict(self)

    def spell(self, position: int) -> str:
        """Returns the time of a step, as the source would write it."""
        if self.unit in ("rows", "numbers"):
            return f"{float(self.start) + position * self.step:.10g}"
        start = pd.Timestamp(self.start)
        if self.unit == "months":
            moment = start + pd.DateOffset(months=round(position * self.step))
            if start.is_month_end and start.day > 28:
                moment += pd.offsets.MonthEnd(0)
        elif self.unit == "weekdays":
            moment = pd.Timestamp(np.busday_offset(start.to_datetime64().astype("datetime64[D]"), position))
        else:
            moment = start + pd.Timedelta(seconds=position * self.step)
        return (moment.strftime(self.spelling) if self.spelling else moment.isoformat(sep=" ")) + self.offset


def read_axis(cells: Cells, name: str, dates: str | DateFormat = "auto") -> tuple[TimeAxis, NDArray[np.int64]]:
    """Returns the axis of a column of times, and the step of each row `(N,)`, 0 for the earliest.

    Args:
        cells: of the column.
        name: of the column.
        dates: how dates are read, as in `infer_dates`, or the format of an earlier series, which is tried first.

    Raises:
        DataError: a cell is not a time, its dates may be read in several ways, or the times are not evenly spaced.
    """
    if (cells.codes < 0).any():
        raise _no_time(cells, int((cells.codes < 0).argmax()), name)
    cells, offset = _without_offset(cells)
    form = _date_format(cells, name, dates)
    moments = None if form is None else form.read(cells.values)
    if moments is not None and not np.isnat(moments).any():
        axis, exact = _of_dates(pd.DatetimeIndex(moments)[cells.codes], cells, name)
        axis = replace(axis, dates=form)
    elif cells.all_numbers:
        axis, exact = _of_numbers(cells.as_numbers(), name)
    else:
        bad = np.isnat(DateFormat().read(cells.values) if moments is None else moments)
        raise _no_time(cells, int(bad[cells.codes].argmax()), name)
    steps = np.round(exact).astype(np.int64)
    off = np.abs(exact - steps)
    if off.max() > TOLERANCE:
        at = int(off.argmax())
        raise DataError(
            f"{cells.values[cells.codes[at]]} is not a whole number of steps ({_step_words(axis)}) after the first",
            where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
            fix="give a regular series, or treat the rows as evenly spaced",
            override="data.gaps=ignore",
        )
    return replace(axis, offset=offset), steps


def _date_format(cells: Cells, name: str, dates: str | DateFormat) -> DateFormat | None:
    """Returns how dates are written: as in an earlier series, if that reads all of them; None if there are none.

    Raises:
        DataError: they may be read in several ways.
    """
    if isinstance(dates, DateFormat):
        if not np.isnat(dates.read(cells.values)).any():
            return dates
        dates = "auto"
    form = infer_cells(cells, dates=dates, enough=HALF)
    if isinstance(form, AmbiguousDates):
        raise form.refuse(f"column {name!r}")
    return form


def _without_offset(cells: Cells) -> tuple[Cells, str]:
    """Returns the local times, and their offset from UTC if all have the same."""
    matches = [OFFSET.search(value) for value in cells.values]
    offsets = {match[2] if match else "" for match in matches}
    if len(offsets) != 1 or offsets == {""}:
        return cells, ""
    return replace(cells, values=tuple(OFFSET.sub(r"\1", value) for value in cells.values)), offsets.pop()


def _no_time(cells: Cells, at: int, name: str) -> DataError:
    return no_time(cells, at, name, fix="treat the rows as evenly spaced", override="data.gaps=ignore")


def _of_numbers(times: NDArray[np.float64], name: str) -> tuple[TimeAxis, NDArray[np.float64]]:
    step = _usual_step(times)
    start = float(times.min())
    return TimeAxis("numbers", start, step, name=name), (times - start) / step


def _of_dates(moments: pd.DatetimeIndex, cells: Cells, name: str) -> tuple[TimeAxis, NDArray[np.float64]]:
    first = moments.min()
    ends = [(moments[row], cells.values[cells.codes[row]]) for row in {0, len(moments) // 2, len(moments) - 1}]
    fits = (spelling for spelling in SPELLINGS if all(moment.strftime(spelling) == value for moment, value in ends))
    spelling = next(fits, "")
    seconds = (moments - first).total_seconds().to_numpy(np.float64)
    step = _usual_step(seconds)
    same_day = moments.day.nunique() == 1 or bool(moments.is_month_end.all())
    if step >= 27 * DAY and same_day:
        months = (12 * (moments.year - first.year) + moments.month - first.month).to_numpy(np.float64)
        step = _usual_step(months)
        return TimeAxis("months", first.isoformat(), step, spelling, name), months / step
    if step == DAY and (moments.day_of_week < 5).all() and len(moments) > 5:
        days = moments.to_numpy().astype("datetime64[D]")
        whole = np.busday_count(days.min(), days).astype(np.float64)
        return TimeAxis("weekdays", first.isoformat(), 1.0, spelling, name), whole
    return TimeAxis("seconds", first.isoformat(), step, spelling, name), seconds / step


def _usual_step(times: NDArray[np.float64]) -> float:
    """Returns the median step; the smallest if so many steps are missing that the median is a gap."""
    steps = np.diff(np.unique(times))
    if not len(steps):
        return 1.0
    median, least = float(np.median(steps)), float(steps.min())
    common = bool((steps < (1 + TOLERANCE) * least).mean() > COMMON)
    return least if common and not _are_whole(steps / median) and _are_whole(steps / least) else median


def _are_whole(steps: NDArray[np.float64]) -> bool:
    return bool((np.abs(steps - np.round(steps)) <= TOLERANCE).all())


def _step_words(axis: TimeAxis) -> str:
    size, unit = axis.step, str(axis.unit)
    if axis.unit == "seconds":
        units = (("days", DAY), ("hours", 3600), ("minutes", 60), ("seconds", 1))
        size, unit = next(((axis.step / long, name) for name, long in units if axis.step % long == 0), (size, unit))
    return f"{size:g} {unit.removesuffix('s') if size == 1 else unit}"


def usual_periods(axis: TimeAxis) -> tuple[int, ...]:
    """Returns the lengths of the calendar's cycles in steps: days and weeks of hours, years of months ..."""
    if axis.unit == "months":
        return (round(12 / axis.step),) if 12 % axis.step == 0 else ()
    if axis.unit == "weekdays":
        return (5,)
    if axis.unit != "seconds":
        return ()
    cycles = (3600, DAY, 7 * DAY, 52 * 7 * DAY)
    return tuple(round(cycle / axis.step) for cycle in cycles if cycle % axis.step == 0 and cycle / axis.step > 1)

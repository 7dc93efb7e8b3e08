"""Evenly spaced times: steps as times, and the cycles of the calendar in steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from dltrain.data.date_format import DateFormat
from dltrain.errors import DataError
from dltrain.kinds.series.spelling import spell_time

Unit = Literal["rows", "numbers", "seconds", "weekdays", "sessions", "months", "month ends"]
DAY = 86_400
WHOLE = 1e-6  # of a step, by which a whole number may be off
RELATIVE = "{year}-{month}"  # of months that are counted from the first year on, as in 1-01
CLOCK = {"s": 1, "sec": 1, "min": 60, "t": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
MONTHS = {"m": 1, "ms": 1, "me": 1, "q": 3, "qs": 3, "qe": 3, "y": 12, "ys": 12, "ye": 12, "a": 12, "as": 12}
MONTH_ENDS = {"bm": 1, "bme": 1, "bq": 3, "bqe": 3, "by": 12, "bye": 12, "ba": 12}
FREQUENCY = re.compile(r"(\d*)\s*([a-z]+)(?:-[a-z]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class TimeAxis:
    """Evenly spaced times.

    Args:
        unit: the unit of a step; `rows` without times, `sessions` for the days on which a market is open, `month ends`
            for the last weekdays of months.
        start: the time of the step `at`: a number, or an ISO date.
        step: the length of a step in units.
        spelling: the spelling of a date as for `spell_time`, empty for ISO with the time of day; what stands before a
            number, as in V12.
        name: the name of the column; empty if there is none.
        offset: the offset from UTC, with which all times end.
        dates: how the source writes dates; None for numbers.
        at: the step whose time is `start`.
        width: digits of a number before the point, where zeros fill them up.
        decimals: digits after the point; negative for at most so many.
    """

    unit: Unit = "rows"
    start: float | str = 0.0
    step: float = 1.0
    spelling: str = ""
    name: str = ""
    offset: str = ""
    dates: DateFormat | None = None
    at: int = 0
    width: int = 0
    decimals: int = 0

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

    @property
    def has_dates(self) -> bool:
        """Tells whether its times are dates."""
        return self.unit not in ("rows", "numbers")

    def moment(self, position: int) -> pd.Timestamp:
        """Returns the time of a step of an axis of dates, as its source's clocks show it."""
        steps, start = position - self.at, pd.Timestamp(self.start)
        if self.unit == "months":
            moment = start + pd.DateOffset(months=round(steps * self.step))
            return moment + pd.offsets.MonthEnd(0) if start.is_month_end and start.day > 28 else moment
        if self.unit == "month ends":
            month = start + pd.DateOffset(months=round(steps * self.step))
            return last_weekdays(pd.DatetimeIndex([month]))[0] + (start - start.normalize())
        if self.unit in ("weekdays", "sessions"):
            of_day = start - start.normalize()
            day = np.busday_offset(start.to_datetime64().astype("datetime64[D]"), steps, roll="forward")
            return pd.Timestamp(day) + of_day
        return start + pd.Timedelta(seconds=steps * self.step)

    def spell(self, position: int) -> str:
        """Returns the time of a step, as the source would write it."""
        if not self.has_dates:
            number = float(self.start) + (position - self.at) * self.step
            if self.spelling == RELATIVE:
                year, month = divmod(round(number), 12)
                return f"{year}-{month + 1:02}"
            if self.spelling.startswith("{"):
                minutes, seconds = divmod(round(number), 60)
                return self.spelling.format(hours=minutes // 60, minutes=minutes % 60, seconds=seconds)
            return self.spelling + self._spell_number(number)
        moment = self.moment(position)
        if self.spelling:
            return spell_time(moment, self.spelling) + self.offset
        days = (self.unit != "seconds" or self.step % DAY == 0) and moment == moment.normalize() and not self.offset
        return str(moment.date()) if days else moment.isoformat(sep=" ") + self.offset

    def _spell_number(self, number: float) -> str:
        if self.decimals > 0:
            return f"{number:.{self.decimals}f}"
        whole = round(number)
        if abs(number - whole) < WHOLE * self.step:
            return f"{whole:0{self.width}}"
        return f"{round(number, -self.decimals) if self.decimals else number:.10g}"

    @property
    def step_words(self) -> str:
        """Returns the length of a step in words, such as `3 hours`."""
        size, unit = self.step, str(self.unit)
        if self.unit == "seconds":
            units = (("weeks", 7 * DAY), ("days", DAY), ("hours", 3600), ("minutes", 60), ("seconds", 1))
            size, unit = next(((size / long, name) for name, long in units if size % long == 0), (size, unit))
        if self.unit == "month ends":
            unit = "months"
        if unit == "months" and size % 3 == 0:
            size, unit = (size / 12, "years") if size % 12 == 0 else (size / 3, "quarters")
        if self.unit == "sessions":
            unit = "trading days"
        return f"{size:g} {unit.removesuffix('s') if size == 1 else unit}"


def parse_frequency(freq: str) -> tuple[Unit, float]:
    """Returns unit and length of a step that is named as pandas does: `h`, `15min`, `D`, `B`, `W`, `MS`, `BME`, `QS`.

    Raises:
        DataError: there is no such step.
    """
    match = FREQUENCY.fullmatch(freq.strip())
    if match:
        count, name = float(match[1] or 1), match[2].lower()
        if name == "b" and count == 1:
            return "weekdays", 1.0
        if name in MONTH_ENDS:
            return "month ends", count * MONTH_ENDS[name]
        if name in MONTHS:
            return "months", count * MONTHS[name]
        if name in CLOCK:
            return "seconds", count * CLOCK[name]
    raise DataError(
        f"{freq!r} is not the length of a step",
        where="data.freq",
        fix="give s, min, 15min, h, D, B (weekdays), W, MS (months), BME (last weekdays of months), QS (quarters) or "
        "YS (years)",
        override="data.freq=D",
    )


def last_weekdays(moments: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Returns the last weekday of the month of each time."""
    ends = moments.normalize() + pd.offsets.MonthEnd(0)
    return ends - pd.to_timedelta(np.maximum(ends.day_of_week - 4, 0), unit="D")


def usual_periods(axis: TimeAxis) -> tuple[int, ...]:
    """Returns the lengths of the calendar's cycles in steps: days and weeks of hours, years of months ..."""
    if axis.unit in ("months", "month ends") or axis.spelling == RELATIVE:
        return (round(12 / axis.step),) if 12 % axis.step == 0 and axis.step < 12 else ()
    if axis.unit in ("weekdays", "sessions"):
        return (5,)
    if axis.unit != "seconds":
        return ()
    cycles = (3600, DAY, 7 * DAY, 52 * 7 * DAY)
    return tuple(round(cycle / axis.step) for cycle in cycles if cycle % axis.step == 0 and cycle / axis.step > 1)

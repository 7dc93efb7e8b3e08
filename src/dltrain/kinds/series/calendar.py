"""The calendar as inputs: cycles of the day, the week and the year, and the holidays of a country."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.errors import ConfigError, require
from dltrain.kinds.series.time_axis import DAY, TimeAxis

Cycle = Literal["hour", "weekday", "month"]
CYCLES: tuple[Cycle, ...] = ("hour", "weekday", "month")
HARMONICS = {"hour": 3, "weekday": 3, "month": 3}  # three of them tell all weekdays apart
SPANS = {"hour": DAY, "weekday": 7 * DAY, "month": 365.25 * DAY}  # seconds
TIMES = 2  # cycles that training must contain
MONTH = 365.25 * DAY / 12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calendar:
    """Which parts of the calendar are inputs.

    Args:
        cycles: of `CYCLES`.
        holidays: the country whose holidays are, as the package `holidays` names it; empty for none.
    """

    cycles: tuple[Cycle, ...] = ()
    holidays: str = ""

    @property
    def width(self) -> int:
        """Returns how many columns it has."""
        return sum(2 * HARMONICS[cycle] for cycle in self.cycles) + bool(self.holidays)

    @property
    def names(self) -> tuple[str, ...]:
        """Returns what it consists of, in words."""
        return (*self.cycles, *([f"holidays of {self.holidays}"] if self.holidays else []))

    def encode(self, moments: pd.DatetimeIndex) -> Floats:
        """Returns the calendar at some times, `(N, width)`."""
        columns: list[Any] = []
        for cycle in self.cycles:
            phase = 2 * np.pi * _phase(cycle, moments)
            for harmonic in range(1, HARMONICS[cycle] + 1):
                columns += [np.sin(harmonic * phase), np.cos(harmonic * phase)]
        if self.holidays:
            columns.append(_is_holiday(moments, self.holidays))
        return np.stack(columns, axis=1) if columns else np.empty((len(moments), 0))

    @classmethod
    def choose(
        cls,
        axis: TimeAxis,
        wanted: Literal["auto"] | bool | Sequence[Cycle],
        holidays: str | None,
        window: int,
        training: int,
        beside: bool,
    ) -> Calendar:
        """Returns the calendar for a series.

        Args:
            axis: its times.
            wanted: as in `data=series`; `auto` for the cycles that training contains twice, if a window does not
                contain them or if something else is given beside the values, which hides them in it.
            holidays: a country, if its holidays are wanted.
            window: steps of a window.
            training: steps of the training part.
            beside: whether there are covariates.

        Raises:
            ConfigError: the times are no dates, or the package `holidays` does not know the country.
        """
        if not axis.has_dates:
            if holidays or wanted not in ("auto", False):
                raise ConfigError(
                    "the calendar needs times that are dates",
                    where="data.holidays" if holidays else "data.calendar",
                    fix="leave it out",
                    override="data.holidays=null" if holidays else "data.calendar=false",
                )
            return cls()
        seconds = _seconds(axis)
        possible = [cycle for cycle in CYCLES if seconds * 2 <= SPANS[cycle]]
        if wanted == "auto":
            spans = {cycle: SPANS[cycle] / seconds for cycle in possible}
            seen = [cycle for cycle in possible if TIMES * spans[cycle] <= training]
            cycles = [cycle for cycle in seen if beside or window < 0.95 * spans[cycle]]
        elif isinstance(wanted, bool):
            cycles = possible if wanted else []
        else:
            cycles = [cycle for cycle in CYCLES if cycle in wanted]
        if holidays:
            _check_country(holidays)
        return cls(tuple(cycles), holidays or "")


def _seconds(axis: TimeAxis) -> float:
    """Returns the length of a step in seconds, about."""
    lengths = {"months": MONTH, "month ends": MONTH, "weekdays": 1.4 * DAY, "sessions": 1.4 * DAY}
    return axis.step * lengths.get(axis.unit, 1.0)


def _phase(cycle: Cycle, moments: pd.DatetimeIndex) -> Floats:
    """Returns the share of a cycle that has passed, `(N,)`."""
    of_day = (moments - moments.normalize()).total_seconds().to_numpy(np.float64) / DAY
    if cycle == "hour":
        return of_day
    if cycle == "weekday":
        return moments.day_of_week.to_numpy(np.float64) / 7
    return (moments.day_of_year.to_numpy(np.float64) - 1) / 365.25


def _check_country(country: str) -> None:
    require("holidays", "holidays", "data.holidays needs", ConfigError, where="data.holidays")
    import holidays  # type: ignore[import-not-found,unused-ignore]

    if country not in holidays.list_supported_countries():
        raise ConfigError(
            f"the package holidays has no country {country!r}",
            where="data.holidays",
            fix="give the two letters of a country, such as DE",
            override="data.holidays=null",
        )


def _is_holiday(moments: pd.DatetimeIndex, country: str) -> Floats:
    """Returns 1 for the times of holidays and 0 for others, `(N,)`."""
    require("holidays", "holidays", "the model's inputs need", ConfigError, where="data.holidays")
    import holidays  # type: ignore[import-not-found,unused-ignore]

    days = holidays.country_holidays(country, years=sorted(set(moments.year)))
    return np.array([float(moment.date() in days) for moment in moments])

"""The encoder of a column of dates: year, cycles of the calendar and the clock, and the days since the first date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.date_format import DateFormat, spell_moment
from dltrain.data.date_layouts import Moments, Order
from dltrain.data.splits import Indices
from dltrain.drawing.section import shown
from dltrain.errors import DataError
from dltrain.kinds.table.column_encoder import ColumnEncoder, Oddity, as_tuples
from dltrain.kinds.table.scale import standardisation

# The number of harmonics: three can tell seven weekdays apart in any way, two of a year make its seasons unequal.
CYCLES = {"day of year": 2, "day of month": 1, "weekday": 3, "hour": 2}
YEAR, WEEKEND, DAYS_SINCE = "year", "weekend", "days since"
SATURDAY = 5
MOST_UNREAD, READ = 0.2, 0.95  # shares of cells by which a file has another order of day and month than the training's
SPELLED: Mapping[str, str] = {"dmy": "21/11/2026", "mdy": "11/21/2026", "ymd": "26/11/21"}
ORDERS: frozenset[Order] = frozenset({"dmy", "mdy", "ymd"})
CONSTANT = 1e-6  # smallest spread of an input that is not left out


def calendar_features(
    moments: Moments, first: np.datetime64 | None = None
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Returns the names of F features, and the features of dates `(N, F)`; NaN for NaT.

    They are the year, sines and cosines of the cycles of `CYCLES`, whether it is a weekend, and the days since `first`.

    Args:
        moments: `(N,)` in the time of the place.
        first: from when on days are counted; None for the earliest moment.
    """
    dates = pd.DatetimeIndex(moments)
    day = np.asarray(dates.normalize(), "datetime64[us]")
    of_day = (moments - day) / np.timedelta64(1, "D")
    phases = {
        "day of year": (dates.day_of_year - 1) / np.where(dates.is_leap_year, 366, 365),
        "day of month": (dates.day - 1) / dates.days_in_month,
        "weekday": dates.day_of_week / 7,
        "hour": of_day,
    }
    features: dict[str, Any] = {YEAR: dates.year}
    for cycle, harmonics in CYCLES.items():
        for harmonic in range(1, harmonics + 1):
            angle = 2 * np.pi * harmonic * np.asarray(phases[cycle], np.float64)
            times = "" if harmonic == 1 else f" {harmonic}"
            features |= {f"{cycle} sin{times}": np.sin(angle), f"{cycle} cos{times}": np.cos(angle)}
    features[WEEKEND] = dates.day_of_week >= SATURDAY
    present = moments[~np.isnat(moments)]
    if first is None:
        first = present.min() if len(present) else np.datetime64("1970", "us")
    features[DAYS_SINCE] = (moments - first) / np.timedelta64(1, "D")
    values = np.stack([np.asarray(feature, np.float32) for feature in features.values()], axis=1)
    values[np.isnat(moments)] = np.nan
    return tuple(features), values


@dataclass(frozen=True)
class CalendarEncoder(ColumnEncoder):
    """The encoder of a column of dates: features of the calendar that vary in training, and an indicator of gaps.

    Cycles stay as they are; the year and the days since the first date are standardised.

    Args:
        name: the name of the column.
        dates: how its dates are written.
        first: the earliest training date, from which days are counted, in ISO format.
        last: the latest one.
        parts: the names of the features that are inputs.
        means: of each, subtracted.
        stds: of each, the divisor after that.
        indicator: whether a last input tells that the cell was missing or no date.
    """

    role: ClassVar[str] = "date"

    name: str
    dates: DateFormat
    first: str
    last: str
    parts: tuple[str, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    indicator: bool = False

    @classmethod
    def fit(cls, name: str, cells: Cells, dates: DateFormat) -> CalendarEncoder:
        """Returns an encoder fitted to the cells of the training rows.

        Args:
            name: of the column.
            cells: of the training rows, with at least one date.
            dates: how they are written.
        """
        moments = _read(cells, dates)
        missing = np.isnat(moments)
        present = moments[~missing]
        names, values = calendar_features(present)
        varying = np.flatnonzero(np.ptp(values, axis=0) > CONSTANT).tolist()
        scales = [
            standardisation(values[:, at].astype(np.float64)) if names[at] in (YEAR, DAYS_SINCE) else (0.0, 1.0)
            for at in varying
        ]
        return cls(
            name=name,
            dates=dates,
            first=str(present.min()),
            last=str(present.max()),
            parts=tuple(names[at] for at in varying),
            means=tuple(mean for mean, _ in scales),
            stds=tuple(std for _, std in scales),
            indicator=bool(missing.any()),
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        values = {key: as_tuples(value) for key, value in stored.items() if key != "dates"}
        return cls(**values, dates=DateFormat.from_json(stored["dates"]))

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        first, last = (spell_moment(np.datetime64(moment, "us")) for moment in (self.first, self.last))
        return f"{shown(first)} to {shown(last)}" + ", with gaps" * self.indicator

    @property
    def features(self) -> tuple[str, ...]:
        return (*(f"{self.name} {part}" for part in self.parts), *[f"{self.name} missing"] * self.indicator)

    @property
    def measured(self) -> tuple[bool, ...]:
        return (*(part in (YEAR, DAYS_SINCE) for part in self.parts), *[False] * self.indicator)

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns the inputs `(N, inputs)`, 0 where a cell is missing or no date; dates are not interpolated.

        Raises:
            DataError: the dates have another order of day, month and year than in training.
        """
        moments = _read(cells, self.dates)
        self._check_order(cells, np.isnat(moments) & (cells.codes >= 0))
        names, values = calendar_features(moments, np.datetime64(self.first, "us"))
        chosen = values[:, [names.index(part) for part in self.parts]].astype(np.float64)
        scaled = (chosen - np.array(self.means)) / np.array(self.stds)
        missing = np.isnat(moments)
        scaled[missing] = 0
        columns = [scaled, missing[:, None]] if self.indicator else [scaled]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _check_order(self, cells: Cells, unread: NDArray[np.bool_]) -> None:
        if self.dates.order not in SPELLED or unread.sum() <= MOST_UNREAD * cells.present:
            return
        for order in ORDERS - {self.dates.order}:
            if np.isnat(_read(cells, replace(self.dates, order=order))[unread]).mean() < 1 - READ:
                raise DataError(
                    f"dates such as {cells.spell(int(unread.argmax()))} are written in another order than in training",
                    where=f"column {self.name!r}",
                    fix=f"write them as {SPELLED[self.dates.order]}, or as 2026-11-21",
                )

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are no dates, which are outside the training range, and which are missing if none was in
        training."""
        moments = _read(cells, self.dates)
        first, last = np.datetime64(self.first, "us"), np.datetime64(self.last, "us")
        yield Oddity(f"{self.name} is no date as in training", np.isnat(moments) & (cells.codes >= 0))
        outside = f"{self.name} outside {spell_moment(first)} to {spell_moment(last)}"
        yield Oddity(outside, (moments < first) | (moments > last))
        if not self.indicator:
            yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)


def _read(cells: Cells, dates: DateFormat) -> Moments:
    """Returns when each cell is, `(N,)`, by the clock of its own place, since that is what habits follow."""
    return np.append(dates.read(cells.values, local=True), np.datetime64("NaT", "us"))[cells.codes]

"""How the dates of a column are written, and the texts of a column by their shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import shorten
from dltrain.data.date_layouts import (
    DIGITS,
    LONGEST,
    NO_DATE,
    SECOND,
    Layout,
    Moments,
    Order,
    Periods,
    find_layouts,
    find_short_layouts,
    read_digits,
)
from dltrain.errors import DataError

Numbers = Literal[
    "compact", "years", "weeks", "seasons", "my", "ym", "numbers", "excel", "unix", "unix_ms", "unix_us", "unix_ns"
]
DAY = 86_400 * SECOND
FEW = 0.05  # a share of texts that may be slips
NUMBERS: Mapping[str, tuple[float, int]] = {  # the length of 1 and the moment of 0, in microseconds
    "excel": (DAY, -25_569 * DAY),
    "unix": (SECOND, 0),
    "unix_ms": (SECOND / 1000, 0),
    "unix_us": (1, 0),
    "unix_ns": (1 / 1000, 0),
}


@dataclass(frozen=True)
class DateFormat:
    """How the dates of a column are written.

    What is certain by itself, such as 2026-11-21, 5 Jan 2024 or 2018Q1, is read by any format; whatever can be read in
    several ways is read as the fields say, and is no date where they are empty.

    Args:
        order: of day, month and year, as in 01/02/2024; `either` if only such dates are read that both orders of day
            and month agree on.
        last_year: the last of the hundred years that two digits mean.
        periods: whether 1-2015 is January or the first quarter.
        numbers: what numbers mean: `compact` for 20261121 and 202611, `years`, `weeks` for 202647 and 2026-47,
            `seasons` for 2026/27, which begins in 2026, `my` and `ym` for 11/26 and 26/11, `numbers` for no dates,
            `excel` for days by Excel's count, `unix`, `unix_ms`, `unix_us` and `unix_ns` for seconds, milliseconds,
            microseconds and nanoseconds from 1970 on.
    """

    order: Order | Literal["", "either"] = ""
    last_year: int | None = None
    periods: Periods | Literal[""] = ""
    numbers: Numbers | Literal[""] = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> DateFormat:
        """Returns the format that `to_json` wrote.

        Raises:
            TypeError: the stored values are not a format.
        """
        return cls(**stored)

    def to_json(self) -> dict[str, Any]:
        """Returns its fields."""
        return asdict(self)

    def read(self, texts: Sequence[str], *, local: bool = False) -> Moments:
        """Returns when each text is, `(n,)` in UTC and microseconds; NaT where a text is no date or an impossible one.

        A time without a zone counts as UTC.

        Args:
            texts: any.
            local: return the times as they are written, without regard to zones.
        """
        if self.numbers in NUMBERS:
            return _from_numbers(np.asarray(pd.to_numeric(pd.Series(texts), errors="coerce"), np.float64), self.numbers)
        return ShapedTexts(texts).read(self, local)


@dataclass(frozen=True)
class AmbiguousDates:
    """A column of dates with several readings, between which nothing in the column decides.

    Args:
        text: one of its texts that the readings differ in.
        readings: the formats it may have, and the key that chooses each.
        no_date: what else the text may mean, if it may be no date.
    """

    text: str
    readings: Mapping[str, DateFormat]
    no_date: str = ""

    @property
    def meanings(self) -> dict[str, str]:
        """Returns what the text means by each key."""
        read = {key: form.read([self.text])[0] for key, form in self.readings.items()}
        return {key: "no date" if np.isnat(moment) else spell_moment(moment) for key, moment in read.items()}

    def refuse(self, where: str, setting: str = "data.dates") -> DataError:
        """Returns the error of a column that has to be read.

        Args:
            where: the column, in words.
            setting: the key that chooses a reading.
        """
        meanings = self.meanings
        named = [f"{meaning} ({setting}={key})" for key, meaning in meanings.items()]
        return DataError(
            f"{shorten(self.text)} may be {' or '.join([*named, *filter(None, [self.no_date])])}, "
            "and the other dates of the column do not decide it",
            where=where,
            fix="choose how its dates are read, or write them as 2026-11-21",
            override=f"{setting}={next(iter(meanings))}",
        )


class ShapedTexts:
    """Texts, grouped by their shapes."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.count = len(texts)
        shapes, distinct = pd.factorize(np.array([text.translate(DIGITS) for text in texts], dtype=object))
        width = min(max(map(len, texts), default=0), LONGEST) or 1
        characters = np.array(texts, dtype=f"U{width}").view(np.uint32).reshape(-1, width)
        order = np.argsort(shapes, kind="stable")
        ends = np.cumsum(np.bincount(shapes, minlength=len(distinct)))[: len(distinct)]
        self.groups: list[tuple[NDArray[np.int64], NDArray[np.uint32], tuple[Layout, ...]]] = []
        for shape, start, stop in zip(distinct, [0, *ends[:-1]][: len(distinct)], ends, strict=True):
            layouts = find_layouts(shape) or find_short_layouts(shape)
            if layouts:
                rows = order[start:stop]
                self.groups.append((rows, np.ascontiguousarray(characters[rows, : len(shape)].T), layouts))

    def rows_by_separator(self) -> dict[str, NDArray[np.int64]]:
        """Returns the positions of the texts whose order is not certain, by what stands between their numbers."""
        rows: dict[str, list[NDArray[np.int64]]] = {}
        for group, _, layouts in self.groups:
            if layouts[0].separator:
                rows.setdefault(layouts[0].separator, []).append(group)
        return {separator: np.concatenate(groups) for separator, groups in rows.items()}

    def reads_alike(self, moments: Moments) -> bool:
        """Tells whether all texts of one separator are dates, if they are more than a few of all texts.

        Args:
            moments: `(n,)` of all texts, by some format.
        """
        groups = self.rows_by_separator().values()
        return len(groups) > 1 and any(
            len(rows) > FEW * self.count and not np.isnat(moments[rows]).any() for rows in groups
        )

    def rows_where(self, matches: Callable[[Layout], bool]) -> NDArray[np.int64]:
        """Returns the positions of the texts that have such a layout."""
        rows = [group for group, _, layouts in self.groups if any(map(matches, layouts))]
        return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)

    def layouts(self) -> Iterator[Layout]:
        """Yields every layout that texts may have."""
        for _, _, layouts in self.groups:
            yield from layouts

    def read(self, form: DateFormat, local: bool = False) -> Moments:
        """Returns the moments `(n,)` of all texts by a format."""
        if form.order == "either":
            one, other = (self.read(replace(form, order=order), local) for order in ("dmy", "mdy"))
            return np.where(one == other, one, NO_DATE)
        moments = np.full(self.count, NO_DATE)
        for rows, characters, layouts in self.groups:
            for layout in layouts:
                if accepts(form, layout):
                    moments[rows] = (layout.as_local if local else layout).read(characters, form.last_year or 0)
        return moments

    def short_years(self, order: str, numbers: str = "") -> NDArray[np.int64]:
        """Returns the distinct years of two digits, in ascending order, by the order and the numbers of a format."""
        form, years = DateFormat(order, 0, numbers=numbers), []  # type: ignore[arg-type]
        for _, characters, layouts in self.groups:
            for layout in layouts:
                if layout.short_year and accepts(form, layout):
                    years.append(read_digits(characters[slice(*layout.year)]))
        return np.unique(np.concatenate(years)) if years else np.empty(0, dtype=np.int64)


def accepts(form: DateFormat, layout: Layout) -> bool:
    """Tells whether a format reads texts by a layout."""
    return (
        layout.order in ("", form.order)
        and layout.periods in ("", form.periods)
        and layout.number in ("", form.numbers)
        and not (layout.short_year and form.last_year is None)
    )


def _from_numbers(numbers: NDArray[np.float64], unit: str) -> Moments:
    length, zero = NUMBERS[unit]
    moments = np.round(numbers * length) + zero
    real = np.abs(moments) < 1000 * 366 * DAY
    return np.where(real, np.where(real, moments, 0).astype(np.int64).astype("datetime64[us]"), NO_DATE)


def spell_moment(moment: np.datetime64) -> str:
    """Returns a moment in words, without the time of day at midnight."""
    return str(pd.Timestamp(moment)).removesuffix(" 00:00:00")

"""The parts of a date in texts of one shape: where year, month, day and time of day stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.date_ranges import Ends, split_range
from dltrain.data.date_words import FILLERS, MONTHS, QUARTERS, WEEKDAYS, WEEKS, ZONES

Order = Literal["dmy", "mdy", "ymd"]
Periods = Literal["months", "quarters"]
Moments = NDArray[np.datetime64]  # microseconds in UTC, NaT for none
Span = tuple[int, int]  # from where to where digits stand

DIGITS = str.maketrans("123456789", "0" * 9)  # turns a text into its shape
LONGEST = 64  # characters of a date
FIRST_YEAR, LAST_YEAR = 1000, 2999
USUAL_YEARS = (1800, 2199)  # in 202611 and 20261121, which may be other numbers
MONTH_YEARS = (1600, 2199)  # in 11-2026, likewise
SECOND = 1_000_000  # microseconds
NO_DATE = np.datetime64("NaT", "us")
SECONDS = r"(?P<second>00)(?:[.,](?P<fraction>0{1,9}))?"
HALF = r"\s?(?P<half>[ap])\.?\s?m\b\.?"
ZONE = r"(?:\s?(?P<zone>z|utc|gmt)?\s?(?P<sign>[+\-−])(?P<ahead>00)(?::?(?P<minutes>00))?(?!0)"
ZONE += rf"|\s?(?P<named>[a-z]+(?:/[a-z_-]+)+|(?:{'|'.join(filter(None, ZONES))})\b))?"
ZONE += r"(?:\s?\([^)]*\)|\[[^\]]*\])?"
HOUR = rf"(?<!0)(?P<hour>0{{1,2}})(?:[:h时時点](?P<minute>00)分?(?::?{SECONDS}秒?)?(?!0)(?:{HALF})?"
CLOCK = re.compile(rf"{HOUR}|{HALF.replace('half', 'm')})" + ZONE)
COMPACT = re.compile(
    r"(?P<year>0000)(?P<month>00)(?:(?P<day>00)"
    rf"(?:(?P<between>t|[ _-])?(?P<hour>00)(?:(?P<minute>00)(?:{SECONDS})?)?{ZONE})?)?"
)
SHORT = re.compile(r"(0{1,2}|0000)[/\-–](0{1,2}|0000)")
DATE_ITEM = re.compile(r"0+|[^\W\d_]+|.", re.DOTALL)
BETWEEN = frozenset(" .,/-–_'’\t:")
WORD = "w"  # stands for one among what is between numbers
YEAR_FIRST = {("年", "月", "日"), ("年", "月", "号"), ("年", "月"), ("年",), ("년", "월", "일"), ("년", "월")}


@dataclass(frozen=True)
class Layout:
    """Where the parts of a date stand in texts of one shape, and what has to hold that they stand there.

    Args:
        year: of four digits, or of two.
        month: where it stands, or its number.
        day: where it stands; 1 if there is none.
        quarter: where the number of the quarter stands.
        week: where the number of the ISO week stands.
        weekday: where its day's number stands, 1 for Monday.
        clock: where hour, minute, second and fraction of a second stand.
        half: `a` or `p` of AM and PM.
        ahead: where hours and minutes of the offset from UTC stand.
        sign: of the offset.
        zone: the minutes ahead of UTC, or the name of a time zone.
        order: the order of day, month and year that this is; empty if no other order is possible.
        periods: whether a number from 1 to 4 is a month or a quarter; empty if it is certain.
        number: what numbers have to mean, as in `DateFormat`, that this is a date; empty if it is one by itself.
        separator: between the parts, where the order is not certain.
    """

    year: Span
    month: Span | int = 1
    day: Span | int = 1
    quarter: Span | None = None
    week: Span | None = None
    weekday: Span | int = 1
    clock: tuple[Span | None, ...] = ()
    half: str = ""
    ahead: tuple[Span | None, ...] = ()
    sign: int = 0
    zone: int | str = 0
    order: Order | Literal[""] = ""
    periods: Periods | Literal[""] = ""
    number: Literal["", "compact", "years", "weeks", "seasons", "my", "ym"] = ""
    separator: str = ""

    @property
    def short_year(self) -> bool:
        """Tells whether the year has two digits."""
        return self.year[1] - self.year[0] == 2

    @property
    def as_local(self) -> Layout:
        """Returns the layout that takes times as they are written."""
        return replace(self, sign=0, zone=0)

    def read(self, characters: NDArray[np.uint32], last_year: int) -> Moments:
        """Returns the moments `(n,)` that texts mean; NaT where there is no such day or time.

        Args:
            characters: `(length, n)` code points of texts of this shape.
            last_year: the last of the hundred years that two digits mean.
        """

        def number(span: Span | int | None) -> Any:
            if not isinstance(span, tuple):
                return span or 0
            return read_digits(characters[slice(*span)])

        years = number(self.year)
        if self.short_year:
            years = last_year - (last_year - years) % 100
        first_year, last = (FIRST_YEAR, LAST_YEAR)
        if isinstance(self.day, int) or self.number:
            first_year, last = USUAL_YEARS if self.number else MONTH_YEARS
        possible = (years >= first_year) & (years <= last)
        if self.week is not None:
            days, of_year = _weeks(years, number(self.week), number(self.weekday))
            possible &= of_year
        else:
            months, day = number(self.month), number(self.day)
            if self.quarter is not None:
                quarter = number(self.quarter)
                possible &= (quarter >= 1) & (quarter <= 4)
                months = 3 * quarter - 2
            possible &= (months >= 1) & (months <= 12)
            first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
            length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
            possible &= (day >= 1) & (day <= length)
            days = first.astype("datetime64[D]") + (day - 1)
        moments = days.astype("datetime64[us]")
        if self.clock:
            of_day, real = self._time_of_day(number)
            possible &= real
            moments = moments + of_day.astype("timedelta64[us]")
        moments = np.where(possible, moments, NO_DATE)
        if isinstance(self.zone, str):
            local = pd.DatetimeIndex(moments).tz_localize(
                self.zone, ambiguous=np.ones(len(moments), dtype=bool), nonexistent="shift_forward"
            )
            return local.tz_convert(None).to_numpy().astype("datetime64[us]")
        return moments

    def _time_of_day(self, number: Any) -> tuple[Any, Any]:
        """Returns the time since midnight UTC in microseconds, and where it is a time."""
        hours, minutes, seconds, fraction = map(number, self.clock)
        real = (minutes < 60) & (seconds < 60) & ((hours < 24) | ((hours == 24) & (minutes == 0) & (seconds == 0)))
        if self.half:
            real = real & (hours >= 1) & (hours <= 12)
            hours = hours % 12 + (12 if self.half == "p" else 0)
        time = ((hours * 60 + minutes) * 60 + seconds) * SECOND
        if self.clock[3] is not None:
            start, stop = self.clock[3]
            time = time + fraction * SECOND // 10 ** (stop - start)
        if self.sign:
            ahead, minutes_ahead = map(number, self.ahead)
            real = real & (ahead <= 15) & (minutes_ahead < 60)
            time = time - self.sign * (ahead * 60 + minutes_ahead) * 60 * SECOND
        if isinstance(self.zone, int):
            time = time - self.zone * 60 * SECOND
        return time, real


def read_digits(characters: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Returns the numbers `(n,)` that rows of digits `(length, n)` make, the highest first."""
    number = np.zeros(characters.shape[1], dtype=np.int64)
    for digit in characters:
        number = 10 * number + digit - ord("0")
    return number


def _weeks(years: NDArray[np.int64], weeks: NDArray[np.int64], weekdays: Any) -> tuple[Any, Any]:
    """Returns the days of ISO weeks, and where there are such weeks and days."""

    def first_monday(of: NDArray[np.int64]) -> Any:
        fourth = (of - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3  # is always in week 1
        return fourth - (fourth.astype(np.int64) + 3) % 7  # day 0 was a Thursday

    days = first_monday(years) + 7 * (weeks - 1) + (weekdays - 1)
    real = (weeks >= 1) & (days < first_monday(years + 1)) & (weekdays >= 1) & (weekdays <= 7)
    return days, real


@lru_cache(maxsize=4096)
def find_layouts(shape: str) -> tuple[Layout, ...]:
    """Returns what texts of a shape may mean; several layouts need different orders or periods, none is no date.

    Args:
        shape: a text with 0 for every digit.
    """
    text = shape.lower()
    if "0" not in text or len(text) != len(shape) or len(text) > LONGEST:
        return ()
    compact = COMPACT.fullmatch(text)
    if compact:
        return _compact(compact, shape)
    ends = find_range(text)
    if ends is not None:
        return find_layouts(ends.first)
    clock = CLOCK.search(text)
    if clock is None:
        return _dates(text)
    timed = _clock(clock, shape)
    if timed is None:
        return ()
    before = text[: clock.start()]
    if re.search(r"(?<![a-z])t$", before):
        before = before[:-1]
    without = before.ljust(clock.end()) + text[clock.end() :]
    fields = {name: timed[name] for name in ("clock", "half", "ahead", "sign", "zone")}
    # A quarter, a month or a year has no time of day.
    return tuple(replace(layout, **fields) for layout in _dates(without) if not isinstance(layout.day, int))


def find_range(text: str) -> Ends | None:
    """Returns the ends of a span such as 2026-11-16/2026-11-22, which is dated by the first; `None` if it is none."""
    ends = split_range(text)
    if ends is None:
        return None
    first, last = (find_layouts(end.translate(DIGITS)) for end in (ends.first, ends.last))
    dated = last and not last[0].number
    both = first and not first[0].number and (dated or CLOCK.fullmatch(ends.last.translate(DIGITS)))
    return ends if both else None


def find_short_layouts(shape: str) -> tuple[Layout, ...]:
    """Returns what two numbers mean that are dates only where a format says so: 11/26, 26/11 and 2026/2027."""
    match = SHORT.fullmatch(shape)
    if match is None:
        return ()
    first, last = match.span(1), match.span(2)
    if match[1] == match[2] == "0000":
        return (Layout(first, number="seasons"),)
    layouts = (Layout(last, first, number="my"), Layout(first, last, number="ym"))
    return tuple(layout for layout in layouts if layout.short_year)


def _compact(match: re.Match[str], shape: str) -> tuple[Layout, ...]:
    spans = {name: match.span(name) for name in ("year", "month", "day") if match[name]}
    number: Literal["", "compact"] = "compact" if match[0].strip("0") == "" else ""
    layout = Layout(**spans, number=number)  # type: ignore[arg-type]
    if number and not match["day"]:
        return layout, Layout(layout.year, week=spans["month"], number="weeks")
    if not match["hour"]:
        return (layout,)
    timed = _clock(match, shape)
    return (replace(layout, **timed),) if timed is not None else ()


def _clock(match: re.Match[str], shape: str) -> dict[str, Any] | None:
    """Returns the fields of a time of day, or None if its time zone is not known."""
    spans = {name: match.span(name) if text else None for name, text in match.groupdict().items()}
    zone: int | str = ""
    named = match["named"] or match["zone"] or ""
    if "/" in named:
        name = shape[slice(*match.span("named"))]
        try:
            zone = ZoneInfo(name).key
        except (KeyError, ValueError, OSError):
            return None
    elif named in ZONES:
        zone = ZONES[named]
    else:
        return None
    groups = match.groupdict()
    return {
        "clock": tuple(spans.get(name) for name in ("hour", "minute", "second", "fraction")),
        "half": groups.get("half") or groups.get("m") or "",
        "ahead": (spans["ahead"], spans["minutes"]) if match["sign"] else (),
        "sign": 0 if not match["sign"] else 1 if match["sign"] == "+" else -1,
        "zone": zone,
    }


def _dates(text: str) -> tuple[Layout, ...]:
    """Returns the layouts of dates without a time of day."""
    spans: list[Span] = []
    words: list[tuple[str, int]] = []  # and how many numbers stand before
    between: list[str] = [""]
    for item in DATE_ITEM.finditer(text):
        if item[0].startswith("0"):
            spans.append(item.span())
            between.append("")
        elif item[0].isalpha():
            words.append((item[0], len(spans)))
            between[-1] += WORD
        elif item[0] in BETWEEN:
            between[-1] += item[0]
        else:
            return ()
    words = [(word, at) for word, at in words if word not in WEEKDAYS and word not in FILLERS]
    if len(spans) > 3 or between[0].startswith("-") or between[-1].strip(" .,:-" + WORD):
        return ()
    lengths = tuple(stop - start for start, stop in spans)
    names = tuple(word for word, _ in words)
    if not names:
        return _numbers(spans, lengths, {characters.strip() or " " for characters in between[1:-1]})
    if names in YEAR_FIRST and len(names) == len(spans) and [at for _, at in words] == [*range(1, len(names) + 1)]:
        return (_year_first(spans),) if _fit(lengths, "422"[: len(spans)], short_year=True) else ()
    if names == ("m",) and words[0][1] == 1 and _fit(lengths, "42"):  # 2015M01
        return (Layout(spans[0], spans[1]),)
    if names == ("m",) and words[0][1] == 0 and _fit(lengths, "24"):  # M01/2015
        return (Layout(spans[1], spans[0]),)
    if len(names) == 1 and names[0] in MONTHS:
        return _with_month(MONTHS[names[0]], words[0][1], spans, lengths)
    if all(name in QUARTERS or name == "年" for name in names) and any(name in QUARTERS for name in names):
        return _with_quarter(names, words[0][1], spans, lengths)
    if len(names) == 1 and names[0] in WEEKS:
        return _with_week(words[0][1], spans, lengths)
    return ()


def _year_first(spans: Sequence[Span]) -> Layout:
    year, month, day = (*spans, 1, 1)[:3]
    return Layout(year, month, day)  # type: ignore[arg-type]


def _fit(lengths: Sequence[int], most: str, *, short_year: bool = False) -> bool:
    """Tells whether numbers have as many digits as they may: 4, or 2, for a year, and 1 or 2 for anything else."""
    return len(lengths) == len(most) and all(
        length == 4 or (short_year and length == 2) if digits == "4" else length <= int(digits)
        for length, digits in zip(lengths, most, strict=True)
    )


def _numbers(spans: Sequence[Span], lengths: tuple[int, ...], between: set[str]) -> tuple[Layout, ...]:
    separator = next(iter(between), "")
    if len(between) > 1 or len(separator) > 1 or separator in tuple("',_" + WORD):
        return ()
    if separator == ":" and not _fit(lengths, "42"):
        return ()
    if lengths == (4,):
        return (Layout(spans[0], number="years"),)
    if _fit(lengths, "422"):
        return (_year_first(spans),)
    if _fit(lengths, "42") or _fit(lengths, "24"):
        year, part = spans if lengths[0] == 4 else reversed(spans)
        month = Layout(year, part)
        if lengths == (4, 2):
            return month, Layout(year, week=part, number="weeks"), Layout(year, number="seasons")
        if min(lengths) == 2:
            return (month,)
        return replace(month, periods="months"), Layout(year, quarter=part, periods="quarters")
    if len(lengths) != 3 or max(lengths[:2]) > 2:
        return ()
    first, second, third = spans
    layouts = []
    if lengths[2] in (2, 4):
        layouts += [Layout(third, second, first, order="dmy"), Layout(third, first, second, order="mdy")]
    if lengths[0] == 2 and lengths[2] <= 2:
        layouts.append(Layout(first, second, third, order="ymd"))
    return tuple(replace(layout, separator=separator) for layout in layouts)


def _with_month(month: int, at: int, spans: Sequence[Span], lengths: tuple[int, ...]) -> tuple[Layout, ...]:
    if _fit(lengths, "4"):
        return (Layout(spans[0], month),)
    if lengths == (2,):  # Jan-18 is a month and its year; 18-Jan is rather a day
        return (Layout(spans[0], month, order="ymd" if at else ""),)
    if _fit(lengths, "24", short_year=True) and at < 2:
        return (Layout(spans[1], month, spans[0]),)
    if _fit(lengths, "42") and at == 1:
        return (Layout(spans[0], month, spans[1]),)
    return ()


def _with_quarter(
    names: tuple[str, ...], at: int, spans: Sequence[Span], lengths: tuple[int, ...]
) -> tuple[Layout, ...]:
    if len(spans) != 2:
        return ()
    chinese = names[0].startswith("年")
    year_first = {0: False, 1: lengths[0] > 1, 2: lengths[0] > 1}[at]
    year, quarter = spans if year_first else (spans[1], spans[0])
    if (quarter[1] - quarter[0], year[1] - year[0]) not in ((1, 4), (1, 2)) or (chinese and not year_first):
        return ()
    return (Layout(year, quarter=quarter),)


def _with_week(at: int, spans: Sequence[Span], lengths: tuple[int, ...]) -> tuple[Layout, ...]:
    if at == 1 and _fit(lengths, "42"):
        return (Layout(spans[0], week=spans[1]),)
    if at == 1 and _fit(lengths, "421"):
        return (Layout(spans[0], week=spans[1], weekday=spans[2]),)
    if at == 0 and _fit(lengths, "24"):
        return (Layout(spans[1], week=spans[0]),)
    return ()

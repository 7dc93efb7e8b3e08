"""Joins dates whose parts are in separate columns: year and month, year and week, date and time of day."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, read_cells
from dltrain.data.column_names import plain
from dltrain.data.date_format import DateFormat
from dltrain.data.dates import infer_dates

PARTS = {
    "year": r"years?|yr|jahr|年|年份|年度",
    "month": r"months?|mon|mo|monat|月|月份",
    "quarter": r"quarters?|qtr|q|quartal|季度?",
    "week": r"weeks?|wk|weekofyear|weekno|isoweek|kw|woche|周",
    "day": r"day|dayofmonth|tag|日|日期",
    "dayofyear": r"dayofyear|doy|yday|yearday|julianday",
    "hour": r"hours?|hr|hh|stunde|小?时",
    "minute": r"minutes?|min|分钟?",
}
TOGETHER = (
    ("year", "month", "day", "hour", "minute"),
    ("year", "month", "day", "hour"),
    ("year", "month", "day"),
    ("year", "dayofyear", "hour"),
    ("year", "dayofyear"),
    ("year", "month"),
    ("year", "quarter"),
    ("year", "week"),
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DATE = r"date|day|datum|fecha|ymd|(trading|trade|settlement|delivery|operating|market|business)(date|day)|日期"
CLOCK = r"time|timeofday|clock|(delivery)?hour|hr|hh|hhmm|hhmmss|uhrzeit|zeit|hora|stunde|时间|"
CLOCK += r"he|hourending|hourend|endinghour|hb|hourbeginning"
PERIOD = r"(settlement|trading|delivery|market)?period|slot|interval"
PERIODS = (24, 48, 96, 144, 288)  # of a day, counted from 1 on
OF_DAY = re.compile(r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?|24[:.]00(?:[:.]00)?")
OF_YEAR = {"month": r"M(0?[1-9]|1[0-2])", "quarter": r"Q0?[1-4]"}  # periods as statistical offices write them
ENOUGH = 0.5  # of the cells, by which a column of times of day is told


def join_dates(frame: pd.DataFrame, taken: Collection[str]) -> pd.DataFrame:
    """Returns the frame with one column of dates instead of those of their parts, such as `year-month` and `Date Time`;
    the frame itself if it has no such columns, or they are not dates.

    Args:
        frame: a table.
        taken: the columns of values.
    """
    named = _name_parts(frame, taken)
    parts = next((parts for parts in TOGETHER if set(parts) <= set(named)), ())
    if parts and (texts := _texts_of_parts(frame, named, parts)) is not None:
        return _instead(frame, [named[part] for part in parts], "-", texts)
    return _join_clock(frame, taken)


def _name_parts(frame: pd.DataFrame, taken: Collection[str]) -> dict[str, str]:
    """Returns the first column that is called like each part of a date."""
    named: dict[str, str] = {}
    for part, pattern in PARTS.items():
        fitting = [name for name in map(str, frame.columns) if name not in taken and re.fullmatch(pattern, plain(name))]
        if fitting:
            named[part] = fitting[0]
    for name in map(str, frame.columns):
        if name not in taken and re.fullmatch(PERIOD, plain(name)):
            values = read_cells(frame[name]).values
            for part, pattern in OF_YEAR.items():
                if part not in named and values and all(re.fullmatch(pattern, value) for value in values):
                    named[part] = name
    return named or _nameless_parts(frame, taken)


def _nameless_parts(frame: pd.DataFrame, taken: Collection[str]) -> dict[str, str]:
    """Returns the first columns of a table without header as year, month and day, if they are these in their order."""
    names = [name for name in map(str, frame.columns) if re.fullmatch(r"column_\d+", name) and name not in taken][:3]
    cells = [read_cells(frame[name], as_written=True) for name in names]  # 01 is a month, not a name
    whole = [bool(column.values) and column.all_numbers and not column.missing for column in cells]
    if len(names) < 2 or not all(whole[:2]):
        return {}
    year, month = (column.as_numbers() for column in cells[:2])
    steps = np.diff(12 * year + month)
    if year.min() < 1500 or year.max() > 2200 or set(month.tolist()) != set(range(1, 13)) or (steps < 0).any():
        return {}
    named = {"year": names[0], "month": names[1]}
    if (steps == 1).mean() >= ENOUGH:
        return named
    return named | {"day": names[2]} if len(names) > 2 and whole[2] else {}


def _texts_of_parts(frame: pd.DataFrame, named: Mapping[str, str], parts: Sequence[str]) -> list[str] | None:
    """Returns the dates that columns of numbers make; `None` where they are none."""
    numbers = np.stack([_numbers(frame[named[part]]) for part in parts], axis=1)  # (N, parts)
    least = np.array([0 if part in ("hour", "minute") else 1 for part in parts])
    if not (np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= least)).all():
        return None
    rows = numbers.astype(int).tolist()
    if "quarter" in parts:
        texts = [f"{year:04}-Q{quarter}" for year, quarter in rows]
    elif "dayofyear" in parts:
        days = [str(np.datetime64(f"{row[0]:04}-01-01") + row[1] - 1) for row in rows]
        if any(int(day[:4]) != row[0] for day, row in zip(days, rows, strict=True)):
            return None
        texts = [day + (f" {row[2]:02}:00" if row[2:] else "") for day, row in zip(days, rows, strict=True)]
    elif "week" in parts:
        texts = [f"{year:04}-W{week:02}" for year, week in rows]
    else:
        days = ["-".join([f"{row[0]:04}", *(f"{part:02}" for part in row[1:3])]) for row in rows]
        clocks = [f" {row[3]:02}:{(row[4:] or [0])[0]:02}" if row[3:] else "" for row in rows]
        texts = [day + clock for day, clock in zip(days, clocks, strict=True)]
    return None if np.isnat(DateFormat().read(texts)).any() else texts


def _join_clock(frame: pd.DataFrame, taken: Collection[str]) -> pd.DataFrame:
    """Returns the frame with dates and their times of day in one column; the frame itself without two such columns."""
    free = [name for name in map(str, frame.columns) if name not in taken]
    for clock in (name for name in free if re.fullmatch(f"{CLOCK}|{PERIOD}", plain(name))):
        for day in (name for name in free if name != clock and re.fullmatch(DATE, plain(name))):
            texts = _texts_of_clock(frame[day], frame[clock])
            if texts is not None:
                return _instead(frame, [day, clock], " ", texts)
    return frame


def _texts_of_clock(days: pd.Series[Any], clocks: pd.Series[Any]) -> list[str] | None:
    """Returns dates with times of day; `None` where these are none, or the dates have times of their own."""
    day, clock = read_cells(days), read_cells(clocks)
    if not day.values or not clock.values or (day.codes < 0).any() or (clock.codes < 0).any():
        return None
    compact = all(re.fullmatch(r"\d{8}", value) for value in day.values[:500])
    form = None if day.all_numbers and not compact else infer_dates(day.values[:500])
    if form is None or any(":" in value for value in day.values[:10]):
        return None
    is_period = bool(re.fullmatch(PERIOD, plain(str(clocks.name))))
    if is_period and _clocks_change(day, clock):
        return None
    if not is_period and all(re.fullmatch(r"\d{1,2}", value) and int(value) <= 24 for value in clock.values):
        spelled = [f"{int(value):02}:00" for value in clock.values]
    elif all(re.fullmatch(r"\d{1,4}", value) for value in clock.values):
        counted = _clocks_of([int(value) for value in clock.values], clock.values, is_period)
        if counted is None:
            return None
        spelled = counted
    elif sum(bool(OF_DAY.fullmatch(value)) for value in clock.values) > ENOUGH * len(clock.values):
        spelled = [value.replace(".", ":") for value in clock.values]
    else:
        return None
    dates = [f"{value[:4]}-{value[4:6]}-{value[6:]}" if compact else value for value in day.values]
    return [f"{dates[one]} {spelled[other]}" for one, other in zip(day.codes, clock.codes, strict=True)]


def _clocks_change(day: Cells, clock: Cells) -> bool:
    """Tells whether a day has all periods but those of one hour, which its clocks skip: these are no clock times."""
    number = pd.Series(clock.as_numbers()).groupby(day.codes)
    last, count = number.max(), number.count()
    most = int(last.max())
    return bool(((last == count) & (last == most - most // 24)).iloc[1:-1].any()) if most >= 24 else False


def _clocks_of(numbers: Sequence[int], texts: Sequence[str], is_period: bool) -> list[str] | None:
    """Returns the times of day that distinct numbers mean: 1745 or 945 for clocks, or the numbers from 1 on of periods
    of a day, which are given by their beginnings; `None` where they mean none."""
    if is_period and max(numbers) in PERIODS and min(numbers) == 1 and len(numbers) == max(numbers):
        minutes = [(number - 1) * 1440 // max(numbers) for number in numbers]
        return [f"{minute // 60:02}:{minute % 60:02}" for minute in minutes]
    if (
        not is_period
        and max(numbers) <= 2400
        and all(number % 100 < 60 for number in numbers)
        and max(map(len, texts)) >= 3
    ):
        return [f"{number // 100:02}:{number % 100:02}" for number in numbers]
    return None


def _instead(frame: pd.DataFrame, columns: Sequence[str], between: str, texts: Sequence[str]) -> pd.DataFrame:
    """Returns the frame with one column of texts instead of others, at its beginning."""
    name = next(name for number in count() if (name := between.join(columns) + "'" * number) not in frame.columns)
    rest = frame.drop(columns=list(columns))
    rest.insert(0, name, np.array(texts, dtype=object))
    return rest


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Returns the cells as numbers `(N,)`, English names of months as 1 to 12, and NaN for anything else."""
    cells = read_cells(column)
    if cells.all_numbers:
        return cells.as_numbers()
    of_month = {name: float(number) for number, name in enumerate(MONTHS, 1)}
    texts = [value[1:] if re.fullmatch("|".join(OF_YEAR.values()), value) else value for value in cells.values]
    values = [float(value) if value.isdigit() else of_month.get(value[:3].casefold(), np.nan) for value in texts]
    return np.array([*values, np.nan])[cells.codes]

"""Turns a table with a year or a day in each row, whose columns are its months, quarters or hours, into one with a row
for each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, read_cells
from dltrain.data.column_names import plain
from dltrain.data.date_words import MONTHS
from dltrain.data.dates import are_dates
from dltrain.kinds.series.date_columns import DATE, PARTS, join_dates

YEARS = (1500, 2200)
QUARTER = re.compile(r"(?:q|qtr|quarter)([1-4])|([1-4])(?:q|st|nd|rd|th)(?:qtr|quarter)?")
HOUR = re.compile(r"(?:h|hr|hour|he|hourending|stunde|std|hora)(\d{1,2})")
OF_DAY = re.compile(r"([01]?\d|2[0-4])[:.]([0-5]\d)(?:[:.]00)?")
HOURS = 24


class Grid(NamedTuple):
    """A table whose columns are parts of what its rows are.

    Args:
        rows: the table without the columns of parts.
        whole: its column of years or days.
        columns: the columns of parts, in the order of time.
        texts: the time of each row and part, `(rows, parts)`.
    """

    rows: pd.DataFrame
    whole: str
    columns: list[str]
    texts: list[list[str]]


def find_grid(frame: pd.DataFrame) -> Grid | None:
    """Returns the table as a grid of times; `None` where it is none."""
    names = [str(name) for name in frame.columns]
    for parts, spelling in ((_months(names), "{}-{:02}"), (_quarters(names), "{}-Q{}")):
        others = frame[[name for name in names if name not in parts]]
        if parts and (year := _year(others)):
            years = read_cells(others[year]).as_numbers().astype(int).tolist()
            texts = [[spelling.format(one, at + 1) for at in range(len(parts))] for one in years]
            return Grid(others, year, parts, texts)
    hours, clocks = _hours(names)
    if hours:
        others = join_dates(frame[[name for name in names if name not in hours]], ())
        if day := _day(others):
            cells = read_cells(others[day])
            texts = [[f"{cells.values[code]} {clock}" for clock in clocks] for code in cells.codes.tolist()]
            return Grid(others, day, hours, texts)
    return None


def _months(names: Sequence[str]) -> list[str]:
    """Returns the columns of the twelve months, in their order; none if one is missing or comes twice."""
    numbered = [(MONTHS.get(plain(name)), name) for name in names]
    return _in_order([(number, name) for number, name in numbered if number is not None], 12)


def _quarters(names: Sequence[str]) -> list[str]:
    matches = [(QUARTER.fullmatch(plain(name)), name) for name in names]
    return _in_order([(int(match[1] or match[2]), name) for match, name in matches if match], 4)


def _in_order(numbered: Sequence[tuple[int, str]], count: int) -> list[str]:
    """Returns the names by their numbers, if these are those from 1 to a count, each once."""
    return [name for _, name in sorted(numbered)] if sorted(n for n, _ in numbered) == [*range(1, count + 1)] else []


def _hours(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the columns of a day's hours, halves or quarters of an hour, and what clocks show in each."""
    matches = [(match, name) for name in names if (match := HOUR.fullmatch(plain(name)))]
    numbers = [int(match[1]) for match, _ in matches]
    if numbers in ([*range(HOURS)], [*range(1, HOURS + 1)]):
        return [name for _, name in matches], [f"{number:02}:00" for number in numbers]
    clocks = [(match, name) for name in names if (match := OF_DAY.fullmatch(name.strip()))]
    minutes = np.array([60 * int(match[1]) + int(match[2]) for match, _ in clocks])
    if (
        len(clocks) < HOURS
        or len(set(np.diff(minutes).tolist())) != 1
        or (minutes[1] - minutes[0]) * len(clocks) != 1440
    ):
        return [], []
    return [name for _, name in clocks], [f"{minute // 60:02}:{minute % 60:02}" for minute in minutes.tolist()]


def _year(others: pd.DataFrame) -> str | None:
    """Returns the column of years: the one of that name, or the only one beside the parts."""
    named = [name for name in others.columns if re.fullmatch(PARTS["year"], plain(str(name)))]
    for name in named or ([others.columns[0]] if len(others.columns) == 1 else []):
        cells = read_cells(others[name])
        if cells.values and not cells.missing and cells.all_numbers and _are_years(cells):
            return str(name)
    return None


def _are_years(cells: Cells) -> bool:
    numbers = cells.numbers
    return bool((numbers == np.floor(numbers)).all() and numbers.min() >= YEARS[0] and numbers.max() <= YEARS[1])


def _day(others: pd.DataFrame) -> str | None:
    """Returns the column of days without a time of day."""
    for name in map(str, others.columns):
        cells = read_cells(others[name])
        compact = re.fullmatch(DATE, plain(name)) and all(re.fullmatch(r"\d{8}", value) for value in cells.values[:50])
        if cells.values and not cells.missing and (compact or are_dates(cells)):
            return None if any(":" in value for value in cells.values[:50]) else name
    return None

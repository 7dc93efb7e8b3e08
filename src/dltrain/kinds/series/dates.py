"""Dates whose years and months stand in columns of their own."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import read_cells
from dltrain.data.column_names import plain

PARTS = {
    "year": r"years?|yr|年|年份|年度",
    "month": r"months?|mon|mo|月|月份",
    "quarter": r"quarters?|qtr|q|季度?",
    "day": r"days?|日|日期",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def join_dates(frame: pd.DataFrame, taken: Collection[str]) -> pd.DataFrame:
    """The frame with one column `year-month`, `year-month-day` or `year-quarter` of dates in place of these columns;
    the frame itself where it has no such columns, or they do not make dates.

    Args:
        frame: a table.
        taken: columns that are values.
    """
    named: dict[str, str] = {}
    for part, known in PARTS.items():
        fitting = [name for name in map(str, frame.columns) if name not in taken and re.fullmatch(known, plain(name))]
        if fitting:
            named[part] = fitting[0]
    ways = (("month", "day"), ("month",), ("quarter",))
    parts = next((parts for parts in ways if {"year", *parts} <= set(named)), ())
    if not parts:
        return frame
    columns = [named[part] for part in ("year", *parts)]
    numbers = [_numbers(frame[name]) for name in columns]
    if not all(bool((column == np.floor(column)).all()) for column in numbers):  # as no missing one is
        return frame
    year, month = numbers[0], numbers[1] if "month" in parts else 3 * numbers[1] - 2
    day = numbers[2] if "day" in parts else np.ones(len(frame))
    moments = pd.to_datetime(pd.DataFrame({"year": year, "month": month, "day": day}), errors="coerce")
    if moments.isna().any() or not ((month >= 1) & (month <= 12)).all():
        return frame
    name = next(name for number in count() if (name := "-".join(columns) + "'" * number) not in frame.columns)
    dates = moments.dt.strftime("%Y-%m-%d" if "day" in parts else "%Y-%m")
    rest = frame.drop(columns=columns)
    rest.insert(0, name, dates.to_numpy(dtype=object))
    return rest


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """The cells as numbers, English names of months as theirs; NaN where they are neither."""
    cells = read_cells(column)
    if cells.all_numbers:
        return cells.as_numbers()
    known = {name: float(number) for number, name in enumerate(MONTHS, 1)}
    values = [known.get(str(value).strip()[:3].casefold(), np.nan) for value in cells.values]
    return np.array([*values, np.nan])[cells.codes]

"""Joins dates whose years and months are in separate columns."""

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
from dltrain.data.date_format import DateFormat

PARTS = {
    "year": r"years?|yr|年|年份|年度",
    "month": r"months?|mon|mo|月|月份",
    "quarter": r"quarters?|qtr|q|季度?",
    "day": r"days?|日|日期",
}
TOGETHER = (("year", "month", "day"), ("year", "month"), ("year", "quarter"))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def join_dates(frame: pd.DataFrame, taken: Collection[str]) -> pd.DataFrame:
    """Returns the frame with one column `year-month`, `year-month-day` or `year-quarter` of dates instead of these
    columns; the frame itself if it has no such columns, or they are not dates.

    Args:
        frame: a table.
        taken: the columns of values.
    """
    named: dict[str, str] = {}
    for part, pattern in PARTS.items():
        fitting = [name for name in map(str, frame.columns) if name not in taken and re.fullmatch(pattern, plain(name))]
        if fitting:
            named[part] = fitting[0]
    parts = next((parts for parts in TOGETHER if set(parts) <= set(named)), ())
    if not parts:
        return frame
    columns = [named[part] for part in parts]
    numbers = np.stack([_numbers(frame[name]) for name in columns], axis=1)  # (N, parts)
    if not (np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= 1)).all():
        return frame
    if "quarter" in parts:
        numbers[:, 1] = 3 * numbers[:, 1] - 2  # its first month
    texts = ["-".join([f"{row[0]:04}", *(f"{part:02}" for part in row[1:])]) for row in numbers.astype(int).tolist()]
    if np.isnat(DateFormat().read(texts)).any():
        return frame
    name = next(name for number in count() if (name := "-".join(columns) + "'" * number) not in frame.columns)
    rest = frame.drop(columns=columns)
    rest.insert(0, name, np.array(texts, dtype=object))
    return rest


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Returns the cells as numbers `(N,)`, English names of months as 1 to 12, and NaN for anything else."""
    cells = read_cells(column)
    if cells.all_numbers:
        return cells.as_numbers()
    of_month = {name: float(number) for number, name in enumerate(MONTHS, 1)}
    values = [of_month.get(str(value).strip()[:3].casefold(), np.nan) for value in cells.values]
    return np.array([*values, np.nan])[cells.codes]

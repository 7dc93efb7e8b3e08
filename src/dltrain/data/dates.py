"""The one reader of times: when the cells of a column are, by numbers or by dates."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, shorten
from dltrain.errors import DataError

FIRST_YEAR = 1000  # pandas reads "Jan-18" as a day of the year 1
COMPACT = re.compile(r"(1[5-9]|[2-9]\d)\d{4}(\d\d)?")  # a year, a month and perhaps a day, as a number
TWO_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2\d")  # a day and a month, in either order, and a year
FEW = 50  # texts by which a column is judged


def read_moments(cells: Cells) -> NDArray[np.float64]:
    """Returns when each cell is, `(N,)`: its number or, where most texts are no numbers, its date in UTC as a count
    of one unit from 1970 on; NaN where a cell is neither."""
    moments = cells.numbers
    if len(moments) and np.isnan(moments).mean() > 0.5:
        dates = read_dates(cells)[0]
        moments = np.where(dates.isna(), np.nan, dates.asi8.astype(np.float64))
    return np.append(moments, np.nan)[cells.codes]


def read_dates(cells: Cells) -> list[pd.DatetimeIndex]:
    """Returns the dates that a column's distinct texts may mean, the likeliest first, each `(n,)` in UTC without a
    zone; NaT where a text is no date.

    Days and months are read in the same order everywhere: where both orders are possible the first reading has the
    month first, and the second one the day. Numbers are dates where all of them are compact, such as 202611 or
    20261121; of other numbers there is no reading.
    """
    texts = [_with_hyphens(value) for value in cells.values]
    if cells.all_numbers:
        compact = len(set(map(len, texts))) == 1 and all(map(COMPACT.fullmatch, texts))
        return [_parse(texts, "%Y%m%d" if len(texts[0]) == 8 else "%Y%m")] if compact else []
    readings = (_parse(texts, "mixed", day_first) for day_first in _orders(texts))
    return [pd.DatetimeIndex(dates.where(dates.year >= FIRST_YEAR)) for dates in readings]


def are_dates(cells: Cells) -> bool:
    """Tells by a column's first texts whether it holds dates that are no numbers."""
    texts = [_with_hyphens(value) for value in cells.values[:FEW]]
    if cells.all_numbers or not texts or not re.search(r"\d", texts[0]):
        return False
    return not _parse(texts, "mixed").hasnans


def no_time(cells: Cells, at: int, name: str, *, fix: str, override: str) -> DataError:
    """Returns the error of a cell that is not a date or time.

    Args:
        cells: of the column.
        at: the cell's position among them.
        name: of the column.
        fix: what else can be done than to correct the cell.
        override: that does it.
    """
    cell = shorten(cells.values[cells.codes[at]]) if cells.codes[at] >= 0 else "an empty cell"
    return DataError(
        f"{cell} is not a date or time",
        where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
        fix=f"correct it, write dates as 2026-11-21, or {fix}",
        override=override,
    )


def _parse(texts: Sequence[str], spelling: str, day_first: bool = False) -> pd.DatetimeIndex:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a zone that is not known, such as EST: the text is no date then
        column = pd.Series(texts, dtype=object)
        read = pd.to_datetime(column, errors="coerce", utc=True, format=spelling, dayfirst=day_first)
    return pd.DatetimeIndex(read).tz_convert(None)


def _with_hyphens(text: str) -> str:
    """Returns a date that is written with 年, 月 and 日 as one with hyphens."""
    return re.sub(r"[年月日](?=\s|$)", "", re.sub(r"[年月](?=\d)", "-", text))


def _orders(texts: Sequence[str]) -> tuple[bool, ...]:
    """Returns whether the day stands before the month; both answers, the likelier first, where nothing decides it."""
    if all(re.match(r"\d{4}", text) for text in texts):
        return (False,)
    pairs = [(int(match[1]), int(match[3])) for text in texts if (match := TWO_NUMBERS.match(text))]
    if any(first > 12 for first, _ in pairs):
        return (True,)
    return (False,) if any(second > 12 for _, second in pairs) else (False, True)

"""Recognises numbers that count time from 1970 on, as computers do."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from dltrain.data.cells import Cells
from dltrain.data.column_names import plain
from dltrain.data.date_format import NUMBERS, DateFormat
from dltrain.data.date_layouts import SECOND
from dltrain.data.dates import infer_cells

UNITS: Mapping[str, str] = {  # by the word for `data.dates`
    "unix": "seconds",
    "unix_ms": "milliseconds",
    "unix_us": "microseconds",
    "unix_ns": "nanoseconds",
}
NAMES_OF_SECONDS = r"(unix|epoch|posix)?(time|timestamp|ts|epoch|seconds)(unix|utc|s)?|(unix|epoch)(date|datetime)"
NAMES_OF_TIMES = re.compile(
    r"(?i:(^|[ _-])(?<!to[ _-])(date|time|datetime|timestamp|epoch|ts|at)([ _-](utc|ms|us|ns|s))?$)|"
    r"[a-z](Time|Date|Timestamp|At|TS)$|时间|日期"
)
THIS_CENTURY = (946_684_800, 2_208_988_800)  # from 2000 to 2039, in seconds
LENGTH = re.compile(r"\d{9,19}(\.\d+)?")
FEW = 10  # times, below which whole minutes may be chance


def time_since_1970(cells: Cells, name: str, *, strict: bool = False) -> str:
    """Returns the word for `data.dates` by which numbers are times since 1970; empty if they may be other numbers.

    Numbers as long as milliseconds of this century are hardly anything else where a column has to be times; seconds
    have to be whole minutes, or the column to be called so.

    Args:
        cells: of the column.
        name: of the column.
        strict: whether the column may be anything, so that also longer numbers have to be whole minutes, or the column
            to be called after a time.
    """
    if not all(LENGTH.fullmatch(text) for text in (cells.values[0], cells.values[-1])):
        return ""
    try:
        numbers = np.array([float(text) for text in cells.values])
    except ValueError:
        return ""
    for word in UNITS:
        second = round(SECOND / NUMBERS[word][0])
        if (numbers > THIS_CENTURY[0] * second).all() and (numbers < THIS_CENTURY[1] * second).all():
            named = bool(NAMES_OF_TIMES.search(name)) if strict else word != "unix"
            if word == "unix" and re.fullmatch(NAMES_OF_SECONDS, plain(name)):
                named = named or infer_cells(cells, enough=1.0) is None
            whole = numbers if strict else np.diff(np.sort(numbers))
            minutes = bool((whole % (60 * second) == 0).all()) and len(numbers) > FEW
            if minutes or named:
                return word
    return ""


def format_since_1970(cells: Cells, name: str) -> DateFormat | None:
    """Returns the format of times since 1970 in a column that may hold anything; `None` if it does not hold such."""
    word = time_since_1970(cells, name, strict=True)
    return DateFormat(numbers=word) if word else None  # type: ignore[arg-type]

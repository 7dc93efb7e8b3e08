"""Turns a table whose columns are times, with a series or a year or a day in each row, into one with a row for each
time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd

from dltrain.data.cells import name_list, read_cells
from dltrain.data.column_names import plain
from dltrain.data.date_layouts import DIGITS, find_layouts
from dltrain.data.dates import are_dates
from dltrain.kinds.series.grid import Grid, find_grid

FEWEST = 6  # columns of times
SHARE = 0.5  # of all columns
NUMBERED = re.compile(r"([^\W\d][\w ]*?[_ ]?|)(\d{1,5})")
EUROSTAT = re.compile(r"\\(time|TIME_PERIOD)\s*$")
FLAGS = r"\s+[a-z]{1,4}$"
NAMES_OF_STEPS = r"v|d|t|w|wk|day|week|month|step|time|period|x|"
YEAR = re.compile(r"(?:y|yr|year|fy|x)[ _]?(\d{4})|(\d{4}) ?\[YR\2\]", re.IGNORECASE)  # Y1961; 1960 [YR1960]


@dataclass(frozen=True)
class Turned:
    """A table with a row for each series and time.

    Args:
        frame: with the columns that stood before the times, `time` and `value`.
        time: the name of the column of times.
        value: the name of the column of values.
        notes: what was done.
        by_row: whether each row was a series.
    """

    frame: pd.DataFrame
    time: str
    value: str
    notes: tuple[str, ...]
    by_row: bool = True


def turn_wide(frame: pd.DataFrame) -> Turned | None:
    """Returns a table whose columns are times as one with a row for each time; `None` where it is no such table."""
    grid = find_grid(frame)
    if grid is not None:
        return _turn_grid(frame, grid)
    names = [str(name) for name in frame.columns]
    times = _dates_among(names) or _years_among(names) or _numbered_among(frame, names)
    if not times:
        return None
    flags = _leave_out_flags(frame, names, times)
    frame = frame if flags is None else flags
    again = _numbered_otherwise(names, times)
    others = [name for name in names if name not in times and name not in again]
    time, value = (_free(name, others) for name in ("time", "value"))
    named = frame.set_axis(names, axis="columns")
    values = named[times].to_numpy(dtype=object)  # (rows, times)
    rows = np.repeat(np.arange(len(frame)), len(times))
    turned = named[others].iloc[rows].reset_index(drop=True)
    if not others:
        turned = pd.DataFrame({"row": [str(row + 1) for row in rows]})
    spelled = [match[2] if (match := YEAR.fullmatch(name)) and match[2] else name for name in times]
    turned[time] = np.tile(np.array(spelled, dtype=object), len(frame))
    turned[value] = values.reshape(-1)
    turned.index = pd.Index(frame.index.to_numpy()[rows] if len(frame) else rows)
    notes = [f"the columns {name_list(times, 3)} are times: {len(frame):,} rows are as many series"]
    if flags is not None:
        notes.append("left out the flags after numbers, such as 'p', and ':', which means that there is none")
    if again:
        notes.append(f"not used: {name_list(again, 3)}, which are numbered as the times are")
    return Turned(turned, time, value, tuple(notes))


def _leave_out_flags(frame: pd.DataFrame, names: Sequence[str], times: Sequence[str]) -> pd.DataFrame | None:
    """Returns a table of Eurostat's, whose first column is called geo\\TIME_PERIOD, without the flags after numbers;
    `None` for any other table."""
    if not any(EUROSTAT.search(name) for name in names if name not in times):
        return None
    cells = frame.iloc[:, [at for at, name in enumerate(names) if name in times]]
    bare = cells.apply(lambda column: column.astype("string").str.strip().str.replace(FLAGS, "", regex=True))
    return frame.assign(**{str(name): bare[name].mask(bare[name].isin(["", ":"])) for name in bare.columns})


def _turn_grid(frame: pd.DataFrame, grid: Grid) -> Turned:
    """Returns a table with a row for each row and part of a grid."""
    others = [str(name) for name in grid.rows.columns if name != grid.whole]
    time, value = (_free(name, others) for name in ("time", "value"))
    rows = np.repeat(np.arange(len(frame)), len(grid.columns))
    turned = grid.rows[others].iloc[rows].reset_index(drop=True)
    turned[time] = np.array([text for texts in grid.texts for text in texts], dtype=object)
    turned[value] = frame[grid.columns].to_numpy(dtype=object).reshape(-1)
    turned.index = pd.Index(frame.index.to_numpy()[rows])
    note = f"the columns {name_list(grid.columns, 3)} are parts of {grid.whole}: each row is {len(grid.columns)} steps"
    return Turned(turned, time, value, (note,), by_row=False)


def _dates_among(names: Sequence[str]) -> list[str]:
    """Returns the names that are dates, if most are."""
    dates = [name for name in names if find_layouts(name.strip().translate(DIGITS))]
    return dates if len(dates) >= FEWEST and len(dates) > SHARE * len(names) else []


def _years_among(names: Sequence[str]) -> list[str]:
    """Returns the names that are years with a word, if most are."""
    years = [name for name in names if YEAR.fullmatch(name.strip())]
    return years if len(years) >= FEWEST and len(years) > SHARE * len(names) else []


def _numbered_otherwise(names: Sequence[str], times: Sequence[str]) -> list[str]:
    """Returns the columns with another name before as many numbers as there are times, such as Normalized 0."""
    matches = {name: match[1] for name in names if name not in times and (match := NUMBERED.fullmatch(name))}
    prefixes = list(matches.values())
    return [name for name, prefix in matches.items() if prefixes.count(prefix) >= len(times)]


def _numbered_among(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Returns the names such as V2, V3, V4 or d_1, d_2, if most are and a column of names stands before them."""
    matches = {name: match for name in names if (match := NUMBERED.fullmatch(name))}
    prefixes = [match[1] for match in matches.values() if re.fullmatch(NAMES_OF_STEPS, plain(match[1]))]
    if not prefixes:
        return []
    prefix = max(prefixes, key=prefixes.count)
    numbered = [name for name, match in matches.items() if match[1] == prefix]
    texts = [name for name in names if _names_rows(frame, name)]
    numbered = [name for name in numbered if name not in texts]
    numbers = np.array([int(matches[name][2]) for name in numbered])
    rest = len(names) - len(_numbered_otherwise(names, numbered))
    if len(numbered) < FEWEST or len(numbered) <= SHARE * rest or not (np.diff(numbers) == 1).all():
        return []
    return numbered if texts and names.index(texts[0]) < names.index(numbered[0]) else []


def _names_rows(frame: pd.DataFrame, name: str) -> bool:
    """Tells whether the cells of a column are texts that differ from row to row, and no times."""
    cells = read_cells(frame.iloc[:, [str(other) for other in frame.columns].index(name)])
    words = bool(np.isnan(cells.numbers).all())
    return bool(cells.values) and words and len(cells.values) == len(cells.codes) and not are_dates(cells)


def _free(name: str, taken: Sequence[str]) -> str:
    return next(free for number in count() if (free := name + "'" * number) not in taken)

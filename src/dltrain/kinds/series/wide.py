"""Turns a table with a series in each row, whose columns are times, into one with a row for each time."""

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

FEWEST = 6  # columns of times
SHARE = 0.5  # of all columns
NUMBERED = re.compile(r"([^\W\d][\w ]*?[_ ]?|)(\d{1,5})")
NAMES_OF_STEPS = r"v|d|t|day|week|month|step|time|period|x|"


@dataclass(frozen=True)
class Turned:
    """A table with a row for each series and time.

    Args:
        frame: with the columns that stood before the times, `time` and `value`.
        time: the name of the column of times.
        value: the name of the column of values.
        notes: what was done.
    """

    frame: pd.DataFrame
    time: str
    value: str
    notes: tuple[str, ...]


def turn_wide(frame: pd.DataFrame) -> Turned | None:
    """Returns a table whose columns are times as one with a row for each time; `None` where it is no such table."""
    names = [str(name) for name in frame.columns]
    times = _dates_among(names) or _numbered_among(frame, names)
    if not times:
        return None
    others = [name for name in names if name not in times]
    time, value = (_free(name, others) for name in ("time", "value"))
    named = frame.set_axis(names, axis="columns")
    values = named[times].to_numpy(dtype=object)  # (rows, times)
    rows = np.repeat(np.arange(len(frame)), len(times))
    turned = named[others].iloc[rows].reset_index(drop=True)
    if not others:
        turned = pd.DataFrame({"row": [str(row + 1) for row in rows]})
    turned[time] = np.tile(np.array(times, dtype=object), len(frame))
    turned[value] = values.reshape(-1)
    turned.index = pd.Index(frame.index.to_numpy()[rows] if len(frame) else rows)
    note = f"the columns {name_list(times, 3)} are times: {len(frame):,} rows are as many series"
    return Turned(turned, time, value, (note,))


def _dates_among(names: Sequence[str]) -> list[str]:
    """Returns the names that are dates, if most are."""
    dates = [name for name in names if find_layouts(name.strip().translate(DIGITS))]
    return dates if len(dates) >= FEWEST and len(dates) > SHARE * len(names) else []


def _numbered_among(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Returns the names such as V2, V3, V4 or d_1, d_2, if most are and a column of names stands before them."""
    matches = {name: match for name in names if (match := NUMBERED.fullmatch(name))}
    prefixes = [match[1] for match in matches.values() if re.fullmatch(NAMES_OF_STEPS, plain(match[1]))]
    if not prefixes:
        return []
    prefix = max(set(prefixes), key=prefixes.count)
    numbered = [name for name, match in matches.items() if match[1] == prefix]
    texts = [name for name in names if _names_rows(frame, name)]
    numbered = [name for name in numbered if name not in texts]
    numbers = np.array([int(matches[name][2]) for name in numbered])
    if len(numbered) < FEWEST or len(numbered) <= SHARE * len(names) or not (np.diff(numbers) == 1).all():
        return []
    return numbered if texts and names.index(texts[0]) < names.index(numbered[0]) else []


def _names_rows(frame: pd.DataFrame, name: str) -> bool:
    """Tells whether the cells of a column are texts that differ from row to row."""
    cells = read_cells(frame.iloc[:, [str(other) for other in frame.columns].index(name)])
    words = bool(np.isnan(cells.numbers).all())
    return bool(cells.values) and words and len(cells.values) == len(cells.codes)


def _free(name: str, taken: Sequence[str]) -> str:
    return next(free for number in count() if (free := name + "'" * number) not in taken)

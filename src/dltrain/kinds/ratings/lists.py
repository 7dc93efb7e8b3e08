"""Tables with a row for each user, whose items are listed in one cell: `7,i3 i9 i4`."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from dltrain.data.cells import read_cells

MARKS = ("|", ";", ",", " ")  # between items, the certain ones first
NUMBERED = re.compile(r"\d")  # as ids between blanks are
MOSTLY = 0.9  # of the cells
TIMES = 2  # as many items as distinct ones, at least


def split_lists(frame: pd.DataFrame, user: str, item: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns a row for each item where a table has one row for each user and lists of items; and a note.

    Args:
        frame: the table.
        user: the column of users.
        item: the column of items.
    """
    users, cells = read_cells(frame[user]), read_cells(frame[item])
    if len(users.values) < users.present or cells.present < len(frame) or len(frame) < 2:
        return frame, ()
    texts = [re.sub(r"^\[|\]$|[\"']", "", str(text)) for text in cells.or_else([""] * len(frame))]
    mark = next((mark for mark in MARKS if np.mean([mark in text for text in texts]) >= MOSTLY), None)
    if mark is None:
        return frame, ()
    lists = [[part.strip() for part in text.split(mark) if part.strip()] for text in texts]
    total, distinct = sum(map(len, lists)), len({part for parts in lists for part in parts})
    words = mark == " " and any(not NUMBERED.search(part) for parts in lists for part in parts)
    if words or total < TIMES * distinct:
        return frame, ()  # such as titles
    rows = frame.assign(**{item: pd.Series(lists, index=frame.index)}).explode(item, ignore_index=True)
    return rows, (f"{item} lists the items of each {user}, from the first to the last: {total:,} choices",)

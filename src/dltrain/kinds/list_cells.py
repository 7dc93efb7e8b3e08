"""Cells that are lists as Python and JSON write them, such as `['clear', 'water']`."""

from __future__ import annotations

import ast
import re
from typing import Any

import pandas as pd

BRACKETS = ("[]", "()", "{}")
BETWEEN = "|"  # of the labels in a cell
UNDIVIDED = re.compile(r"(?<=['\"])\s+(?=['\"])")  # NumPy writes ['a' 'b']
BARE = re.compile(r"\[[^\[\]{}()'\"]*\]")  # [clear, water]


def spell_lists(column: pd.Series[Any], *, certain: bool = False) -> pd.Series[Any] | None:
    """Returns a column of lists with each as `clear|water|`, an empty one as an empty cell; `None` if a cell is no list
    of words or whole numbers.

    Args:
        column: the cells.
        certain: whether lists must certainly be of labels: as many numbers in each cell may be a box or a vector, and
            a word in brackets a name.
    """
    cells = column.dropna().astype(str).str.strip()
    distinct = [cell for cell in cells.unique().tolist() if cell]
    if not distinct or any(cell[0] + cell[-1] not in BRACKETS for cell in distinct):
        return None
    lists: dict[str, list[str]] = {}
    for cell in distinct:
        items = _items(cell)
        if items is None or any(BETWEEN in item for item in items):
            return None
        lists[cell] = items
    quoted = any("'" in cell or '"' in cell for cell in distinct)
    if certain and not quoted and len({len(items) for items in lists.values()}) == 1:
        return None
    spelled = {cell: "".join(item + BETWEEN for item in items) for cell, items in lists.items()}
    return column.map(lambda cell: spelled.get(str(cell).strip(), ""), na_action="ignore")


def _items(cell: str) -> list[str] | None:
    """Returns the words or whole numbers of a list; `None` if it holds something else."""
    try:
        read = ast.literal_eval(UNDIVIDED.sub(", ", cell))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [item for part in cell[1:-1].split(",") if (item := part.strip())] if BARE.fullmatch(cell) else None
    if not isinstance(read, list | tuple | set) or any(type(item) not in (str, int) for item in read):
        return None
    return [item for part in read if (item := str(part).strip())]

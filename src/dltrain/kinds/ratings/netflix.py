"""Reads ratings under a line with their item, `1:`, as in the Netflix prize."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from dltrain.data.files import check_file, read_bytes
from dltrain.errors import DataError

ITEM = re.compile(rb"\s*[\w-]+:\s*")
NAMES = {1: ("user",), 2: ("user", "date"), 3: ("user", "rating", "date")}  # by the number of fields below an item


def lists_by_item_lines(path: str) -> bool:
    """Tells whether a file begins with an item and a colon alone in a line, followed by fields without one."""
    file = Path(path).expanduser()
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        first, second = (opened.readline(1000) for _ in range(2))
    return bool(ITEM.fullmatch(first)) and b":" not in second and bool(second.strip())


def read_item_lines(path: str) -> tuple[pd.DataFrame, str]:
    """Returns the table of such a file, with columns item, user and, as there are fields, rating and date; and a note.

    Raises:
        DataError: lines have different numbers of fields, or are not UTF-8.
    """
    try:
        text = read_bytes(check_file(Path(path).expanduser())).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8", where="data.path", fix="save it as UTF-8") from None
    lines = pd.Series(text.splitlines()).str.strip()
    heads = lines.str.endswith(":").to_numpy()
    items = lines[heads].str[:-1].to_numpy()[np.cumsum(heads) - 1]
    rows = ~heads & (lines != "").to_numpy()
    fields = lines[rows].str.split(",", expand=True)
    gaps = fields.isna().any(axis=1)
    if gaps.any() or fields.shape[1] not in NAMES:
        at = int(np.flatnonzero(rows)[gaps.to_numpy().argmax()])
        raise DataError(
            f"{lines[at]!r} has another number of fields than the other lines",
            where=f"{path}, line {at + 1}",
            fix="give lines of user, rating and date below each item",
        )
    frame = fields.set_axis(NAMES[fields.shape[1]], axis="columns")
    frame.insert(0, "item", items[rows])
    note = f"each of {heads.sum():,} lines that end in a colon names the item of those below"
    return frame.reset_index(drop=True), note

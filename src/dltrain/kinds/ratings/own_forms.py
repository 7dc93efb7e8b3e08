"""Reads ratings in forms that are no tables: below a line with their item, as MatrixMarket, or as nested JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from dltrain.data.files import check_file, read_bytes
from dltrain.errors import DataError
from dltrain.kinds.ratings.netflix import lists_by_item_lines, read_item_lines

MATRIX_MARKET = b"%%matrixmarket matrix coordinate"  # in any case
NAMES = ("user", "item", "rating")
LINE = 1 << 20  # bytes of a first line that is looked at


def read_own_form(path: str) -> tuple[pd.DataFrame, str] | None:
    """Returns a row for each rating, with columns user, item and, if there are any, rating and date, and a note; None
    for a table.

    Raises:
        DataError: the file is damaged.
    """
    if lists_by_item_lines(path):
        return read_item_lines(path)
    file = Path(path).expanduser()
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        first = opened.readline(LINE)
    if first.lower().startswith(MATRIX_MARKET):
        return _read_matrix_market(file, first.decode("utf-8", "replace").casefold().split())
    if first.lstrip().startswith(b"{") and (users := _nested(file, first)) is not None:
        rows = [(user, item, rating) for user, items in users.items() for item, rating in items.items()]
        return pd.DataFrame(rows, columns=NAMES).astype(str), f"{len(users):,} users, each with their ratings by item"
    return None


def _read_matrix_market(file: Path, header: list[str]) -> tuple[pd.DataFrame, str]:
    if header[-1].endswith(("symmetric", "hermitian")):
        raise DataError(
            f"{file} is a {header[-1]} MatrixMarket file, whose rows and columns are the same: users are no items",
            where="data.path",
            fix="write the ratings as a general matrix, with a row for each user and a column for each item",
        )
    lines = read_bytes(check_file(file)).decode("utf-8", "replace").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("%")]
    sizes, *entries = rows or [[]]
    width = len(entries[0]) if entries else 0
    at = next((at for at, entry in enumerate(entries) if len(entry) != width), None)
    counted = len(sizes) == 3 and all(map(str.isdecimal, sizes)) and int(sizes[2]) == len(entries)
    if not counted or width not in (2, 3) or at is not None:
        raise DataError(
            f"{file} is no whole MatrixMarket file: its {len(entries):,} entries do not fit its sizes, "
            f"{' '.join(sizes) or 'which are missing'}",
            where="data.path",
            fix="write it again",
        )
    note = f"a MatrixMarket file of {sizes[0]} rows, taken for users, and {sizes[1]} columns, taken for items "
    return pd.DataFrame(entries, columns=NAMES[:width]), note + "(data.user=item data.item=user swaps them)"


def _nested(file: Path, first: bytes) -> dict[str, dict[str, Any]] | None:
    """Returns the ratings of each user in a JSON object of objects of numbers; None for any other file.

    Objects that all have the same keys are the columns of a table, as pandas writes it.
    """
    if _is_json(first) and file.stat().st_size > len(first):
        return None  # JSON lines
    try:
        users = json.loads(file.read_bytes())
    except ValueError:
        return None
    if len(users) < 2 or not all(isinstance(items, dict) and items for items in users.values()):
        return None
    first_keys = next(iter(users.values())).keys()
    if all(items.keys() == first_keys for items in users.values()):
        return None
    numbers = all(type(rating) in (int, float) for items in users.values() for rating in items.values())
    return users if numbers else None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

"""Turns a matrix of ratings, with a row for each user and a column for each item, into a row for each rating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, read_cells
from dltrain.data.column_names import plain
from dltrain.kinds.ratings.columns import UNNAMED, find_role
from dltrain.kinds.ratings.content import WIDEST, is_time
from dltrain.kinds.ratings.unrated import LARGE

Layout = Literal["auto", "pairs", "users_in_rows", "items_in_rows"]

FEWEST_COLUMNS = 6
GAPS = 0.1  # share of the cells that are no ratings, at least
NAMES = ("user", "item", "rating")  # of the columns of a matrix


def find_layout(frame: pd.DataFrame) -> Layout:
    """Returns whether a table has a row for each pair, for each user or for each item.

    It is a matrix if nearly all of its columns are numbers of one narrow scale with gaps, zeros or numbers such as 99.
    """
    if frame.shape[1] < FEWEST_COLUMNS or _has_pairs(frame):
        return "pairs"
    ids, items = _parts(frame)
    if len(items) < FEWEST_COLUMNS:
        return "pairs"
    cells = [read_cells(frame[name]) for name in items]
    if any(not column.all_numbers or is_time(column) for column in cells):
        return "pairs"
    numbers = np.concatenate([column.as_numbers() for column in cells])
    gaps = np.isnan(numbers) | (numbers == 0) | np.isin(numbers, list(LARGE))
    if gaps.mean() < GAPS or gaps.all() or np.ptp(numbers[~gaps]) > WIDEST:
        return "pairs"
    return "items_in_rows" if ids and find_role(frame[ids], "item", ()) else "users_in_rows"


def _has_pairs(frame: pd.DataFrame) -> bool:
    return bool(find_role(frame, "user", ()) and find_role(frame, "item", ()))


def _parts(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Returns the column that names the rows, if there is one, and the others, without one that counts the ratings."""
    names = list(map(str, frame.columns))
    first = read_cells(frame[names[0]])
    if _counts_ratings(first, frame[names[1:]]):
        return [], names[1:]
    distinct = len(first.values) == first.present == len(frame)
    if distinct or not first.all_numbers or find_role(frame[names[:1]], "user", ()):
        return names[:1], names[1:]
    return [], names


def _counts_ratings(first: Cells, others: pd.DataFrame) -> bool:
    """Tells whether a column says how many ratings its row holds."""
    if not first.all_numbers or others.empty:
        return False
    cells = np.stack([read_cells(others[name]).as_numbers() for name in others.columns], axis=1)
    counts = first.as_numbers()
    rated = [~np.isnan(cells), ~(np.isnan(cells) | (cells == 0)), ~(np.isnan(cells) | np.isin(cells, list(LARGE)))]
    return any(bool((each.sum(axis=1) == counts).all()) for each in rated)


def melt(frame: pd.DataFrame, layout: Layout) -> tuple[pd.DataFrame, Sequence[str]]:
    """Returns a row for each rating, with columns of users, items and ratings, and notes.

    A matrix of 0 and 1 says who chose what, and has no column of ratings then.

    Args:
        frame: the matrix.
        layout: whether its rows are users or items.
    """
    ids, items = _parts(frame)
    rows, columns = NAMES[:2] if layout == "users_in_rows" else NAMES[1::-1]
    named = ids and not UNNAMED.fullmatch(ids[0]) and plain(ids[0])
    rows = ids[0] if named and ids[0] not in NAMES else rows
    labels = [*read_cells(frame[ids[0]]).or_else([""] * len(frame))] if ids else [*map(str, range(1, len(frame) + 1))]
    numbers = np.stack([read_cells(frame[name]).as_numbers() for name in items], axis=1)  # (rows, columns)
    chosen = set(np.unique(numbers[~np.isnan(numbers)]).tolist()) <= {0.0, 1.0}
    at, of = np.nonzero((numbers == 1) if chosen else ~np.isnan(numbers))
    names = {rows: np.array(labels, dtype=object)[at], columns: np.array(items, dtype=object)[of]}
    pairs = pd.DataFrame({**names, NAMES[2]: numbers[at, of]})
    each = {"users_in_rows": "user", "items_in_rows": "item"}[layout]
    other = "item" if each == "user" else "user"
    note = f"a matrix: each row is {'an' if each == 'item' else 'a'} {each} and each of {len(items)} columns "
    note += f"{'an' if other == 'item' else 'a'} {other} (data.layout)"
    unnamed = [] if ids else [f"rows have no names: {each}s are numbered from 1"]
    return (pairs.drop(columns=NAMES[2]) if chosen else pairs), [note, *unnamed]

"""Turns a matrix of ratings, with a row for each user and a column for each item, into a row for each rating."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list, read_cells
from dltrain.data.column_names import plain
from dltrain.kinds.ratings.columns import NAMES as NAMES_OF
from dltrain.kinds.ratings.columns import ROLES, TITLE, UNNAMED, find_role
from dltrain.kinds.ratings.content import WIDEST, is_time
from dltrain.kinds.ratings.unrated import LARGE

Layout = Literal["auto", "pairs", "users_in_rows", "items_in_rows"]

FEWEST_COLUMNS = 6
GAPS = 0.1  # share of the cells that are no ratings, at least
ROUNDING = 0.051  # of means, to one place at least
MOST_WORDS = 2  # that stand for gaps, such as "not seen"
NAMES = ("user", "item", "rating")  # of the columns of a matrix


def find_layout(frame: pd.DataFrame) -> Layout:
    """Returns whether a table has a row for each pair, for each user or for each item.

    It is a matrix if nearly all of its columns are numbers of one narrow scale with gaps, zeros or numbers such as 99.
    """
    if frame.shape[1] < FEWEST_COLUMNS or _has_pairs(frame):
        return "pairs"
    ids, items = _parts(_without_time(frame))
    if len(items) < FEWEST_COLUMNS:
        return "pairs"
    cells = [_read_marks(frame[name]) for name in items]
    words = {value for column in cells for value in _words(column)}
    if len(words) > MOST_WORDS or any(is_time(column) for column in cells):
        return "pairs"
    numbers = np.concatenate([column.as_numbers() for column in cells])
    gaps = np.isnan(numbers) | (numbers == 0) | np.isin(numbers, list(LARGE))
    if gaps.mean() < GAPS or gaps.all() or np.ptp(numbers[~gaps]) > WIDEST:
        return "pairs"
    return "items_in_rows" if ids and _names_items(frame[ids]) else "users_in_rows"


def _without_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a table without its first column if that says when each row was written, as in the answers to a form;
    numbers, which may be ids, say so only under a name of times."""
    name, cells = plain(str(frame.columns[0])), read_cells(frame.iloc[:, 0])
    is_called = {role: any(re.fullmatch(names, name) for names in NAMES_OF[role]) for role in ROLES}
    timed = is_time(cells) and (is_called["time"] or not cells.all_numbers)
    return frame.iloc[:, 1:] if timed and not (is_called["user"] or is_called["item"]) else frame


def _names_items(ids: pd.DataFrame) -> bool:
    """Tells whether the column of ids is called as one of items or titles; a name may be a user's."""
    name = plain(str(ids.columns[0]))
    return bool(find_role(ids, "item", ())) or (name != "name" and bool(re.fullmatch(TITLE, name)))


def _read_marks(column: pd.Series[Any]) -> Cells:
    """Reads cells, with 1 and 0 for true and false."""
    cells = read_cells(column)
    words = [str(value).casefold() for value in cells.values]
    if not words or not set(words) <= {"true", "false"}:
        return cells
    return replace(cells, numbers=np.array([float(word == "true") for word in words]))


def _words(cells: Cells) -> list[str]:
    """Returns the values of cells that are no numbers."""
    return [str(cells.values[at]) for at in np.flatnonzero(np.isnan(cells.numbers)).tolist()]


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
    timed = _without_time(frame).shape[1] < frame.shape[1]
    left_out = [f"{frame.columns[0]} is left out: it holds times"] if timed else []
    ids, items = _parts(_without_time(frame))
    rows, columns = NAMES[:2] if layout == "users_in_rows" else NAMES[1::-1]
    named = ids and not UNNAMED.fullmatch(ids[0]) and plain(ids[0])
    rows = ids[0] if named and ids[0] not in NAMES else rows
    labels = [*read_cells(frame[ids[0]]).or_else([""] * len(frame))] if ids else [str(1 + row) for row in frame.index]
    numbers = np.stack([_read_marks(frame[name]).as_numbers() for name in items], axis=1)  # (rows, columns)
    extra = find_extra(numbers)
    left_out += [f"{name} is left out: {extra[at]}" for at, name in enumerate(items) if at in extra]
    items = [name for at, name in enumerate(items) if at not in extra]
    numbers = np.delete(numbers, list(extra), axis=1)
    words = sorted({word for name in items for word in _words(_read_marks(frame[name]))})
    left_out += [f"cells of {name_list(words)} are taken for not rated"] if words else []
    chosen = set(np.unique(numbers[~np.isnan(numbers)]).tolist()) <= {0.0, 1.0}
    at, of = np.nonzero((numbers == 1) if chosen else ~np.isnan(numbers))
    names = {rows: np.array(labels, dtype=object)[at], columns: np.array(items, dtype=object)[of]}
    pairs = pd.DataFrame({**names, NAMES[2]: numbers[at, of]})
    each = {"users_in_rows": "user", "items_in_rows": "item"}[layout]
    other = "item" if each == "user" else "user"
    note = f"a matrix: each row is {'an' if each == 'item' else 'a'} {each} and each of {len(items)} columns "
    note += f"{'an' if other == 'item' else 'a'} {other} (data.layout)"
    unnamed = [] if ids else [f"rows have no names: {each}s are numbered from 1"]
    return (pairs.drop(columns=NAMES[2]) if chosen else pairs), [note, *left_out, *unnamed]


def find_extra(numbers: NDArray[np.float64]) -> dict[int, str]:
    """Returns the columns of a matrix that hold no ratings, and why: without gaps, where the others have some, their
    numbers are beyond those of the others, such as ages, or their means, sums or numbers.

    Args:
        numbers: the cells, `(rows, columns)`, NaN where one is missing.
    """
    gaps = np.isnan(numbers) | (numbers == 0) | np.isin(numbers, list(LARGE))
    sparse = gaps.mean(axis=0) >= GAPS
    if sparse.sum() < FEWEST_COLUMNS:
        return {}
    rated = np.where(gaps, np.nan, numbers)
    low, high = np.nanmin(rated[:, sparse]), np.nanmax(rated[:, sparse])
    whole = {at: numbers[:, at] for at in np.flatnonzero(~gaps.any(axis=0)).tolist()}
    extra = {
        at: f"its numbers, {each.min():g} to {each.max():g}, are beyond the ratings, {low:g} to {high:g}"
        for at, each in whole.items()
        if each.min() < low or each.max() > high
    }
    for at, each in whole.items():
        others = np.delete(rated, [at, *extra], axis=1)
        sums, counts = np.nansum(others, axis=1), np.maximum((~np.isnan(others)).sum(axis=1), 1)
        computed = (sums / counts, sums, counts)
        if np.ptp(each) > 0 and any(np.allclose(each, other, atol=ROUNDING) for other in computed):
            extra[at] = "it is computed from the others"
    return extra

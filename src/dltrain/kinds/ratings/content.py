"""Judges by its cells what a column of a table of ratings holds: ids, ratings, counts or times; and its first line."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, read_cells, shorten
from dltrain.data.dates import are_dates
from dltrain.data.table_records import is_number_like

FIRST_SECOND, LAST_SECOND = 7.8e8, 2.5e9  # from 1994 to 2049, in seconds since 1970; in milliseconds, 1000 times that
MOST_LEVELS, WIDEST = 101, 100.0  # distinct ratings, and from the lowest to the highest
FEW_LEVELS = 11  # distinct values, up to which a column is a scale and hardly one of ids or counts
LARGE = 20  # from which on whole numbers may be counts
SAMPLE = 200
NARROW = 5  # columns; a matrix, whose items may be called by numbers, has more
FIRST = 5_000  # rows by which the first line is judged
WORD = re.compile(r"[^\W\d]+")
ARTICLE = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]|97[89]\d{10}")  # ASIN, ISBN
REPEATED = 50  # rows beside the first of an id, by which it is judged whether the id determines a column
MARKS = frozenset(["0", "1", "-1", "true", "false", "yes", "no", "y", "n", "up", "down", "like", "dislike"])


def is_time(cells: Cells) -> bool:
    """Tells whether a column holds times: seconds or milliseconds since 1970, or dates."""
    if not len(cells.values):
        return False
    if cells.all_numbers:
        seconds = cells.numbers / (1000 if cells.numbers.max() > 1000 * FIRST_SECOND else 1)
        return bool((seconds >= FIRST_SECOND).all() and (seconds <= LAST_SECOND).all())
    return are_dates(cells)


def is_scale(cells: Cells) -> bool:
    """Tells whether a column may hold ratings: numbers of few levels, close to each other."""
    if not len(cells.values) or not cells.all_numbers:
        return False
    return 1 < len(cells.values) <= MOST_LEVELS and float(np.ptp(cells.numbers)) <= WIDEST


def is_short_scale(cells: Cells) -> bool:
    """Tells whether a column holds so few levels that it hardly holds ids or counts."""
    return is_scale(cells) and len(cells.values) <= FEW_LEVELS and float(np.abs(cells.numbers).max()) <= LARGE


def is_count(cells: Cells) -> bool:
    """Tells whether a column may hold counts, or hours: no negative numbers, large ones among them, and no times."""
    if not len(cells.values) or not cells.all_numbers or is_time(cells):
        return False
    return float(cells.numbers.min()) >= 0 and float(cells.numbers.max()) > LARGE


def are_marks(cells: Cells) -> bool:
    """Tells whether a column holds two values that may say whether something was chosen, such as 0 and 1."""
    return len(cells.values) == 2 and {str(value).casefold() for value in cells.values} <= MARKS


def are_articles(cells: Cells) -> bool:
    """Tells whether a column holds article numbers of books or of a large shop, as no column of users does."""
    return bool(len(cells.values)) and all(ARTICLE.fullmatch(str(value)) for value in cells.values[:SAMPLE])


def is_determined(frame: pd.DataFrame, name: str, by: str) -> bool:
    """Tells whether all rows with the same id have the same value in a column, as an item's genre or a user's age."""
    for part in (frame[[name, by]].head(FIRST), frame[[name, by]]):
        groups = part.groupby(by, observed=True)[name]
        if len(part) - groups.ngroups < REPEATED or groups.nunique(dropna=False).max() > 1:
            return False
    return True


def is_id(cells: Cells) -> bool:
    """Tells whether a column may name users or items: its values repeat, and are neither times nor fractions."""
    repeats = 1 < len(cells.values) < cells.present
    return repeats and not is_time(cells) and not bool(np.any(cells.numbers % 1 > 0))


def why_data(frame: pd.DataFrame) -> str:
    """Returns why the line that was taken for a header seems to be data; empty where it names columns.

    It is data where a number stands above numbers in a narrow table, since no column of a user, an item or a rating is
    called so, or where an id stands above its equals and no cell of the line is unlike those below. A word above
    numbers names a column.

    Args:
        frame: with the cells of that line as its names.
    """
    numbers, ids, unlike = [], [], False
    for position, name in enumerate(map(str, frame.columns)):
        column = frame.iloc[:, position]
        sample = [str(value) for value in read_cells(column.head(FIRST)).values[:SAMPLE]]
        if not sample or name == f"column_{position + 1}":
            continue
        if all(map(is_number_like, sample)):
            if not is_number_like(name):
                return ""
            numbers.append(f"{shorten(name)} stands above numbers")
        elif (column == name).any():
            ids.append(f"{shorten(name)} is also a cell below it")
        else:
            unlike |= bool(WORD.fullmatch(name)) or _shape(name) not in set(map(_shape, sample))
    reasons = numbers if frame.shape[1] <= NARROW or not unlike else []
    reasons = reasons or ([] if unlike else ids)
    return reasons[0] if reasons else ""


def _shape(text: str) -> Any:
    """Returns a text with 0 for digits and a for letters, each once for several."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text))

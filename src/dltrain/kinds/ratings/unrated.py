"""Tells ratings from numbers that mean "not rated", such as 0 in a scale from 1 to 10, or 99, and leaves these out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import read_cells
from dltrain.errors import DataError

FEWEST_LEVELS = 4  # of ratings and the number that may be none; likes and dislikes have fewer
LARGE = frozenset([99.0, 999.0, 9999.0, -99.0, -999.0, -9999.0])
SENTINELS = LARGE | {-1.0, -9.0}
MANY, CERTAIN = 0.15, 0.4  # share of zeros from which on they may mean nothing, and from which on they do
RARE = 0.01  # share of ratings up to which one far from the others may be a mistake
TIMES = 3.0  # as frequent as the next level


class Rated(NamedTuple):
    """A table without the rows that hold no rating.

    Args:
        frame: the rows with ratings.
        others: the rows without, `None` if there are none.
        gaps: the numbers that mean "not rated".
        notes: on what was left out.
    """

    frame: pd.DataFrame
    others: pd.DataFrame | None
    gaps: tuple[float, ...]
    notes: tuple[str, ...]


def leave_out_unrated(frame: pd.DataFrame, target: str, given: str | float, *, is_matrix: bool) -> Rated:
    """Leaves out the rows whose rating means "not rated".

    Args:
        frame: the table.
        target: the column of ratings.
        given: as the config says it.
        is_matrix: whether the table was a matrix, where a number stands for each pair that has not been rated.

    Raises:
        DataError: all rows are such, or it is not certain which are.
    """
    number = read_unrated(given)
    if given == "auto":
        number = find_unrated(read_cells(frame[target]).as_numbers(), target, is_matrix=is_matrix)
    gaps = () if number is None else (number,)
    missing = np.isin(read_cells(frame[target]).as_numbers(), list(gaps))
    if not missing.any():
        return Rated(frame, None, gaps, ())
    if missing.all():
        raise DataError(f"every rating is {number:g}", where="data.unrated", override="data.unrated=none")
    note = f"{100 * missing.mean():.0f} % of {target} are {number:g}, which is taken for not rated: "
    note += f"{missing.sum():,} rows are left out"
    return Rated(frame[~missing], frame[missing], gaps, (note,))


def read_unrated(given: str | float) -> float | None:
    """Returns the number that the user gives; `None` for `auto` and `none`.

    Raises:
        DataError: it is something else.
    """
    if given in ("auto", "none"):
        return None
    try:
        return float(given)
    except ValueError:
        raise DataError(
            f"{given!r} is no number that means not rated",
            where="data.unrated",
            fix="give the number, or none, or auto",
            override="data.unrated=auto",
        ) from None


def find_unrated(ratings: NDArray[np.float64], name: str, *, is_matrix: bool = False) -> float | None:
    """Returns the number among ratings that means "not rated"; `None` where there is none.

    It is 99, -1 or the like far from all others, or zero where zeros are much more frequent than the ratings beside it,
    or than all others in a matrix.

    Args:
        ratings: `(N,)`, NaN where one is missing.
        name: of their column.
        is_matrix: whether they are the cells of a matrix.

    Raises:
        DataError: zeros may mean nothing, or the lowest rating.
    """
    levels, counts = np.unique(ratings[~np.isnan(ratings)], return_counts=True)
    if is_matrix and 0 in levels and counts[levels == 0][0] >= CERTAIN * counts.sum():
        return 0.0
    if len(levels) < FEWEST_LEVELS:
        return None
    for at, others in ((0, levels[1:]), (-1, levels[:-1])):
        distance = float(np.abs(others - levels[at]).min())
        far = distance > np.ptp(others) or (levels[at] == -1 and others[0] >= 0)
        if float(levels[at]) in SENTINELS and far:
            return float(levels[at])
    share = counts[0] / counts.sum()
    if levels[0] != 0 or share < MANY or counts[0] < TIMES * counts[1]:
        return None
    if share >= CERTAIN:
        return 0.0
    raise DataError(
        f"{100 * share:.0f} % of {name} are 0, which may mean that somebody has not rated, or the lowest rating",
        where="data.unrated",
        fix="say which: data.unrated=0 if they are no ratings, data.unrated=none if they are",
        override="data.unrated=0",
    )


def note_far(ratings: pd.Series[Any]) -> tuple[str, ...]:
    """Returns a note on a rare rating that is far from all others, such as 55 among 1 to 5."""
    cells = read_cells(ratings)
    if len(cells.values) < FEWEST_LEVELS or not cells.all_numbers:
        return ()
    order = np.argsort(cells.numbers)
    levels, counts = cells.numbers[order], cells.counts[order]
    for at, others in ((0, levels[1:]), (-1, levels[:-1])):
        level = float(levels[at])
        if counts[at] <= RARE * counts.sum() and float(np.abs(others - level).min()) > np.ptp(others):
            words = f"{counts[at]:,} ratings are {level:g}, and all others {others.min():g} to {others.max():g}"
            return (f"{words}: data.unrated={level:g} leaves them out",)
    return ()


def without(ratings: NDArray[np.float64], unrated: Collection[float]) -> NDArray[Any]:
    """Returns ratings with NaN for those that mean "not rated"."""
    return np.where(np.isin(ratings, list(unrated)), np.nan, ratings) if unrated else ratings

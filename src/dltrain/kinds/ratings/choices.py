"""Tells whether a table says what users rate or what they choose, and asks where it may say either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd

from dltrain.data.cells import name_list, read_cells
from dltrain.errors import DataError
from dltrain.kinds.ratings.columns import Role, counts_of, may_be_ratings, may_mark_choices
from dltrain.kinds.ratings.splits import SplitBy

SplitChoice = Literal["auto", "random", "time", "user", "leave_last"]
RANKED: frozenset[str] = frozenset(["leave_last", "user"])  # splits that learn what users choose, whatever they rate
MOST_EVENTS = 10  # kinds of events that a note names


def choose_split(
    split: SplitChoice, frame: pd.DataFrame, columns: Mapping[Role, str], choices: bool = False
) -> SplitBy:
    """Returns how to split: `leave_last` where choices are to be learned or there are no ratings, else at random.

    Raises:
        DataError: there are no ratings, and the user wants another split, or a column may hold ratings.
    """
    if choices:
        return "leave_last" if split == "auto" else split
    if "target" in columns:
        return "random" if split == "auto" else split
    if split == "leave_last" or split == "user":
        return split
    others = may_be_ratings(frame, columns)
    if split == "auto" and not others:
        return "leave_last"
    what = f"no column is called rating, and {others[0]!r} may hold ratings" if others else "there are no ratings"
    either = "name it, or learn which items users choose: data.split=leave_last"
    raise DataError(
        what,
        where="data.target",
        fix=either if others else "learn which items users choose instead",
        override=f"data.target={others[0]}" if others else "data.split=leave_last",
        replaces="" if others else "data.split",
    )


def check_marks(frame: pd.DataFrame, columns: Mapping[Role, str], choices: bool) -> None:
    """Checks that no column without a role says which rows are choices, such as `clicked` with 0 and 1.

    Args:
        frame: the table.
        columns: the name of the column of each role, without ratings.
        choices: whether choices are learned with any split.

    Raises:
        DataError: a column may say so.
    """
    if not (marks := may_mark_choices(frame, columns)):
        return
    name = marks[0]
    low = min(0.0, float(cells.numbers.min())) if (cells := read_cells(frame[name])).all_numbers else 0.0
    raise DataError(
        f"{name} holds {name_list(list(cells.values))}, which may say whether a user has chosen an item",
        where="data.target",
        fix="if so, learn from the rows of those that have; data.unrated=none learns from all rows",
        override=f"data.target={name} data.unrated={low:g}" + ("" if choices else " data.split=leave_last"),
        replaces="" if choices else "data.split",
    )


def note_choices(frame: pd.DataFrame, columns: Mapping[Role, str], count: str | None) -> tuple[str, ...]:
    """Returns notes on a table of who chose what, and on its counts and kinds of events, which make no difference."""
    note = "there are no ratings: learns which items users choose (data.target names a column of ratings)"
    counts = [f"{name} holds counts (data.count={name} weighs by them)" for name in counts_of(frame, columns)]
    counts = [words for words in counts if not words.startswith(f"{count} ")]
    cells = {name: read_cells(frame[name]) for name in frame.columns if name not in columns.values()}
    events = [
        f"{name} holds {name_list(column.values)}"
        for name, column in cells.items()
        if 1 < len(column.values) <= MOST_EVENTS and not column.all_numbers
    ]
    return note, *(f"{words}: each row counts as one choice" for words in (*counts, *events))

"""Tells whether a table says what users rate or what they choose, and asks where it may say either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import pandas as pd

from dltrain.data.cells import name_list, read_cells
from dltrain.errors import DataError
from dltrain.kinds.ratings.columns import Role, check_ratings, counts_of, may_be_ratings, may_mark_choices, of_both
from dltrain.kinds.ratings.spelled import AGAINST, read_spelled
from dltrain.kinds.ratings.splits import SplitBy
from dltrain.kinds.ratings.unrated import Rated, leave_out_unrated, note_far

SplitChoice = Literal["auto", "random", "time", "user", "leave_last"]
RANKED: frozenset[str] = frozenset(["leave_last", "user"])  # splits that learn what users choose, whatever they rate
NO_RATINGS = (
    "ratings of users that are held out are not predicted, because a user's vector is learned from their ratings "
    "(data.split=random predicts ratings)"
)
MOST_EVENTS = 10  # kinds of events that a note names


class Learned(NamedTuple):
    """What is learned from a table: the ratings that users give, or which items they choose.

    Args:
        frame: the rows to learn from.
        columns: the name of the column of each role, without ratings where choices are learned.
        split: how to split.
        ranking: whether choices are learned.
        noun: what a row is: a rating or a choice.
        unrated: rows without a rating, which tell what a user knows already; `None` for none.
        gaps: numbers that mean "not rated".
        spelling: how ratings are spelled, as in `PairEncoder`.
        marks: the column that marks rows as no choices, likewise.
        notes: on all that.
    """

    frame: pd.DataFrame
    columns: Mapping[Role, str]
    split: SplitBy
    ranking: bool
    noun: str
    unrated: pd.DataFrame | None = None
    gaps: tuple[float, ...] = ()
    spelling: str = ""
    marks: str = ""
    notes: tuple[str, ...] = ()


def choose_what_is_learned(
    frame: pd.DataFrame,
    columns: Mapping[Role, str],
    *,
    split: SplitChoice,
    choices: bool,
    unrated: str | float,
    count: str | None,
    is_matrix: bool,
) -> Learned:
    """Returns what is learned from a table.

    Args:
        frame: the table.
        columns: the name of the column of each role.
        split: as in `data=ratings`.
        choices: likewise.
        unrated: likewise.
        count: likewise.
        is_matrix: whether the table was a matrix, where a number stands for each pair that has not been rated.

    Raises:
        DataError: it is not certain, or the ratings tell nothing.
    """
    by = choose_split(split, frame, columns, choices)
    ranking = choices or by in RANKED
    if "target" not in columns:
        if unrated == "auto":
            check_marks(frame, columns, choices, count)
        return Learned(frame, columns, by, ranking, "choice", notes=note_choices(frame, columns, count))
    target = columns["target"]
    numbers, spelling, note = read_spelled(frame[target])
    notes: tuple[str, ...] = (note,) if note else ()
    if numbers is not None:
        frame = frame.assign(**{target: numbers})
    if not ranking:
        check_ratings(frame, columns)
        notes += note_far(frame[target]) if unrated == "auto" else ()
    rated = Rated(frame, None, (), ())
    if not ranking or is_matrix or unrated not in ("auto", "none"):
        rated = leave_out_unrated(frame, target, unrated, is_matrix=is_matrix)
    notes += rated.notes
    if ranking:
        others: dict[Role, str] = {role: name for role, name in columns.items() if role != "target"}
        notes += ("the values of ratings make no difference: learns which user rated which item",)
        if by == "user" and not choices:
            notes += (NO_RATINGS,)
        marks = target if rated.gaps else ""
        return Learned(rated.frame, others, by, True, "rating", None, rated.gaps, spelling, marks, notes)
    known = None if is_matrix else rated.others
    if known is not None:
        notes += (
            "these tell only what a user knows already (data.unrated=none keeps them; data.split=leave_last learns "
            "from them)",
        )
    return Learned(rated.frame, columns, by, False, "rating", known, rated.gaps, spelling, notes=notes)


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


def check_marks(frame: pd.DataFrame, columns: Mapping[Role, str], choices: bool, count: str | None) -> None:
    """Checks that no column without a role says which rows are choices, such as `clicked` with 0 and 1, or `plays` with
    zeros.

    Args:
        frame: the table.
        columns: the name of the column of each role, without ratings.
        choices: whether choices are learned with any split.
        count: the column of counts, if there is one; its zeros are no choices.

    Raises:
        DataError: a column may say so.
    """
    marks = [name for name in may_mark_choices(frame, columns, counted=count is not None) if name != count]
    if not marks:
        check_verdicts(frame, columns)
        return
    name, cells = marks[0], read_cells(frame[marks[0]])
    low = min(0.0, float(cells.numbers.min())) if cells.all_numbers else 0.0
    zeros = int(cells.counts[cells.numbers == 0].sum())
    what = (
        f"{name} holds {name_list(list(cells.values))}" if len(cells.values) == 2 else f"{name} is 0 in {zeros:,} rows"
    )
    raise DataError(
        f"{what}, which may say whether a user has chosen an item",
        where="data.target",
        fix="if so, learn from the rows of those that have; data.unrated=none learns from all rows",
        override=f"data.target={name} data.unrated={low:g}" + ("" if choices else " data.split=leave_last"),
        replaces="" if choices else "data.split",
    )


def check_verdicts(frame: pd.DataFrame, columns: Mapping[Role, str]) -> None:
    """Checks that no column without a role says in words that some rows are against their item.

    Raises:
        DataError: one does.
    """
    for name in of_both(frame, columns):
        values = read_cells(frame[name]).values
        if 1 < len(values) <= MOST_EVENTS and (against := [value for value in values if AGAINST.fullmatch(value)]):
            raise DataError(
                f"{name} holds {name_list(values)}, and rows of {against[0]} may be no choices",
                where="data.path",
                fix="leave them out of the file, or learn from all rows",
                override="data.unrated=none",
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
    negative = [
        f"{name} holds negative numbers"
        for name, column in cells.items()
        if len(column.values) and column.all_numbers and column.numbers.min() < 0 < column.numbers.max()
    ]
    return note, *(f"{words}: each row counts as one choice" for words in (*counts, *events, *negative))

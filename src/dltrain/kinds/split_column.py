"""Follows the columns of a table that say which split a row is in."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import name_list
from dltrain.data.column_names import pick_column, plain
from dltrain.data.split_names import split_of
from dltrain.data.splits import Indices
from dltrain.data.truth_values import truth_of
from dltrain.types import SPLITS, SplitName

CODED = "(data)?(split|set)|subset|(eval)?partition"  # whose numbers are no phases or uses of another kind
SPLIT_NAMES = f"{CODED}|usage|phase"
CODES: Mapping[str, SplitName] = {"0": "train", "1": "val", "2": "test"}  # as CelebA has them
FLAG_NAMES: Mapping[SplitName, str] = {  # of columns of true and false
    "train": "train(ing)?",
    "val": "val(id(ation)?)?",
    "test": "test(ing)?|holdout|heldout",
}
VALID = re.compile("isvalid(?!ation)")  # which most rows are, if it means that a row can be used
OF_A_ROW = "image|img|sample|row|set|split|data"  # may follow in the name of such a column


class Followed(NamedTuple):
    """What columns say of the splits.

    Args:
        splits: `(N,)` the split of each row, as an index in `SPLITS`.
        given: the splits beside train that they give.
        columns: their names; empty where no column says splits, and all rows are in train.
        notes: what they say, in words, or why a column that looks like splits is not followed.
    """

    splits: Indices
    given: tuple[SplitName, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def follow_column(frame: pd.DataFrame, taken: Collection[str | None]) -> Followed:
    """Returns what the columns of a table say of the splits: one of words or of 0, 1 and 2, or some of true and false.

    Args:
        frame: the table.
        taken: columns that have another role.
    """
    free = [name for name in map(str, frame.columns) if name not in taken]
    column = pick_column(frame, "split", None, SPLIT_NAMES, [name for name in taken if name])
    words = None if column is None else _follow_words(frame, column)
    return words if words is not None and words.columns else _follow_flags(frame, free) or words or _none(frame)


def _none(frame: pd.DataFrame, *notes: str) -> Followed:
    return Followed(np.zeros(len(frame), dtype=np.int64), notes=notes)


def _follow_words(frame: pd.DataFrame, column: str) -> Followed:
    """Returns what a column says that is called a split, with a note where it says numbers that may mean splits."""
    cells = frame[column].fillna("").astype(str).str.strip().str.removesuffix(".0")
    named = {cell: folder.use for cell in set(cells) if (folder := split_of(cell))}
    uses: dict[str, SplitName] = {cell: use for cell, use in named.items() if use != "unlabelled"}
    if re.fullmatch(CODED, plain(column)) and set(cells) == set(CODES) and cells.value_counts().idxmax() == "0":
        uses = dict(CODES)
    if "train" not in uses.values() or len(set(uses.values())) < 2 or set(cells) - set(uses):
        codes = sorted(set(cells))
        if 2 <= len(codes) <= len(SPLITS) and set(codes) <= {*CODES, "3"}:
            return _none(frame, _not_followed(column, f"nothing says which split each of {name_list(codes)} is"))
        return _none(frame)
    return _as_given(np.array([SPLITS.index(uses[cell]) for cell in cells]), (column,), dict(sorted(uses.items())))


def _follow_flags(frame: pd.DataFrame, free: Sequence[str]) -> Followed | None:
    """Returns what columns of true and false say, such as `is_test`; `None` without any.

    A column that may mean something else, such as valid rows or positive tests, is not followed, and a note says so.
    """
    flags: dict[SplitName, NDArray[np.bool_]] = {}
    columns: list[str] = []
    doubtful: list[str] = []
    for name in free:
        flag = _flag_of(name)
        truths = None if flag is None else _truths(frame[name])
        if flag is None or truths is None or flag in flags:
            continue
        if not plain(name).startswith("is") or (VALID.match(plain(name)) and truths.mean() > 1 / 2):
            doubtful.append(_not_followed(name, "it may mean something else"))
            continue
        flags[flag] = truths
        columns.append(name)
    if not flags:
        return _none(frame, *doubtful) if doubtful else None
    val, test = (flags.get(split, np.zeros(len(frame), dtype=bool)) for split in ("val", "test"))
    train = flags.get("train", ~(val | test))
    if (val & test).any() or (train & (val | test)).any():
        return _none(frame, *doubtful, _not_followed(name_list(columns), "they contradict each other"))
    if not train.any() or train.all():
        return _none(frame, *doubtful)
    splits = np.where(train, SPLITS.index("train"), np.where(val, SPLITS.index("val"), SPLITS.index("test")))
    if len(columns) == 1:
        cells = frame[columns[0]].fillna("").astype(str)
        uses = {cell: SPLITS[split] for cell, split in sorted(set(zip(cells, splits.tolist(), strict=True)))}
    else:
        uses = {name: flag for name in columns if (flag := _flag_of(name))}
        others = ~np.any(list(flags.values()), axis=0)
        if others.any():
            uses["any other row"] = SPLITS[splits[others][0]]
    followed = _as_given(splits, tuple(columns), uses)
    return followed._replace(notes=(*followed.notes, *doubtful))


def _as_given(splits: Indices, columns: tuple[str, ...], uses: Mapping[str, SplitName]) -> Followed:
    """Returns splits, of which val is for testing where there is no test, with a note that spells them.

    Args:
        splits: of the rows, as an index in `SPLITS`.
        columns: that say them.
        uses: the split that each cell means, or each of several columns.
    """
    given = tuple(name for name in SPLITS if name != "train" and (splits == SPLITS.index(name)).any())
    if given == ("val",):
        splits, given = np.where(splits == SPLITS.index("val"), SPLITS.index("test"), splits), ("test",)
        uses = {cell: "test" if use == "val" else use for cell, use in uses.items()}
    spelled = ", ".join(f"{cell} is {use}" for cell, use in uses.items())
    noun = "column" if len(columns) == 1 else "columns"
    return Followed(splits, given, columns, (f"splits by the {noun} {name_list(columns)}: {spelled}",))


def _flag_of(name: str) -> SplitName | None:
    """Returns the split whose rows a column of this name may mark with true; `None` for another column."""
    spelled = plain(name)
    flags = (flag for flag, names in FLAG_NAMES.items() if re.fullmatch(rf"(is)?({names})({OF_A_ROW})?", spelled))
    return next(flags, None)


def _truths(column: pd.Series) -> NDArray[np.bool_] | None:
    """Returns a column of both true and false, `(N,)`; `None` for another one."""
    truths = {cell: truth_of(cell.strip()) for cell in set(column.fillna("").astype(str))}
    if set(truths.values()) != {True, False}:
        return None
    return np.array([bool(truths[cell]) for cell in column.fillna("").astype(str)])


def _not_followed(column: str, reason: str) -> str:
    return (
        f"{column} looks like splits and is not followed, since {reason}: write train, val and test into a column split"
    )

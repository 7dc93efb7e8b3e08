"""Follows a column of a table that says which split a row is in."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from dltrain.data.column_names import pick_column
from dltrain.data.split_names import split_of
from dltrain.data.splits import Indices
from dltrain.types import SPLITS, SplitName

SPLIT_NAMES = "split|subset|partition|usage|phase|set"


class Followed(NamedTuple):
    """What a column says of the splits.

    Args:
        splits: `(N,)` the split of each row, as an index in `SPLITS`.
        given: the splits beside train that it gives.
        column: its name; empty where no column says splits, and all rows are in train.
        notes: what it says, in words.
    """

    splits: Indices
    given: tuple[SplitName, ...] = ()
    column: str = ""
    notes: tuple[str, ...] = ()


def follow_column(frame: pd.DataFrame, taken: Collection[str | None]) -> Followed:
    """Returns what a column of a table says of the splits.

    Args:
        frame: the table.
        taken: columns that have another role.
    """
    column = pick_column(frame, "split", None, SPLIT_NAMES, [name for name in taken if name])
    none = Followed(np.zeros(len(frame), dtype=np.int64))
    if column is None:
        return none
    cells = frame[column].fillna("").astype(str)
    uses = {cell: named.use for cell in set(cells) if (named := split_of(cell)) and named.use != "unlabelled"}
    if "train" not in uses.values() or len(set(uses.values())) < 2 or set(cells) - set(uses):
        return none
    given: list[SplitName] = [name for name in SPLITS if name != "train" and name in uses.values()]
    if given == ["val"]:
        uses, given = {cell: "test" if use == "val" else use for cell, use in uses.items()}, ["test"]
    spelled = ", ".join(f"{cell} is {use}" for cell, use in sorted(uses.items()))
    splits = np.array([SPLITS.index(uses[cell]) for cell in cells])
    return Followed(splits, tuple(given), column, (f"splits by the column {column}: {spelled}",))

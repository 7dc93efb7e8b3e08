"""Columns of a table beside samples that name who or what several of them are about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from dltrain.data.cells import Cells, read_cells
from dltrain.data.splits import Indices
from dltrain.kinds.checks import Finding
from dltrain.kinds.table.checks import MOST_SHARED_IDS, find_known_ids
from dltrain.kinds.table.columns import looks_like_id
from dltrain.types import SPLITS, SplitName


@dataclass(frozen=True)
class SharedIds:
    """Columns that name who or what several samples are about, where chance decides the split.

    Args:
        columns: the cells of all rows, by column.
        parts: the rows of each split.
        least: the share of held-out samples with an id that is also in train, from which on it is said.
    """

    columns: Mapping[str, Cells]
    parts: Mapping[SplitName, Indices]
    least: float = MOST_SHARED_IDS

    @classmethod
    def find(cls, frame: pd.DataFrame, taken: Collection[str], parts: Mapping[SplitName, Indices]) -> SharedIds:
        """Returns those of a table, but for columns that have another role."""
        return cls(read_ids(frame, taken), parts)

    def check(self) -> Iterator[Finding]:
        """Yields that held-out samples have an id that is also in train, if they have."""
        held_out = next((name for name in reversed(SPLITS) if name != "train" and name in self.parts), None)
        if held_out is not None:
            for name, cells in self.columns.items():
                yield from find_known_ids(name, cells, self.parts["train"], self.parts[held_out], held_out, self.least)


def read_ids(frame: pd.DataFrame, taken: Collection[str | None]) -> dict[str, Cells]:
    """Returns the columns of a table that are called ids, but for those that have another role."""
    names = [name for name in map(str, frame.columns) if name not in taken and looks_like_id(name)]
    return {name: read_cells(frame[name]) for name in names}

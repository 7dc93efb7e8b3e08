"""A table's rows before they are encoded, from which checks and baselines start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells
from dltrain.data.splits import Indices
from dltrain.kinds.table.columns import Column
from dltrain.kinds.table.rows import Rows
from dltrain.types import SplitName


@dataclass(frozen=True)
class RawTable:
    """The rows of a table and their splits.

    Args:
        columns: all columns but the target, dropped ones too.
        rows: the rows that have a target.
        parts: positions of the rows of each split.
        at_random: whether chance decided the split, and not a column or a file.
    """

    columns: Sequence[Column]
    rows: Rows
    parts: Mapping[SplitName, Indices]
    at_random: bool

    @property
    def used(self) -> list[Column]:
        """Returns the columns that are inputs."""
        return [column for column in self.columns if column.role != "dropped"]

    def frame(self, split: SplitName) -> pd.DataFrame:
        """Returns the inputs of a split as scikit-learn takes them: numbers as float64 with NaN, texts as categories
        of the training rows, of which new ones are missing."""
        train, at = self.parts["train"], self.parts[split]
        inputs = {column.name: self.rows.inputs[column.name] for column in self.used}
        return pd.DataFrame(
            {
                column.name: inputs[column.name].take(at).as_numbers()
                if column.role == "numeric"
                else _categories(inputs[column.name], train, at)
                for column in self.used
            }
        )


def _categories(cells: Cells, train: Indices, at: Indices) -> pd.Categorical[Any]:
    known = np.unique(cells.codes[train])
    known = known[known >= 0]
    renumbered = np.full(len(cells.values) + 1, -1)
    renumbered[known] = np.arange(len(known))
    levels: list[str] = [cells.values[code] for code in known.tolist()]
    return pd.Categorical.from_codes(renumbered[cells.codes[at]].tolist(), pd.Index(levels))

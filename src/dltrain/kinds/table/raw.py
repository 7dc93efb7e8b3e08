"""A table's rows before they are encoded, from which checks and baselines start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells
from dltrain.data.date_layouts import Moments
from dltrain.data.splits import Indices
from dltrain.kinds.table.columns import Column
from dltrain.kinds.table.composed import split_cells
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
        without_target: the number of rows that were left out because they have no target.
        asks_about_case: whether spellings that differ only in case or blanks are worth a warning.
    """

    columns: Sequence[Column]
    rows: Rows
    parts: Mapping[SplitName, Indices]
    at_random: bool
    without_target: int = 0
    asks_about_case: bool = True

    @property
    def used(self) -> list[Column]:
        """Returns the columns that are inputs."""
        return [column for column in self.columns if column.role != "dropped"]

    def part_of(self, split: SplitName, chosen: Indices) -> RawTable:
        """Returns the table with some of the rows of a split alone, given their positions in it."""
        return replace(self, parts={**self.parts, split: self.parts[split][chosen]})

    def frame(self, split: SplitName) -> pd.DataFrame:
        """Returns the inputs of a split as scikit-learn takes them: numbers as float64 with NaN, dates as several
        numbers, and categories of the training rows, of which new ones are missing; prose is left out."""
        train, at = self.parts["train"], self.parts[split]
        frame: dict[str, Any] = {}
        for column in self.used:
            cells = self.rows.inputs[column.name]
            if column.dates is not None:
                frame |= _calendar(column.name, column.dates.read(cells.values, local=True), cells.take(at))
            elif column.parts is not None:
                for part, of_part in zip(column.parts.parts, split_cells(cells, column.parts), strict=True):
                    is_number = part.kind == "number"
                    name = f"{column.name} {part.suffix}"
                    frame[name] = of_part.take(at).as_numbers() if is_number else _categories(of_part, train, at)
            elif column.role == "numeric":
                frame[column.name] = cells.take(at).as_numbers()
            elif column.role != "text":
                frame[column.name] = _categories(cells, train, at)
        return pd.DataFrame(frame)


def _calendar(name: str, moments: Moments, cells: Cells) -> dict[str, Any]:
    """Returns a date as trees and lines take it: month and weekday as categories, the rest as numbers."""
    of_row = pd.DatetimeIndex(np.append(moments, np.datetime64("NaT", "us"))[cells.codes])
    days = (of_row - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    cycles = {
        "month": pd.Categorical(of_row.month, range(1, 13)),
        "weekday": pd.Categorical(of_row.day_of_week, range(7)),
    }
    numbers = {"day": of_row.day, "day of year": of_row.day_of_year, "hour": of_row.hour, "days": days}
    parts = cycles | {part: np.asarray(values, np.float64) for part, values in numbers.items()}
    return {f"{name} {part}": values for part, values in parts.items()}


def _categories(cells: Cells, train: Indices, at: Indices) -> pd.Categorical[Any]:
    known = np.unique(cells.codes[train])
    known = known[known >= 0]
    renumbered = np.full(len(cells.values) + 1, -1)
    renumbered[known] = np.arange(len(known))
    levels: list[str] = [cells.values[code] for code in known.tolist()]
    return pd.Categorical.from_codes(renumbered[cells.codes[at]], pd.Index(levels))

"""The encoder of columns of truth values, however they are spelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.splits import Indices
from dltrain.data.truth_values import truth_of
from dltrain.kinds.table.column_encoder import ColumnEncoder, Oddity


@dataclass(frozen=True)
class BooleanEncoder(ColumnEncoder):
    """A column of truth values: 1 for true, 0 for false, and an indicator of gaps.

    Args:
        name: the name of the column.
        missing: whether a second input tells that the cell was missing.
        share: of true cells in training, which a missing cell counts as.
    """

    role: ClassVar[str] = "boolean"

    name: str
    missing: bool
    share: float

    @classmethod
    def fit(cls, name: str, cells: Cells) -> BooleanEncoder:
        """Returns an encoder fitted to the cells of the training rows."""
        truth = _truth_of(cells)
        known = truth[~np.isnan(truth)]
        return cls(name, bool(np.isnan(truth).any()), float(known.mean()) if len(known) else 0.5)

    @property
    def features(self) -> tuple[str, ...]:
        return (self.name, f"{self.name} missing") if self.missing else (self.name,)

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, 1)`, or `(N, 2)` with the indicator."""
        truth = _truth_of(cells)
        gaps = np.isnan(truth)
        columns = [np.where(gaps, self.share, truth), *[gaps] * self.missing]
        return np.stack(columns, axis=1).astype(np.float32)

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are neither true nor false, and which are missing if none was in training."""
        truth = _truth_of(cells)
        yield Oddity(f"{self.name} is neither true nor false", np.isnan(truth) & (cells.codes >= 0))
        if not self.missing:
            yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        return f"true in {100 * self.share:.0f} % of the rows" + ", with gaps" * self.missing


def _truth_of(cells: Cells) -> NDArray[np.float64]:
    """Returns 1, 0 or NaN for each cell, `(N,)`."""
    truth = [np.nan if (value := truth_of(text)) is None else float(value) for text in cells.values]
    return np.array([*truth, np.nan])[cells.codes]

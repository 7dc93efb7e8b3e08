"""The encoder of columns of truth values, however they are spelled."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.splits import Indices
from dltrain.kinds.table.column_encoder import ColumnEncoder, Oddity

TRUE_WORDS = """
    true t yes y on 1 1.0 ja wahr oui vrai si sí sì verdadero sim vero да
    是 对 真 有 ✓ ✔
"""
FALSE_WORDS = """
    false f no n off 0 0.0 nein falsch non faux falso não нет
    否 不是 错 假 无 ✗ ✘
"""
TRUE, FALSE = frozenset(TRUE_WORDS.split()), frozenset(FALSE_WORDS.split())


def are_truth_values(values: Collection[str]) -> bool:
    """Tells whether texts are spellings of true and false, of both, and not all numbers."""
    spelled = {value.casefold() for value in values}
    return bool(spelled & TRUE and spelled & FALSE) and spelled <= TRUE | FALSE and not spelled <= {"0", "1"}


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
    spelled = [value.casefold() for value in cells.values]
    truth = [1.0 if value in TRUE else 0.0 if value in FALSE else np.nan for value in spelled]
    return np.array([*truth, np.nan])[cells.codes]

"""The encoder of columns of categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, spell_as_read
from dltrain.data.splits import Indices
from dltrain.drawing.section import listed, shown
from dltrain.kinds.table.column_encoder import ColumnEncoder, Floats, Oddity, as_tuples
from dltrain.kinds.table.level_numbers import LevelNumbers

MAX_LEVELS = 64


@dataclass(frozen=True)
class CategoricalEncoder(ColumnEncoder):
    """A column of categories: one-hot over the levels, then over `other` (pooled or unseen) and `missing`, then
    numbers that stand for all levels.

    Args:
        name: the name of the column.
        levels: the texts with an input of their own.
        other: whether all other texts share one more input.
        missing: whether a missing cell has an input.
        fill: the level that a missing cell counts as; `None` for none.
        numbers: means of the target and counts of every level, if the column has many levels.
    """

    role: ClassVar[str] = "categorical"

    name: str
    levels: tuple[str, ...]
    other: bool
    missing: bool
    fill: str | None = None
    numbers: LevelNumbers | None = None

    @classmethod
    def fit(
        cls, name: str, cells: Cells, *, fill: bool = False, numbers: LevelNumbers | None = None
    ) -> CategoricalEncoder:
        """Returns an encoder with the levels of training cells; `fill` fills gaps with the most frequent one."""
        counts = cells.counts
        # A level needs a few rows to be learned from: two in a small table, ten from 2,000 rows on.
        enough = min(max(2, 0.005 * len(cells.codes)), 10)
        frequent = [code for code in np.argsort(-counts, kind="stable") if counts[code] >= enough][:MAX_LEVELS]
        levels = sorted(cells.values[code] for code in frequent)
        other = bool(len(frequent) < np.count_nonzero(counts))
        most = cells.values[frequent[0]] if fill and frequent else None
        return cls(name, tuple(levels), other, cells.missing > 0 and most is None, most, numbers)

    @property
    def features(self) -> tuple[str, ...]:
        one_hot = (f"{self.name}={level}" for level in self.levels)
        rest = [f"{self.name} other"] * self.other + [f"{self.name} missing"] * self.missing
        return (*one_hot, *rest, *(f"{self.name}: {name}" for name in (self.numbers.names if self.numbers else ())))

    @property
    def measured(self) -> tuple[bool, ...]:
        return (False,) * self._width + (True,) * (len(self.features) - self._width)

    @property
    def known_texts(self) -> tuple[str, ...]:
        return (*self.levels, *(self.numbers.levels if self.numbers else ()))

    @property
    def beyond(self) -> str:
        return "Other categories count as rare ones, or are ignored."

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, levels + other + missing + numbers)`; categories are not interpolated.

        A new level counts as other, or is all zeros without `other`; a missing cell is all zeros without `missing`.
        """
        one_hot = self._one_hot(cells)
        if self.numbers is None:
            return one_hot
        return np.concatenate([one_hot, self.numbers.encode(cells).astype(np.float32)], axis=1)

    def encode_training(
        self, cells: Cells, targets: Floats, seed: int, groups: Indices | None = None
    ) -> NDArray[np.float32]:
        """Returns the last inputs of the training rows, the numbers of their levels, from other rows than their own.

        Args:
            cells: of the training rows, as `LevelNumbers.fit` had them.
            targets: `(N, K)`, the same.
            seed: the same.
            groups: the same.
        """
        assert self.numbers is not None
        return self.numbers.encode_training(cells, targets, seed, groups).astype(np.float32)

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells have a new level, and which are missing if none was in training."""
        levels = {*self._positions(), *self.known_texts}
        learned = np.array([value in levels for value in cells.values] + [True], dtype=bool)
        rare = self.other and self.numbers is None
        yield Oddity(f"{self.name} {'rare or new' if rare else 'new'}", ~learned[cells.codes])
        if not self.missing and self.fill is None:
            yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        rare = ", rare ones as one category" if self.other else ""
        means = ", each by its mean target" if self.numbers else ""
        gaps = ", with gaps" if self.missing else ""
        return listed([shown(level) for level in self.levels], 12) + rare + means + gaps

    def to_json(self) -> dict[str, Any]:
        stored = super().to_json()
        if self.numbers is None:
            del stored["numbers"]
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        numbers = LevelNumbers.from_json(stored["numbers"]) if "numbers" in stored else None
        values = {key: as_tuples(value) for key, value in stored.items() if key != "numbers"}
        return cls(**values, numbers=numbers)

    @property
    def _width(self) -> int:
        return len(self.levels) + self.other + self.missing

    def _positions(self) -> dict[str, int]:
        """Returns the position of each level, by its text and as it is spelled when it is read."""
        written = {level: index for index, level in enumerate(self.levels)}
        return {spell_as_read(level): index for level, index in written.items()} | written

    def _one_hot(self, cells: Cells) -> NDArray[np.float32]:
        width = self._width
        nowhere = width  # an additional column, which is dropped at the end
        other = len(self.levels) if self.other else nowhere
        position = self._positions()
        of_value = [position.get(value, other) for value in cells.values]
        absent = width - 1 if self.missing else nowhere
        of_value.append(absent if self.fill is None else position[self.fill])
        one_hot = np.zeros((len(cells.codes), width + 1), dtype=np.float32)
        one_hot[np.arange(len(cells.codes)), np.array(of_value)[cells.codes]] = 1
        return one_hot[:, :width]

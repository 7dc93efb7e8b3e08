"""The columns beside the values of a series as numbers: measured ones as they are, words as one column for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, Form, check_numbers
from dltrain.errors import DataError
from dltrain.kinds.forms import Reading, form_from_json, form_of_numbers, form_to_json

MOST_LEVELS = 40

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Covariate:
    """A column beside the values.

    Args:
        name: of the column.
        form: how its numbers are written; `None` for plain numbers.
        levels: its words, each of which has a column of its own; none where it holds numbers.
    """

    name: str
    form: Form | None = None
    levels: tuple[str, ...] = ()

    @classmethod
    def fit(cls, name: str, cells: Cells, reading: Reading, key: str) -> Covariate:
        """Returns how a column is read.

        Args:
            name: of the column.
            cells: as written.
            reading: of the file.
            key: of the config that names the column.

        Raises:
            DataError: it holds nothing, or many words.
        """
        numbers = form_of_numbers(name, cells, reading) if len(cells.values) else None
        if numbers is not None:
            return cls(name, numbers.form)
        if not 1 <= len(cells.values) <= MOST_LEVELS:
            what = "is empty" if not len(cells.values) else f"holds {len(cells.values):,} different words"
            raise DataError(f"the column {name!r} {what}", where=key, fix="leave it out")
        return cls(name, levels=tuple(sorted(cells.values)))

    @property
    def width(self) -> int:
        """Returns how many columns of numbers it becomes."""
        return max(1, len(self.levels))

    def encode(self, cells: Cells) -> Floats:
        """Returns numbers `(N, width)`, NaN where one is missing; a missing word is 0 in all columns.

        Raises:
            DataError: a cell is no number.
        """
        if not self.levels:
            read = cells.read_as(self.form)
            check_numbers(self.name, read, strict=True)
            return read.as_numbers()[:, None]
        place = {level: at for at, level in enumerate(self.levels)}
        codes = np.array([*(place.get(value, -1) for value in cells.values), -1])[cells.codes]
        return np.where(codes[:, None] == np.arange(len(self.levels)), 1.0, 0.0)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Covariate:
        """Returns the column that `to_json` stored."""
        return cls(str(stored["name"]), form_from_json(stored["form"]), tuple(map(str, stored["levels"])))

    def to_json(self) -> dict[str, Any]:
        """Returns what `from_json` reads."""
        return {"name": self.name, "form": form_to_json(self.form), "levels": list(self.levels)}

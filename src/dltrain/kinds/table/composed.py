"""The encoder of columns whose cells are composed of several numbers, such as 3室2厅 or 1920x1080."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cell_parts import Parts
from dltrain.data.cells import Cells, read_cells
from dltrain.data.splits import Indices
from dltrain.kinds.table.categorical import CategoricalEncoder
from dltrain.kinds.table.column_encoder import ColumnEncoder, Oddity
from dltrain.kinds.table.numeric import NumericEncoder


@dataclass(frozen=True)
class ComposedEncoder(ColumnEncoder):
    """A column of composed cells: each part is encoded as a column of its own.

    Args:
        name: the name of the column.
        parts: how its cells are composed.
        encoders: of the parts, numbers or categories.
    """

    role: ClassVar[str] = "parts"

    name: str
    parts: Parts
    encoders: tuple[NumericEncoder | CategoricalEncoder, ...]

    @classmethod
    def fit(
        cls, name: str, cells: Cells, parts: Parts, fit_numbers: Callable[[str, Cells], NumericEncoder]
    ) -> ComposedEncoder:
        """Returns an encoder fitted to the cells of the training rows.

        Args:
            name: of the column.
            cells: of the training rows.
            parts: how they are composed.
            fit_numbers: returns the encoder of a part that is a number, from its name and cells.
        """
        encoders = []
        for part, of_part in zip(parts.parts, split_cells(cells, parts), strict=True):
            named = f"{name} {part.suffix}"
            is_number = part.kind == "number"
            encoders.append(fit_numbers(named, of_part) if is_number else CategoricalEncoder.fit(named, of_part))
        return cls(name, parts, tuple(encoders))

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(feature for encoder in self.encoders for feature in encoder.features)

    @property
    def measured(self) -> tuple[bool, ...]:
        return tuple(measured for encoder in self.encoders for measured in encoder.measured)

    @property
    def beyond(self) -> str:
        return next((encoder.beyond for encoder in self.encoders if encoder.beyond), "")

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns the inputs of all parts, `(N, inputs)`."""
        each = zip(self.encoders, split_cells(cells, self.parts), strict=True)
        return np.concatenate([encoder.encode(of_part, interpolate_from) for encoder, of_part in each], axis=1)

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are composed otherwise, and what is odd about the parts of the others."""
        parts = split_cells(cells, self.parts)
        otherwise = (cells.codes >= 0) & (parts[0].codes < 0)
        yield Oddity(f"{self.name} is not composed as in training", otherwise)
        for encoder, of_part in zip(self.encoders, parts, strict=True):
            for oddity in encoder.find_oddities(of_part):
                yield oddity._replace(rows=oddity.rows & ~otherwise)

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        described, first = [], 0
        for encoder, part in zip(self.encoders, self.parts.parts, strict=True):
            stop = first + len(encoder.features)
            described.append(f"{part.suffix}: {encoder.describe(bins[first:stop])}")
            first = stop
        return "; ".join(described)

    def to_json(self) -> dict[str, Any]:
        encoders = [{"kind": encoder.role, **encoder.to_json()} for encoder in self.encoders]
        return {"name": self.name, "parts": self.parts.to_json(), "encoders": encoders}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        encoders: list[NumericEncoder | CategoricalEncoder] = []
        for entry in stored["encoders"]:
            values = {key: value for key, value in entry.items() if key != "kind"}
            numeric = entry["kind"] == NumericEncoder.role
            encoders.append(NumericEncoder.from_json(values) if numeric else CategoricalEncoder.from_json(values))
        return cls(stored["name"], Parts.from_json(stored["parts"]), tuple(encoders))


def split_cells(cells: Cells, parts: Parts) -> list[Cells]:
    """Returns the cells of each part; missing where a cell is missing or composed otherwise."""
    columns = parts.split(list(cells.values))
    at = np.where(cells.codes < 0, len(cells.values), cells.codes)  # behind the last value there is a missing one
    return [read_cells(pd.Series([*column, None]).iloc[at].set_axis(cells.rows)) for column in columns]

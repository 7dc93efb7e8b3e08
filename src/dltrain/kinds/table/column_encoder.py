"""What the encoders of a table's columns share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, read_cells
from dltrain.data.splits import Indices

Floats = NDArray[np.float64]


class Oddity(NamedTuple):
    """A remark about cells of a column that differ from the training rows.

    Args:
        what: the remark, with the column's name.
        rows: `(N,)` which of the cells it is about.
        with_cell: whether the cell's text is part of it; not if the cell is missing.
    """

    what: str
    rows: NDArray[np.bool_]
    with_cell: bool = True


class ColumnEncoder:
    """The base class of the encoders of columns, which are frozen dataclasses of values that JSON can hold.

    Attributes:
        role: names the class in facts.json.
        name: the name of the column.
    """

    role: ClassVar[str]
    name: str

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the names of the inputs, in their order."""
        raise NotImplementedError

    @property
    def measured(self) -> tuple[bool, ...]:
        """Tells for each input whether it is a measured number, which models may cut into bins."""
        return (False,) * len(self.features)

    @property
    def known_texts(self) -> tuple[str, ...]:
        """Returns the texts that are told apart; none if a column is not read as texts."""
        return ()

    @property
    def linear_scale(self) -> tuple[float, float] | None:
        """Returns mean and standard deviation if the only input is a linear function of the cell; else `None`."""
        return None

    @property
    def beyond(self) -> str:
        """Returns a sentence on what happens to values that training did not have."""
        return ""

    def read(self, column: pd.Series[Any]) -> Cells:
        """Returns the cells of a column of new rows, read as those of the training were."""
        return read_cells(column)

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns the inputs of any rows, `(N, inputs)`.

        Args:
            cells: the cells of the rows.
            interpolate_from: positions of the rows from which gaps may be interpolated; `None` for all rows.
        """
        raise NotImplementedError

    def decode(self, x: Floats) -> Floats:
        """Returns the only input `(N,)` in the column's own unit, where it is a number."""
        return x

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells differ from those of the training, and how."""
        yield from ()

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        """Returns the values that training had, in words; empty if unknown.

        Args:
            bins: for each input the edges of its bins, empty where it has none.
        """
        return ""

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `from_json` reads."""
        return _as_lists(asdict(self))  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the encoder of values that `to_json` returned.

        Raises:
            TypeError: a value is missing or unknown.
        """
        return cls(**{key: as_tuples(value) for key, value in stored.items()})


def as_tuples(value: Any) -> Any:
    """Returns JSON's lists as tuples, lists of lists too."""
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def _as_lists(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return list(map(_as_lists, value))
    return {key: _as_lists(item) for key, item in value.items()} if isinstance(value, Mapping) else value

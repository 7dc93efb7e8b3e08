"""New rows of a table, as a model that was trained on others takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import CategoricalEncoder, Cells, name_list, nearest, read_cells, shorten
from dltrain.errors import DataError
from dltrain.kinds.labels import target_of_rows
from dltrain.kinds.table.encoding import TableEncoder
from dltrain.kinds.table.numeric import NumericEncoder
from dltrain.types import Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

ROUNDING = 1e-6  # by how much, relatively, a number of 32 bits may lie outside a range it belongs to


@dataclass(frozen=True)
class RowEncoder:
    """Encodes rows by what the training rows taught, whatever the order of their columns, and says what is odd."""

    facts: Facts
    table: TableEncoder
    suffixes: frozenset[str] = frozenset()
    takes_rows: bool = True
    prepare: None = None

    @classmethod
    def of(cls, facts: Facts) -> RowEncoder:
        """The encoder that the facts describe.

        Raises:
            DataError: they do not say how columns became inputs.
        """
        said = facts.preprocessing
        try:
            if "columns" in said:
                return cls(facts, TableEncoder.from_json(said))
            return cls(facts, _scaled_alike(facts))
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how columns become inputs", fix="train again") from None

    @property
    def apart(self) -> bool:
        return not any(isinstance(column, NumericEncoder) and column.interpolate for column in self.table.columns)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.table.columns]

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame, or an array `(N, columns)` in the order of training.

        Raises:
            DataError: it has none of the columns, or text where numbers are due.
        """
        frame = self._frame(raw)
        cells = {name: read_cells(frame[name]) for name in self.names if name in frame.columns}
        if not cells:
            close = nearest(self.names[0], frame.columns)
            raise DataError(
                f"the table has none of the columns that the model was trained on: {name_list(self.names, 8)}",
                fix=f"is {close[0]!r} meant by {self.names[0]!r}? rename it in the file"
                if close
                else f"its columns are {name_list(frame.columns, 8)}: is this the right file, with a header line?",
            )
        empty = Cells(np.full(len(frame), -1), (), np.empty(0), np.arange(len(frame)))
        x = self.table.encode_cells({name: cells.get(name, empty) for name in self.names})
        ids = tuple(map(str, frame.index.tolist()))
        return Encoded((torch.from_numpy(x),), ids, self._remarks(cells, frame))

    def targets(self, raw: Raw, /) -> Tensor:
        return target_of_rows(self.facts, self._frame(raw))

    def _frame(self, raw: Raw) -> pd.DataFrame:
        if isinstance(raw, pd.DataFrame):
            return raw.set_axis([str(name).strip() for name in raw.columns], axis="columns")
        if isinstance(raw, np.ndarray):
            if raw.ndim != 2 or raw.shape[1] != len(self.names):
                raise DataError(
                    f"an array of shape {raw.shape}, where the model takes (N, {len(self.names)})",
                    fix=f"give a column each for {name_list(self.names, 8)}",
                )
            return pd.DataFrame(raw, columns=self.names)
        raise DataError("files where a table is due: the model was trained on rows of a table", fix="give a table")

    def _remarks(self, cells: dict[str, Cells], frame: pd.DataFrame) -> tuple[tuple[Remark, ...], ...]:
        found: list[tuple[Remark, ...]] = [()] * len(frame)
        for column in self.table.columns:
            if column.name not in cells:
                close = nearest(column.name, [name for name in frame.columns if name not in self.names])
                absent = Remark(f"no column {column.name}" + (f" (is it {close[0]}?)" if close else ""))
                found = [(*remarks, absent) for remarks in found]
                continue
            for what, odd, shown in _odd(column, cells[column.name]):
                for row in np.flatnonzero(odd).tolist():
                    value = shown and shorten(cells[column.name].values[cells[column.name].codes[row]], 40)[1:-1]
                    found[row] = (*found[row], Remark(what, value))
        return tuple(found)


def _odd(column: NumericEncoder | CategoricalEncoder, cells: Cells) -> Iterator[tuple[str, NDArray[np.bool_], str]]:
    """Each oddity of a column: its words, the rows `(N,)` that have it, and whether a cell is worth showing."""
    if isinstance(column, NumericEncoder):
        foreseen = column.indicator or column.interpolate
        if column.seen is not None:
            low, high = column.seen
            x, reach = cells.as_numbers(), ROUNDING * max(abs(low), abs(high))
            beyond = (x < low - reach) | (x > high + reach)
            yield f"{column.name} outside {low:g} to {high:g}", beyond, "cell"
    else:
        foreseen = column.missing or column.fill is not None
        learned = np.array([value in column.levels for value in cells.values] + [True], dtype=bool)
        word = "rare or new" if column.other else "new"
        yield f"{column.name} {word}", ~learned[cells.codes], "cell"
    if not foreseen:
        yield f"{column.name} missing", cells.codes < 0, ""


def _scaled_alike(facts: Facts) -> TableEncoder:
    """The encoder of data from a formula, whose facts hold `mean` and `std` of every feature, or neither."""
    said: Any = facts.preprocessing
    (count,) = facts.input_shape
    names = facts.features or tuple(f"x{number}" for number in range(count))
    mean, std = said.get("mean", [0.0] * count), said.get("std", [1.0] * count)
    ends: Any = zip(said["low"], said["high"], strict=True) if "low" in said else [None] * count
    columns = [
        NumericEncoder(name, None, False, mean=m, std=s, seen=seen)
        for name, m, s, seen in zip(names, mean, std, ends, strict=True)
    ]
    return TableEncoder(tuple(columns))

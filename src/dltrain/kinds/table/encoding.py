"""Turns the columns of a table into a model's inputs, and keeps what that takes as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import CategoricalEncoder, Cells, Column, name_list, nearest, read_cells
from dltrain.errors import DataError
from dltrain.kinds.table.numeric import Impute, Numeric, NumericEncoder, bin_edges
from dltrain.types import Facts


@dataclass(frozen=True)
class TableEncoder:
    """Turns raw columns into a model's inputs by what the training split taught."""

    columns: tuple[NumericEncoder | CategoricalEncoder, ...]

    @classmethod
    def fit(
        cls,
        table: Mapping[str, Cells],
        columns: Sequence[Column],
        *,
        numeric: Numeric = "quantile",
        impute: Impute = "median",
        limits: Mapping[str, tuple[float, float]] | None = None,
    ) -> TableEncoder:
        """Fits on the training rows; `columns` that are dropped stay out, numbers beyond `limits` count as those."""
        limits = limits or {}
        return cls(
            tuple(
                NumericEncoder.fit(
                    column.name, table[column.name], numeric=numeric, impute=impute, limits=limits.get(column.name)
                )
                if column.role == "numeric"
                else CategoricalEncoder.fit(column.name, table[column.name], fill=impute == "most_frequent")
                for column in columns
                if column.role != "dropped"
            )
        )

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(feature for column in self.columns for feature in column.features)

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Encodes rows `(N, F)` float32; the frame may hold other columns too.

        Raises:
            DataError: a column is not there, or a numeric one holds what is no finite number.
        """
        frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
        for column in self.columns:
            if column.name not in frame.columns:
                close = nearest(column.name, frame.columns)
                raise DataError(
                    f"the table has no column {column.name!r}, which the model was trained on",
                    fix=f"rename {close[0]!r}" if close else f"its columns are {name_list(frame.columns)}",
                )
        return self.encode_cells({column.name: read_cells(frame[column.name]) for column in self.columns})

    def encode_cells(self, table: Mapping[str, Cells], known: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Encodes columns that are read already, `(N, F)`; only `known` rows say what lies between them."""
        return np.concatenate(
            [
                column.encode(table[column.name], known)
                if isinstance(column, NumericEncoder)
                else column.encode(table[column.name])
                for column in self.columns
            ],
            axis=1,
        )

    def bins(self, x: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
        """Edges of the bins of each input by the encoded training rows `(N, F)`; none for what is no number."""
        found: list[tuple[float, ...]] = []
        for column in self.columns:
            rest = len(column.features)
            if isinstance(column, NumericEncoder):
                found.append(tuple(bin_edges(x[:, len(found)]).tolist()))
                rest -= 1
            found += [()] * rest
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Returns lists, dictionaries, strings and numbers only."""
        kinds = {NumericEncoder: "numeric", CategoricalEncoder: "categorical"}
        entries = [{"kind": kinds[type(column)], **asdict(column)} for column in self.columns]
        return {
            "columns": [
                {key: list(value) if isinstance(value, tuple) else value for key, value in entry.items()}
                for entry in entries
            ]
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TableEncoder:
        """Reads what `to_json` returned."""
        encoders = {"numeric": NumericEncoder, "categorical": CategoricalEncoder}
        return cls(
            tuple(
                encoders[entry["kind"]](
                    **{
                        key: tuple(value) if isinstance(value, list) else value
                        for key, value in entry.items()
                        if key != "kind"
                    }
                )
                for entry in stored["columns"]
            )
        )


def source_columns(facts: Facts) -> dict[str, list[int]]:
    """Returns the inputs that were made of each column of the source; without an encoder each input is its own."""
    if not facts.preprocessing.get("columns"):
        names = facts.features or tuple(f"x{number}" for number in range(facts.input_shape[0]))
        return {name: [number] for number, name in enumerate(names)}
    found: dict[str, list[int]] = {}
    start = 0
    for column in TableEncoder.from_json(facts.preprocessing).columns:
        stop = start + len(column.features)
        found[column.name] = list(range(start, stop))
        start = stop
    return found

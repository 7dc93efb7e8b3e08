"""New pairs of a user and an item, as a recommender takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.data.cells import name_list, nearest, read_cells
from dltrain.errors import DataError
from dltrain.kinds.labels import target_of_rows
from dltrain.types import Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw


@dataclass(frozen=True)
class PairEncoder:
    """Encodes users and items by their ids; one that was not trained on becomes 0, and is remarked."""

    facts: Facts
    suffixes: frozenset[str] = frozenset()
    takes_rows: bool = True
    apart: bool = True
    prepare: None = None

    @classmethod
    def of(cls, facts: Facts) -> PairEncoder:
        """The encoder that the facts describe.

        Raises:
            DataError: they do not say which users and items there were.
        """
        if not {"user", "item", "users", "items"} <= set(facts.preprocessing):
            raise DataError("facts.json does not say which users and items there were", fix="train again")
        return cls(facts)

    @cached_property
    def ids(self) -> tuple[tuple[str, pd.Index[Any]], ...]:
        """The column's name and the known ids, of users and of items; the first has index 1."""
        said = self.facts.preprocessing
        return ((said["user"], pd.Index(said["users"])), (said["item"], pd.Index(said["items"])))

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with both columns, or an array `(N, 2)` of ids.

        Raises:
            DataError: it lacks a column.
        """
        frame = self._frame(raw)
        inputs: list[Tensor] = []
        remarks: list[tuple[Remark, ...]] = [()] * len(frame)
        for name, known in self.ids:
            if name not in frame.columns:
                close = nearest(name, frame.columns)
                raise DataError(
                    f"the table has no column {name!r}, which the model was trained on",
                    fix=f"rename {close[0]!r}" if close else f"its columns are {name_list(frame.columns, 8)}",
                )
            cells = read_cells(frame[name])
            index = np.append(known.get_indexer(pd.Index(cells.values, dtype=object)) + 1, 0)[cells.codes]
            inputs.append(torch.from_numpy(index.astype(np.int64)))
            for row in np.flatnonzero(index == 0).tolist():
                value = cells.values[cells.codes[row]] if cells.codes[row] >= 0 else ""
                remarks[row] = (*remarks[row], Remark(f"{name} {'new' if value else 'missing'}", value))
        return Encoded(tuple(inputs), tuple(map(str, frame.index.tolist())), tuple(remarks))

    def targets(self, raw: Raw, /) -> Tensor:
        """The column of ratings, as in `Split`; of an order, to which all pairs are alike, 1.

        Raises:
            DataError: there is no such column, or it holds no number.
        """
        if self.facts.task == "ranking":
            return torch.ones(len(self._frame(raw)), 1, dtype=torch.float64)
        return target_of_rows(self.facts, self._frame(raw))

    def _frame(self, raw: Raw) -> pd.DataFrame:
        if isinstance(raw, pd.DataFrame):
            return raw.set_axis([str(name).strip() for name in raw.columns], axis="columns")
        if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] == 2:
            return pd.DataFrame(raw, columns=[name for name, _ in self.ids])
        if isinstance(raw, Sequence):
            raise DataError("files where a table is due: the model was trained on ratings", fix="give a table")
        raise DataError(f"an array of shape {raw.shape}, where the model takes (N, 2): users and items")

"""Pairs of a user and an item as a recommender takes them, in training and in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import Cells, check_numbers, name_list, nearest, read_cells
from dltrain.errors import DataError
from dltrain.types import Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

Ids = NDArray[np.object_]


@dataclass(frozen=True)
class PairEncoder:
    """Encodes users and items by their ids, counted from 1; an id that was not trained on becomes 0, and is remarked.

    Args:
        user: name of the column of users.
        item: name of the column of items.
        users: ids in the order of their indices.
        items: likewise.
        split: how ratings were divided.
        rating: name of the column of ratings; empty where items are put in order, whatever rating they were given.
        negatives: where items are put in order, how many others each chosen one is held against; else 0.
        titles: of the items, an empty text where there is none; empty without a file of titles.
    """

    user: str
    item: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    split: str
    rating: str = ""
    negatives: int = 0
    titles: tuple[str, ...] = ()

    suffixes: ClassVar[frozenset[str]] = frozenset()
    takes_rows: ClassVar[bool] = True
    apart: ClassVar[bool] = True
    prepare: ClassVar[None] = None

    @classmethod
    def fit(
        cls,
        pairs: pd.DataFrame,
        columns: Mapping[Any, str],
        *,
        split: str,
        negatives: int = 0,
        titles: Mapping[str, str] | None = None,
    ) -> PairEncoder:
        """Learns which users and items there are.

        Args:
            pairs: the training pairs, with columns `user` and `item`.
            columns: what the file calls the columns `user`, `item` and, where ratings are predicted, `target`.
            split: how ratings were divided.
            negatives: as in the class.
            titles: of items, by their ids.
        """
        items = tuple(pairs["item"].unique().tolist())
        return cls(
            user=columns["user"],
            item=columns["item"],
            users=tuple(pairs["user"].unique().tolist()),
            items=items,
            split=split,
            rating=columns.get("target", ""),
            negatives=negatives,
            titles=tuple(titles.get(item, "") for item in items) if titles else (),
        )

    @classmethod
    def of(cls, facts: Facts) -> PairEncoder:
        """Returns the encoder that the facts describe.

        Raises:
            DataError: they do not say which users and items there were.
        """
        stored, ranking = facts.preprocessing, facts.task == "ranking"
        try:
            encoder = cls(
                user=str(stored["user"]),
                item=str(stored["item"]),
                users=tuple(stored["users"]),
                items=tuple(stored["items"]),
                split=str(stored.get("split", "random")),
                rating="" if ranking else facts.target,
                negatives=int(stored["negatives"]) if ranking else 0,
                titles=tuple(stored.get("titles", ())),
            )
            if encoder.sizes != facts.vocab_sizes or len(encoder.titles) not in (0, len(encoder.items)):
                raise ValueError(encoder.sizes)
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say which users and items there were", fix="train again") from None
        return encoder

    def to_json(self) -> dict[str, Any]:
        """Returns what the facts of a run hold of it, beside the name of the target."""
        stored = {
            "user": self.user,
            "item": self.item,
            "users": list(self.users),
            "items": list(self.items),
            "split": self.split,
        }
        return (
            stored
            | ({"negatives": self.negatives} if self.negatives else {})
            | ({"titles": list(self.titles)} if self.titles else {})
        )

    @property
    def ranks_items(self) -> bool:
        """Returns whether items are put in order, whatever rating they were given."""
        return self.negatives > 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Returns how many indices users and items have, with 0, which is whoever else there is."""
        return len(self.users) + 1, len(self.items) + 1

    @cached_property
    def _user_index(self) -> pd.Index[Any]:
        return pd.Index(self.users, dtype=object)

    @cached_property
    def _item_index(self) -> pd.Index[Any]:
        return pd.Index(self.items, dtype=object)

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with both columns, or an array `(N, 2)` of ids.

        Raises:
            DataError: it lacks a column.
        """
        frame = self._frame(raw)
        ids = {name: read_ids(self._cells(frame, name)) for name in (self.user, self.item)}
        inputs = self.encode_users(ids[self.user]), self.encode_items(ids[self.item])
        remarks: list[tuple[Remark, ...]] = [()] * len(frame)
        for name, indices in zip(ids, inputs, strict=True):
            for row in torch.nonzero(indices == 0).flatten().tolist():
                value = ids[name][row]
                remarks[row] = (*remarks[row], Remark(f"{name} {'new' if value else 'missing'}", value))
        return Encoded(inputs, tuple(map(str, frame.index.tolist())), tuple(remarks))

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the column of ratings `(N, 1)`, NaN where one is missing; 1 where items are put in order.

        Raises:
            DataError: there is no such column, or it holds no number.
        """
        frame = self._frame(raw)
        if self.ranks_items:
            return self.encode_ratings(np.ones(len(frame)))
        cells = self._cells(frame, self.rating)
        check_numbers(self.rating, cells, strict=True)
        return self.encode_ratings(cells.as_numbers())

    def encode_users(self, ids: Iterable[str]) -> Tensor:
        """Returns the index of each user, `(N,)` int64; 0 for one that was not trained on."""
        return torch.from_numpy(self._user_index.get_indexer(_as_index(ids)).astype(np.int64) + 1)

    def encode_items(self, ids: Iterable[str]) -> Tensor:
        """Returns the index of each item, `(N,)` int64; 0 for one that was not trained on."""
        return torch.from_numpy(self._item_index.get_indexer(_as_index(ids)).astype(np.int64) + 1)

    def encode_ratings(self, ratings: NDArray[np.float64]) -> Tensor:
        """Returns ratings `(N,)` as targets, `(N, 1)` float64."""
        return torch.tensor(ratings, dtype=torch.float64)[:, None]

    def _frame(self, raw: Raw) -> pd.DataFrame:
        if isinstance(raw, pd.DataFrame):
            return raw.set_axis([str(name).strip() for name in raw.columns], axis="columns")
        if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] == 2:
            return pd.DataFrame(raw, columns=[self.user, self.item])
        if isinstance(raw, Sequence):
            raise DataError("files where a table is due: the model was trained on ratings", fix="give a table")
        raise DataError(f"an array of shape {raw.shape}, where the model takes (N, 2): users and items")

    def _cells(self, frame: pd.DataFrame, name: str) -> Cells:
        if name in frame.columns:
            return read_cells(frame[name])
        close = nearest(name, frame.columns)
        rename = f"rename {close[0]!r}" if close else ""
        if name == self.rating:
            raise DataError(
                f"the table has no column {name!r}, which the model predicts",
                where="data.path",
                fix=rename or "give labelled data; without labels, dltrain predict is enough",
            )
        raise DataError(
            f"the table has no column {name!r}, which the model was trained on",
            fix=rename or f"its columns are {name_list(frame.columns, 8)}",
        )


def read_ids(cells: Cells) -> Ids:
    """Returns the text of each cell, `(N,)`; an empty one where a cell is missing."""
    return np.array([*cells.values, ""], dtype=object)[cells.codes]


def _as_index(ids: Iterable[str]) -> pd.Index[Any]:
    return pd.Index(ids if isinstance(ids, np.ndarray) else list(ids), dtype=object)

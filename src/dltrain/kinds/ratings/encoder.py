"""The encoder of pairs of a user and an item for recommenders, in training and in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import Cells, check_numbers, name_list, nearest, read_cells
from dltrain.errors import DataError
from dltrain.kinds.ratings.columns import with_plain_names
from dltrain.kinds.ratings.features import Features
from dltrain.kinds.ratings.lists import split_lists
from dltrain.kinds.ratings.matrix import Layout, melt
from dltrain.kinds.ratings.own_forms import read_own_form
from dltrain.kinds.ratings.spelled import read_spelled
from dltrain.kinds.ratings.unrated import without
from dltrain.tasks.ranking import Ranking
from dltrain.tasks.registry import is_known, task_class
from dltrain.types import Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

Ids = NDArray[np.object_]


@dataclass(frozen=True)
class PairEncoder:
    """Encodes users and items as numbers from 1; an id that training did not have becomes 0 and gets a remark.

    Args:
        user: the name of the column of users.
        item: the name of the column of items.
        users: the users' ids in the order of their indices.
        items: the items' ids in the order of their indices.
        split: how ratings were split.
        rating: the name of the column of ratings; empty if items are ranked, whatever their ratings.
        negatives: the number of negatives for each chosen item if items are ranked; else 0.
        titles: the items' titles, an empty text for an item without one; empty without a file of titles.
        unrated: numbers among the ratings that mean "not rated".
        layout: of tables: a row for each pair, or a matrix.
        has_header: whether the training table named its columns.
        features: of the items.
        user_features: of the users.
        trained: the number of users with training ratings, the first ones; 0 for all of them.
        ordered: whether it is known which of a user's choices came first.
        spelling: how ratings were spelled in training, such as `of 5`; empty for plain numbers.
        marks: the name of the column whose numbers `unrated` mark rows that are no choices, if items are ranked.
        count: what weighs the training choices, a column of counts or `rows`; empty if nothing does.
    """

    user: str
    item: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    split: str
    rating: str = ""
    negatives: int = 0
    titles: tuple[str, ...] = ()
    unrated: tuple[float, ...] = ()
    layout: Layout = "pairs"
    has_header: bool = True
    features: Features = Features()  # noqa: RUF009 - it is frozen
    user_features: Features = Features()  # noqa: RUF009
    trained: int = 0
    ordered: bool = True
    spelling: str = ""
    marks: str = ""
    count: str = ""

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
        unrated: tuple[float, ...] = (),
        layout: Layout = "pairs",
        has_header: bool = True,
        spelling: str = "",
    ) -> PairEncoder:
        """Returns an encoder with the users and items of the training pairs.

        Args:
            pairs: the training pairs, with columns `user` and `item`.
            columns: the file's names of the columns `user`, `item` and, if ratings are predicted, `target`.
            split: how ratings were split.
            negatives: as in the class.
            titles: the titles of items, by their ids.
            unrated: as in the class.
            layout: likewise.
            has_header: likewise.
            spelling: likewise.
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
            unrated=unrated,
            layout=layout,
            has_header=has_header,
            spelling=spelling,
        )

    @classmethod
    def of(cls, facts: Facts) -> PairEncoder:
        """Returns the encoder that the facts describe.

        Raises:
            DataError: the facts do not name the users and items.
        """
        stored, ranking = facts.preprocessing, ranks_items(facts)
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
                unrated=tuple(map(float, stored.get("unrated", ()))),
                layout=cast(Layout, str(stored.get("layout", "pairs"))),
                has_header=bool(stored.get("has_header", True)),
                features=Features.from_json(stored, "item"),
                user_features=Features.from_json(stored, "user"),
                trained=int(stored.get("trained", 0)),
                ordered=bool(stored.get("ordered", True)),
                spelling=str(stored.get("spelling", "")),
                marks=str(stored.get("marks", "")),
                count=str(stored.get("count", "")),
            )
            if encoder.sizes != facts.vocab_sizes or len(encoder.titles) not in (0, len(encoder.items)):
                raise ValueError(encoder.sizes)
            if encoder.layout not in get_args(Layout) or not encoder.features.fits(len(encoder.items)):
                raise ValueError(encoder.layout)
            if not encoder.user_features.fits(len(encoder.users)) or encoder.trained > len(encoder.users):
                raise ValueError(encoder.trained)
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not name the users and items of training", fix="train again") from None
        return encoder

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts, except the name of the target."""
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
            | ({"unrated": list(self.unrated)} if self.unrated else {})
            | ({"layout": self.layout} if self.layout != "pairs" else {})
            | ({} if self.has_header else {"has_header": False})
            | ({} if self.ordered else {"ordered": False})
            | ({"spelling": self.spelling} if self.spelling else {})
            | ({"marks": self.marks} if self.marks else {})
            | ({"count": self.count} if self.count else {})
            | ({"trained": self.trained} if self.trained else {})
            | self.features.to_json("item")
            | self.user_features.to_json("user")
        )

    @property
    def ranks_items(self) -> bool:
        """Tells whether items are ranked, whatever their ratings."""
        return self.negatives > 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Returns the number of indices of users and of items, with 0 for all that training did not have."""
        return len(self.users) + 1, len(self.items) + 1

    @cached_property
    def _user_index(self) -> pd.Index[Any]:
        return pd.Index(self.users, dtype=object)

    @cached_property
    def _item_index(self) -> pd.Index[Any]:
        return pd.Index(self.items, dtype=object)

    def read_table(self, path: Path) -> pd.DataFrame | None:
        """Returns the ratings of a file that is no table, with the columns as training named them; None for a table."""
        read = read_own_form(str(path))
        if read is None:
            return None
        frame, names = read[0], {"user": self.user, "item": self.item, "rating": self.rating or "rating"}
        return frame if {self.user, self.item} <= set(frame.columns) else frame.rename(columns=names)

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with both columns, or an array `(N, 2)` of ids.

        Raises:
            DataError: a column is missing.
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
        """Returns the ratings `(N, 1)`, NaN for a missing one; 1 for a choice if items are ranked.

        Raises:
            DataError: the column is missing, or contains something other than numbers.
        """
        frame = self._frame(raw)
        if self.ranks_items and self.marks not in frame.columns:
            counts = self._cells(frame, self.count).as_numbers() if self.count in frame.columns else np.ones(len(frame))
            return self.encode_ratings(np.where(counts == 0, np.nan, 1.0))
        name = self.marks if self.ranks_items else self.rating
        cells = self._cells(frame, name)
        spelled, spelling, note = read_spelled(frame[name])
        if spelled is None:
            check_numbers(name, cells, strict=True)
        elif spelling != self.spelling:
            trained = self.spelling or "plain numbers"
            raise DataError(f"{note}, and training had {trained}", where="data.path", fix="write ratings as there")
        ratings = without(cells.as_numbers() if spelled is None else spelled, self.unrated)
        return self.encode_ratings(np.where(np.isnan(ratings), np.nan, 1.0) if self.ranks_items else ratings)

    def encode_users(self, ids: Iterable[str]) -> Tensor:
        """Returns the index of each user, `(N,)` int64; 0 for a user that training did not have."""
        return torch.from_numpy(self._user_index.get_indexer(_as_index(ids)).astype(np.int64) + 1)

    def encode_items(self, ids: Iterable[str]) -> Tensor:
        """Returns the index of each item, `(N,)` int64; 0 for an item that training did not have."""
        return torch.from_numpy(self._item_index.get_indexer(_as_index(ids)).astype(np.int64) + 1)

    def encode_ratings(self, ratings: NDArray[np.float64]) -> Tensor:
        """Returns ratings `(N,)` as targets, `(N, 1)` float64."""
        return torch.tensor(ratings, dtype=torch.float64)[:, None]

    def _frame(self, raw: Raw) -> pd.DataFrame:
        if isinstance(raw, pd.DataFrame):
            frame = with_plain_names(raw)
            if self.layout != "pairs" and not {self.user, self.item} <= set(frame.columns):
                return melt(frame, self.layout)[0]
            lists = self.ranks_items and {self.user, self.item} <= set(frame.columns)
            return split_lists(frame, self.user, self.item)[0] if lists else frame
        if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] == 2:
            return pd.DataFrame(raw, columns=[self.user, self.item])
        if isinstance(raw, Sequence):
            raise DataError("the model takes a table instead of files: it was trained on ratings", fix="give a table")
        raise DataError(f"an array of users and items must have the shape (N, 2), and this one has {raw.shape}")

    def _cells(self, frame: pd.DataFrame, name: str) -> Cells:
        if name in frame.columns:
            return read_cells(frame[name])
        close = nearest(name, frame.columns)
        rename = f"rename {close[0]!r}" if close else ""
        if name == self.rating:
            raise DataError(
                f"the table has no column {name!r}, which the model predicts",
                where="data.path",
                fix=rename or "give labelled data, or use dltrain predict, which needs no labels",
            )
        raise DataError(
            f"the table has no column {name!r}, which the model was trained on",
            fix=rename or f"rename one of its columns in the file: {name_list(frame.columns, 8)}",
        )


def read_ids(cells: Cells) -> Ids:
    """Returns the text of each cell, `(N,)`; an empty text for a missing cell."""
    return np.array([*cells.values, ""], dtype=object)[cells.codes]


def _as_index(ids: Iterable[str]) -> pd.Index[Any]:
    return pd.Index(ids if isinstance(ids, np.ndarray) else list(ids), dtype=object)


def ranks_items(facts: Facts) -> bool:
    """Tells whether the task is to rank items, as with the built-in task or one that derives from it."""
    return is_known(facts.task) and issubclass(task_class(facts.task), Ranking)

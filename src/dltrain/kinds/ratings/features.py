"""Features of items or users, such as genres and ages: the levels of the columns of a table, each with a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, name_list, read_cells
from dltrain.kinds.labels import find_separator, lists_labels, split_labels

Of = Literal["item", "user"]
FEWEST = 2  # items or users that have a level, since one alone says no more than its item or user
BINS = 8  # of a column of numbers
MOST_SHARE = 0.5  # of distinct texts among them, above which a column holds titles or names


@runtime_checkable
class TakesItemFeatures(Protocol):
    """A model that has vectors for features of items beside those of the items."""

    def take_item_features(self, features: Sequence[Sequence[int]]) -> None:
        """Adds them: the numbers of the features, from 1, of each item, from item 0, which has none."""
        ...


@runtime_checkable
class TakesUserFeatures(Protocol):
    """A model that has vectors for features of users beside those of the users."""

    def take_user_features(self, features: Sequence[Sequence[int]], trained: int) -> None:
        """Adds them, as `take_item_features` does, where only the first `trained` users have training samples."""
        ...


@dataclass(frozen=True)
class Features:
    """The features of items, or of users.

    Args:
        names: of the features, such as `genres=Drama`, in the order of their numbers from 1.
        of_each: the numbers of the features of each item or user, in their order.
    """

    names: tuple[str, ...] = ()
    of_each: tuple[tuple[int, ...], ...] = ()

    def fits(self, count: int) -> bool:
        """Tells whether these may be the features of so many items or users."""
        numbers = {number for each in self.of_each for number in each}
        return len(self.of_each) in (0, count) and numbers <= set(range(1, len(self.names) + 1))

    def to_json(self, of: Of) -> dict[str, Any]:
        """Returns the values that `from_json` reads; none without features."""
        features, names = KEYS[of]
        return {features: list(map(list, self.of_each)), names: list(self.names)} if self.names else {}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], of: Of) -> Features:
        """Returns the features that `to_json` stored; other keys are ignored."""
        features, names = KEYS[of]
        of_each = tuple(tuple(map(int, numbers)) for numbers in stored.get(features, ()))
        return cls(tuple(map(str, stored.get(names, ()))), of_each)


KEYS: Mapping[Of, tuple[str, str]] = {
    "item": ("item_features", "feature_names"),
    "user": ("user_features", "user_feature_names"),
}


def find_features(
    frame: pd.DataFrame, ids: str, items: Sequence[str], of: Of = "item", taken: Collection[str] = ()
) -> tuple[Features, list[str]]:
    """Returns the features of items or users by the columns of their table, and notes.

    Lists of labels have a feature for each label, numbers one for each of a few bins, other texts one for each; columns
    of titles, links and other texts that are different for most of them have none.

    Args:
        frame: a table of items or users.
        ids: the column that holds their ids.
        items: the ids, in the order of their numbers.
        of: whether they are items or users.
        taken: columns that hold no features.
    """
    rows = {item: row for row, item in enumerate(read_cells(frame[ids]).or_else([""] * len(frame))) if item}
    known = [rows.get(item, -1) for item in items]
    named: list[list[str]] = [[] for _ in items]
    used: list[str] = []
    unused: list[str] = []
    for name in map(str, frame.columns):
        if name == ids or name in taken:
            continue
        levels = _levels(name, read_cells(frame[name]))
        (used if any(levels) else unused).append(name)
        for features, row in zip(named, known, strict=True):
            features += levels[row] if row >= 0 else []
    counts = Counter(feature for features in named for feature in features)
    names = tuple(sorted(feature for feature, count in counts.items() if count >= FEWEST))
    number = {feature: at for at, feature in enumerate(names, 1)}
    of_item = tuple(tuple(number[feature] for feature in features if feature in number) for features in named)
    notes = [f"{len(names)} features of {of}s, of {name_list(used, 10)}: {sum(map(bool, of_item)):,} {of}s have some"]
    notes += [f"no features: {name_list(unused, 10)}, different for most {of}s"] if unused else []
    return Features(names, of_item), notes


def _levels(name: str, cells: Cells) -> list[list[str]]:
    """Returns the features in each cell of a column."""
    if not len(cells.values):
        return [[] for _ in cells.codes]
    if cells.all_numbers and len(cells.values) > BINS:
        numbers = cells.as_numbers()
        edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, BINS + 1)))
        bins = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
        spans = [f"{name} {edges[at]:g} to {edges[at + 1]:g}" for at in range(len(edges) - 1)]
        return [[] if np.isnan(number) else [spans[at]] for number, at in zip(numbers, bins, strict=True)]
    mark = find_separator(cells.values) if lists_labels(cells.values) else ""
    if not mark and not cells.all_numbers and len(cells.values) > MOST_SHARE * cells.present:
        return [[] for _ in cells.codes]
    of_value = [split_labels(value, mark) if mark else [value] for value in cells.values]
    return [[f"{name}={label}" for label in of_value[code]] if code >= 0 else [] for code in cells.codes.tolist()]

"""Features of items, such as genres and years: the levels of the columns of a table of items, each with a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, name_list, read_cells
from dltrain.kinds.labels import find_separator, lists_labels, split_labels

FEWEST_ITEMS = 2  # that have a level, since one alone says no more than its item
BINS = 8  # of a column of numbers
MOST_SHARE = 0.5  # of distinct texts among the items, above which a column holds titles


@runtime_checkable
class TakesItemFeatures(Protocol):
    """A model that has vectors for features of items beside those of the items."""

    def take_item_features(self, features: Sequence[Sequence[int]]) -> None:
        """Adds them: the numbers of the features, from 1, of each item, from item 0, which has none."""
        ...


@dataclass(frozen=True)
class ItemFeatures:
    """The features of items.

    Args:
        names: of the features, such as `genres=Drama`, in the order of their numbers from 1.
        of_item: the numbers of the features of each item, in the order of the items.
    """

    names: tuple[str, ...] = ()
    of_item: tuple[tuple[int, ...], ...] = ()

    def fits(self, items: int) -> bool:
        """Tells whether these may be the features of so many items."""
        numbers = {number for each in self.of_item for number in each}
        return len(self.of_item) in (0, items) and numbers <= set(range(1, len(self.names) + 1))

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `from_json` reads; none without features."""
        return {"item_features": list(map(list, self.of_item)), "feature_names": list(self.names)} if self.names else {}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ItemFeatures:
        """Returns the features that `to_json` stored; other keys are ignored."""
        of_item = tuple(tuple(map(int, numbers)) for numbers in stored.get("item_features", ()))
        return cls(tuple(map(str, stored.get("feature_names", ()))), of_item)


def find_features(
    frame: pd.DataFrame, ids: str, items: Sequence[str], taken: Collection[str] = ()
) -> tuple[ItemFeatures, list[str]]:
    """Returns the features of items by the columns of their table, and notes.

    Lists of labels have a feature for each label, numbers one for each of a few bins, other texts one for each; columns
    of titles, links and other texts that are different for most items have none.

    Args:
        frame: a table of items.
        ids: the column that holds their ids.
        items: the ids of the items, in the order of their numbers.
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
    names = tuple(sorted(feature for feature, count in counts.items() if count >= FEWEST_ITEMS))
    number = {feature: at for at, feature in enumerate(names, 1)}
    of_item = tuple(tuple(number[feature] for feature in features if feature in number) for features in named)
    notes = [f"{len(names)} features of items, of {name_list(used, 10)}: {sum(map(bool, of_item)):,} items have some"]
    notes += [f"no features: {name_list(unused, 10)}, different for most items"] if unused else []
    return ItemFeatures(names, of_item), notes


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

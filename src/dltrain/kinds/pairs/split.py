"""Splits pairs so that no held-out source gives away its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cells import read_cells
from dltrain.data.splits import Indices, split_groups, split_indices
from dltrain.data.tokens import split_text
from dltrain.errors import DataError
from dltrain.kinds.table.rows import number_groups
from dltrain.types import SplitName

SPREAD = 0.5  # groups of the same words, as a share of the different sources, below which only equal sources stay


def split_pairs(
    sources: Sequence[str],
    column: pd.Series[Any] | None,
    name: str | None,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Returns the pairs of each split, and notes: pairs of the same words in the source stay together, in any order.

    Where most sources have the same words, only equal sources stay together.

    Args:
        sources: of all pairs.
        column: the cells of the column whose equal values stay together instead; None for none.
        name: of that column.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: fixes the division.

    Raises:
        DataError: there are too few different ones.
    """
    fractions = {"val_fraction": val_fraction, "test_fraction": test_fraction}
    if column is not None:
        codes = number_groups(read_cells(column))
        parts = split_groups(codes, "group", seed=seed, **fractions)
        return parts, [f"split by {name}: pairs with the same of its {codes.max() + 1:,} values stay together"]
    keys, what = group_keys(sources)
    codes = np.unique(np.array(keys, dtype=object), return_inverse=True)[1].astype(np.int64)
    groups = int(codes.max()) + 1
    splits = 1 + sum(fraction > 0 for fraction in fractions.values())
    if groups < splits:
        raise DataError(
            f"the pairs have {groups} different sources, too few for {splits} splits",
            where="data.path",
            fix="give more pairs",
        )
    if groups == len(codes):
        return split_indices(len(codes), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed), []
    parts = split_groups(codes, "group", seed=seed, **fractions)
    return parts, [f"pairs whose sources have {what} are in the same split: {len(codes):,} pairs, {groups:,} groups"]


def group_keys(sources: Sequence[str]) -> tuple[list[str], str]:
    """Returns what is equal for pairs that stay together, and that in words."""
    loose = [words_of(source) for source in sources]
    if len(set(loose)) >= SPREAD * len(set(sources)):
        return loose, "the same words, in any order,"
    return list(sources), "the same text"


def words_of(source: str) -> str:
    """Returns the words and marks of a source in one order, in lower case."""
    return " ".join(sorted(split_text(source, "word")))


def count_copies(keys: Mapping[SplitName, Sequence[str]]) -> dict[SplitName, int]:
    """Returns how many samples of each held-out split have the key of one in train."""
    trained = set(keys["train"])
    return {name: sum(key in trained for key in part) for name, part in keys.items() if name != "train"}

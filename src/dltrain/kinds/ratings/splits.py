"""Splits ratings into training, validation and test."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from dltrain.data.splits import Indices, split_groups, split_indices
from dltrain.errors import DataError
from dltrain.types import SPLITS, SplitName

SplitBy = Literal["random", "time", "leave_last"]


def split_ratings(
    table: pd.DataFrame, split: SplitBy, time: str | None, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Splits ratings.

    Args:
        table: columns user and item, and time if there is one.
        split: `random`, `time` or `leave_last`.
        time: the file's name of the column of times, if it has one.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none. With `leave_last` other values make no difference.
        seed: of a random split.

    Returns:
        Positions in ascending order for each split, and notes on how they were chosen.

    Raises:
        DataError: a split would be empty, or there is no column of times to split by.
    """
    if split == "random":
        return split_indices(len(table), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed), []
    if split == "time":
        if time is None:
            raise DataError(
                "there is no column of times to split by",
                where="data.time",
                fix="choose one, or split at random",
                override="data.split=random",
            )
        codes = np.unique(table["time"].to_numpy(), return_inverse=True)[1]
        parts = split_groups(codes, "time", val_fraction=val_fraction, test_fraction=test_fraction, seed=None)
        return parts, [f"split in the order of {time}: the latest ratings are the test split"]
    parts = leave_last(table, val=val_fraction > 0, test=test_fraction > 0)
    if len(parts) == 1:
        return parts, []
    last = f"each user's last rating by {time}" if time else "each user's last rating in the order of the file"
    purpose = "is for testing" if test_fraction else "is for validation"
    before = ", the one before for validation" if val_fraction and test_fraction else ""
    return parts, [f"{last} {purpose}{before}; users with too few ratings are only for training"]


def leave_last(table: pd.DataFrame, *, val: bool, test: bool) -> dict[SplitName, Indices]:
    """Returns each user's last rating for `test`, the one before for `val`; a user keeps at least one to train on.

    Raises:
        DataError: no user has enough ratings.
    """
    ordered = table.sort_values("time", kind="stable") if "time" in table else table
    groups = ordered.groupby("user", sort=False)
    from_the_end = groups.cumcount(ascending=False).reindex(table.index).to_numpy()
    count = groups["item"].transform("size").reindex(table.index).to_numpy()
    held_out: list[SplitName] = [name for name, wanted in (("test", test), ("val", val)) if wanted]  # type: ignore[misc]
    split_of = np.full(len(table), SPLITS.index("train"))
    for number, name in enumerate(held_out):
        split_of[(from_the_end == number) & (count > len(held_out))] = SPLITS.index(name)
    parts = {name: np.flatnonzero(split_of == SPLITS.index(name)) for name in SPLITS if name in ("train", *held_out)}
    if not all(map(len, parts.values())):
        raise DataError(
            f"no user has more than {len(held_out)} ratings, so that none can be held out",
            where="data.split",
            fix="split at random",
            override="data.split=random",
        )
    return parts

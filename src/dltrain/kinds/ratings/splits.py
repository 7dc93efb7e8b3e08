"""Splits ratings into training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.folds import NO_FOLDS, Folds, split_samples
from dltrain.data.splits import Indices, split_groups
from dltrain.errors import DataError
from dltrain.types import SPLITS, SplitName

SplitBy = Literal["random", "time", "user", "leave_last"]
MOST_VALIDATED = 20_000  # choices
MOST_PAIRS: Mapping[SplitName, int] = {"val": 2 * 10**9, "test": 10**10}  # of a held-out choice with each item
FEWEST_RANKED = 2_000  # choices
FEWEST_STEPS, MOSTLY = 20, 0.98  # from one rating of a user to the next, and the share that goes up


def split_ratings(
    table: pd.DataFrame,
    split: SplitBy,
    time: str | None,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    noun: str = "rating",
    in_order: bool = True,
    folds: Folds = NO_FOLDS,
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Splits ratings.

    Folds are made of those that are not for testing: at random, in the order of time, or of the users, of whom those of
    a fold are validated by their last rating before the test split; all other ratings train.

    Args:
        table: columns user and item, and time if there is one.
        split: `random`, `time`, `user` or `leave_last`.
        time: the file's name of the column of times, if it has one.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none. With `leave_last` other values make no difference.
        seed: of a random split.
        noun: what a row is: a rating or a choice.
        in_order: whether rows without times may be in their order, as those of a matrix or a sparse format are not.
        folds: what the config says of folds.

    Returns:
        Positions in ascending order for each split, and notes on how they were chosen.

    Raises:
        DataError: a split would be empty, or there is no column of times to split by.
    """
    if split == "random":
        divided = split_samples(len(table), folds, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
        return divided.parts, list(divided.notes)
    if split == "time":
        if time is None:
            raise DataError(
                "there is no column of times to split by",
                where="data.time",
                fix="choose one, or split at random",
                override="data.split=random",
            )
        codes = np.unique(table["time"].to_numpy(), return_inverse=True)[1]
        share = 0.0 if folds.count else val_fraction
        parts = split_groups(codes, "time", val_fraction=share, test_fraction=test_fraction, seed=None)
        divided = folds.divide(parts, seed=seed, times=codes)
        return divided.parts, [f"split in the order of {time}: the latest {noun}s are the test split", *divided.notes]
    drawn = find_order(table, in_order) is None
    ordered = table if not drawn else table.sample(frac=1, random_state=seed)
    if split == "user":
        if folds.count:
            raise DataError(
                "users that are held out are not divided into folds",
                where="data.folds",
                fix="leave folds out, or hold out the last choice of each user",
                override="data.folds=null",
            )
        return hold_out_users(ordered, noun, val_fraction, test_fraction, seed, drawn=drawn)
    parts = leave_last(ordered, val=val_fraction > 0 or folds.count > 0, test=test_fraction > 0)
    if len(parts) == 1:
        return parts, []
    notes: list[str] = []
    if folds.count:
        of_fold = folds.divide({"train": parts["val"]}, seed=seed)
        parts = {**parts, "train": np.sort(np.concatenate([parts["train"], of_fold.parts["train"]]))}
        parts["val"] = of_fold.parts["val"]
        notes = [f"fold {folds.fold} of {folds.count} of the users is validated, and the others train (data.fold)"]
    last = f"each user's last {noun} by {time}" if time else f"each user's last {noun} in the order of the file"
    if drawn:
        last = f"one {noun} of each user, drawn at random since the file says nothing about their order,"
    purpose = "is for testing" if test_fraction else "is for validation"
    both = "val" in parts and test_fraction > 0
    before = f", {'another' if drawn else 'the one before'} for validation" if both else ""
    return parts, [f"{last} {purpose}{before}; users with too few {noun}s are only for training", *notes]


def hold_out_users(
    ordered: pd.DataFrame, noun: str, val_fraction: float, test_fraction: float, seed: int, *, drawn: bool
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Returns the last of the ratings of some users for `val` and `test`.

    A model learns from the other users alone, and knows those that are held out by their ratings before the last, which
    are in `train` too (`is_known`).

    Args:
        ordered: ratings, numbered from 0, in their order if they have no times.
        noun: what a row is.
        val_fraction: share of the users.
        test_fraction: likewise.
        seed: by which users are drawn.
        drawn: whether the last one of each user is drawn at random.

    Raises:
        DataError: too few users have two ratings.
    """
    counts = ordered["user"].value_counts()
    several = np.sort(counts.index[counts > 1].to_numpy())
    users = np.random.default_rng(seed).permutation(several)
    shares: list[tuple[SplitName, float]] = [("test", test_fraction), ("val", val_fraction)]
    numbers: dict[SplitName, int] = {name: max(1, round(share * len(counts))) for name, share in shares if share > 0}
    if sum(numbers.values()) >= len(users):
        raise DataError(
            f"{len(users)} users have several {noun}s, and {sum(numbers.values())} of these are to be held out",
            where="data.split",
            fix="hold out the last one of each user",
            override="data.split=leave_last",
        )
    last = leave_last(ordered, val=False, test=True)["test"] if numbers else np.zeros(0, dtype=np.int64)
    owner = ordered["user"].sort_index().to_numpy()
    parts: dict[SplitName, Indices] = {"train": np.arange(len(ordered))}
    start = 0
    for name, number in reversed(numbers.items()):
        chosen = users[start : start + number]
        parts[name] = last[pd.Series(owner[last]).isin(chosen).to_numpy()]
        start += number
    for name in numbers:
        parts["train"] = np.setdiff1d(parts["train"], parts[name])
    which = f"one {noun}, drawn at random, is" if drawn else f"the last {noun} is"
    words = " and ".join(f"{number:,} users for {name}" for name, number in numbers.items())
    return parts, [f"held out are {words}: of each {which} predicted from the others, which train nothing"] * bool(
        numbers
    )


def draw_ranked(
    parts: Mapping[SplitName, Indices], items: int, seed: int
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Returns splits of choices with as many held-out ones as can be ranked among all items in a few minutes, drawn at
    random where there are more; and notes.

    Args:
        parts: the positions in each split.
        items: the number of items.
        seed: by which choices are drawn.
    """
    drawn, notes = dict(parts), []
    for name, pairs in MOST_PAIRS.items():
        if name not in parts:
            continue
        rows, most = parts[name], max(FEWEST_RANKED, pairs // items)
        most = min(most, MOST_VALIDATED) if name == "val" else most
        if len(rows) > most:
            chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
            drawn[name] = rows[np.sort(chosen)]
            notes.append(
                f"{most:,} of the {len(rows):,} {name} choices are ranked among all items, drawn by data.seed, to save "
                "time; the others are left out"
            )
    return drawn, notes


def is_known(parts: Mapping[SplitName, Indices], users: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tells which training rows are of users that are held out, by which a model knows these and learns nothing.

    Args:
        parts: the positions in each split.
        users: of all rows, `(N,)`.
    """
    others = [users[rows] for name, rows in parts.items() if name != "train"]
    return (
        np.isin(users[parts["train"]], np.concatenate(others)) if others else np.zeros(len(parts["train"]), dtype=bool)
    )


def find_order(table: pd.DataFrame, in_order: bool = True) -> Indices | None:
    """Returns the positions of ratings from the earliest to the latest, by their times or else by the file; None where
    neither says.

    Args:
        table: columns user and item, and time if there is one.
        in_order: as in `split_ratings`.
    """
    if "time" in table:
        return np.argsort(table["time"].to_numpy(), kind="stable")
    return np.arange(len(table)) if in_order and not lists_by_item(table) else None


def lists_by_item(table: pd.DataFrame) -> bool:
    """Tells whether the ratings of each user are in the order of the items' ids, which says nothing about time."""
    by_user = table.sort_values("user", kind="stable")
    same = by_user["user"].to_numpy()[1:] == by_user["user"].to_numpy()[:-1]
    numbers = pd.to_numeric(by_user["item"], errors="coerce")
    items = by_user["item"].to_numpy() if numbers.isna().any() else numbers.to_numpy()
    ascending = (items[1:] > items[:-1])[same]
    return len(ascending) >= FEWEST_STEPS and float(ascending.mean()) > MOSTLY


def leave_last(table: pd.DataFrame, *, val: bool, test: bool) -> dict[SplitName, Indices]:
    """Returns each user's last rating for `test`, the one before for `val`; a user keeps at least one to train on.

    Args:
        table: ratings, numbered from 0, in their order if they have no times.
        val: whether there is a validation split.
        test: whether there is a test split.

    Raises:
        DataError: no user has enough ratings.
    """
    ordered = table.sort_values("time", kind="stable") if "time" in table else table
    groups = ordered.groupby("user", sort=False)
    from_the_end = groups.cumcount(ascending=False).sort_index().to_numpy()
    count = groups["item"].transform("size").sort_index().to_numpy()
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

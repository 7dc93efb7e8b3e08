"""Divides samples into training, validation and test splits, as a fixed function of the seed."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from dltrain.errors import DataError
from dltrain.types import SPLITS, Range, SplitName

Indices = NDArray[np.int64]
Fraction = Annotated[float, Range(0, 0.99)]


def split_indices(
    count: int,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    strata: Indices | None = None,
) -> dict[SplitName, Indices]:
    """Divides `count` samples at random, in proportion to `strata` where given.

    Args:
        count: number of samples.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: fixes the division.
        strata: `(count,)` class indices. Every class has at least one sample in the training split, and its shares
            differ from the fractions by about one sample.

    Returns:
        Indices in ascending order for each split that has a positive fraction.

    Raises:
        DataError: a split would be empty.
    """
    check_fractions(val_fraction, test_fraction)
    order = np.random.default_rng(seed).permutation(count)
    training = np.empty(0, dtype=np.int64)  # the samples that no other split may take
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
        first_of_class = np.unique(strata[order], return_index=True)[1]
        training, order = order[first_of_class], np.delete(order, first_of_class)

    parts: dict[SplitName, Indices] = {}
    held_out: tuple[tuple[SplitName, float], ...] = (("test", test_fraction), ("val", val_fraction))
    for name, fraction in held_out:
        if fraction == 0:
            continue
        size = round(count * fraction)
        if not 0 < size <= len(order):
            raise DataError(
                f"data.{name}_fraction={fraction:g} of {count} samples leaves the {name} split empty"
                if size == 0
                else f"data.{name}_fraction={fraction:g} of {count} samples leaves too few for the other splits",
                fix=f"give more data, or do without this split: data.{name}_fraction=0",
                override=f"data.{name}_fraction=0",
            )
        spread = ((np.arange(size) + 0.5) * len(order) / size).astype(np.int64)
        parts[name], order = np.sort(order[spread]), np.delete(order, spread)
    parts["train"] = np.sort(np.concatenate([training, order]))
    if len(parts["train"]) == 0:
        raise DataError(f"{count} samples leave nothing to train on", fix="give more data or smaller fractions")
    return {name: parts[name] for name in SPLITS if name in parts}


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Checks that the shares leave something for training.

    Raises:
        DataError: they add up to 1 or more.
    """
    if val_fraction + test_fraction >= 1:
        raise DataError(
            f"data.val_fraction={val_fraction:g} and data.test_fraction={test_fraction:g} leave nothing to train on",
            fix="choose fractions that add up to less than 1",
            override="data.test_fraction=0.1" if val_fraction < 0.9 else "data.val_fraction=0.1",
        )


def split_groups(
    groups: Indices, key: str, *, val_fraction: float, test_fraction: float, seed: int | None
) -> dict[SplitName, Indices]:
    """Divides samples so that those of a group stay together.

    Args:
        groups: `(N,)` group of each sample, numbered from 0 without gaps.
        key: of the config that asked for it, below `data`.
        val_fraction: share of the validation split, as nearly as whole groups allow; 0 for none.
        test_fraction: share of the test split, as nearly as whole groups allow; 0 for none.
        seed: fixes the division; `None` takes the groups in their order: first train, then val, then test.

    Returns:
        Indices in ascending order for each split that has a positive fraction.

    Raises:
        DataError: there are fewer groups than splits, or the shares leave nothing to train on.
    """
    check_fractions(val_fraction, test_fraction)
    sizes = np.bincount(groups)
    held_out = [(name, fraction) for name, fraction in (("test", test_fraction), ("val", val_fraction)) if fraction]
    if len(sizes) < 1 + len(held_out):
        raise DataError(
            f"the column in data.{key} has {len(sizes)} values, too few for {1 + len(held_out)} splits",
            where=f"data.{key}",
            fix="name a column with more values, or split at random",
            override=f"data.{key}=null",
        )
    order = np.arange(len(sizes)) if seed is None else np.random.default_rng(seed).permutation(len(sizes))
    parts: dict[SplitName, Indices] = {}
    for position, (name, fraction) in enumerate(held_out):
        wanted = len(groups) * fraction
        most = len(order) - (len(held_out) - position)  # each later split needs at least one group
        if seed is None:
            reached = np.cumsum(sizes[order[::-1]])[:most]
            chosen = order[len(order) - 1 - int(np.abs(reached - wanted).argmin()) :]
        else:
            taken, chosen = 0, np.empty(0, dtype=np.int64)
            for group in order:
                if taken + sizes[group] <= wanted and len(chosen) < most:
                    taken, chosen = taken + sizes[group], np.append(chosen, group)
            if not len(chosen):
                chosen = order[[int(sizes[order].argmin())]]
        order = order[~np.isin(order, chosen)]
        parts[name] = np.flatnonzero(np.isin(groups, chosen))  # type: ignore[index]
    parts["train"] = np.flatnonzero(np.isin(groups, order))
    return {name: parts[name] for name in SPLITS if name in parts}

"""Splits: disjoint, complete, in proportion, and a fixed function of the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dltrain.data.splits import split_groups, split_indices
from dltrain.errors import DataError

FRACTIONS = st.floats(0, 0.6)


def sizes(count: int, val: float, test: float) -> dict[str, int]:
    parts = split_indices(count, val_fraction=val, test_fraction=test, seed=0)
    return {name: len(part) for name, part in parts.items()}


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 300),
    FRACTIONS,
    FRACTIONS,
    st.integers(0, 5),
    st.one_of(st.none(), st.lists(st.integers(0, 4), min_size=300, max_size=300)),
)
def test_every_sample_is_in_one_split(count: int, val: float, test: float, seed: int, strata: list[int] | None) -> None:
    labels = None if strata is None else np.array(strata[:count])
    try:
        parts = split_indices(count, val_fraction=val, test_fraction=test, seed=seed, strata=labels)
    except DataError as refused:
        assert refused.fix  # noqa: PT017
        return
    assert list(parts) == [name for name, share in (("train", 1), ("val", val), ("test", test)) if share]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    for name, part in parts.items():
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        if name != "train":
            assert len(part) == round(count * (val if name == "val" else test))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 6), st.integers(4, 40), FRACTIONS, FRACTIONS, st.integers(0, 3))
def test_classes_of_one_size_are_divided_alike(classes: int, each: int, val: float, test: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), each))
    try:
        parts = split_indices(len(labels), val_fraction=val, test_fraction=test, seed=seed, strata=labels)
    except DataError:
        assume(False)
    for part in parts.values():
        counts = np.bincount(labels[part], minlength=classes)
        assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize("counts", [(900, 100), (500, 300, 150, 50), (212, 357), (59, 71, 48), (1000, 30, 30, 30, 10)])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.33])
def test_the_shares_of_a_class_are_the_fractions_to_about_a_sample(counts: tuple[int, ...], fraction: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    for seed in range(10):
        parts = split_indices(len(labels), val_fraction=fraction, test_fraction=fraction, seed=seed, strata=labels)
        for name in ("val", "test"):
            off = np.bincount(labels[parts[name]], minlength=len(counts)) - fraction * np.array(counts)
            assert abs(off).max() < 2, (name, off)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), FRACTIONS, FRACTIONS, st.integers(0, 3))
def test_every_class_keeps_a_sample_to_train_on(counts: list[int], val: float, test: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    try:
        parts = split_indices(len(labels), val_fraction=val, test_fraction=test, seed=seed, strata=labels)
    except DataError:
        assume(False)
    assert set(labels[parts["train"]]) == set(labels)


@pytest.mark.parametrize("strata", [None, np.arange(50) % 3])
def test_the_seed_decides(strata: np.ndarray | None) -> None:
    def split(seed: int) -> list[list[int]]:
        parts = split_indices(50, val_fraction=0.2, test_fraction=0.2, seed=seed, strata=strata)
        return [part.tolist() for part in parts.values()]

    assert split(0) == split(0)
    assert len({str(split(seed)) for seed in range(10)}) == 10


def test_samples_are_chosen_at_random_within_a_class() -> None:
    labels = np.repeat([0, 1], 50)
    chosen = np.zeros(100)
    for seed in range(200):
        chosen[split_indices(100, val_fraction=0, test_fraction=0.3, seed=seed, strata=labels)["test"]] += 1
    assert chosen.min() > 30  # 60 expected, with a standard deviation of 6.5
    assert chosen.max() < 90


def test_sizes_are_rounded() -> None:
    assert sizes(10, 0.1, 0.1) == {"train": 8, "val": 1, "test": 1}
    assert sizes(99, 0.1, 0.25) == {"train": 64, "val": 10, "test": 25}
    assert sizes(7, 0.0, 0.0) == {"train": 7}
    assert sizes(7, 0.0, 0.3) == {"train": 5, "test": 2}


@pytest.mark.parametrize(
    ("val", "test", "override"),
    [(0.5, 0.5, "data.test_fraction=0.1"), (0.1, 0.95, "data.test_fraction=0.1"), (0.95, 0.1, "data.val_fraction=0.1")],
)
def test_fractions_that_leave_nothing_are_refused_with_ones_that_do(val: float, test: float, override: str) -> None:
    with pytest.raises(DataError, match="leave nothing to train on") as refused:
        split_indices(100, val_fraction=val, test_fraction=test, seed=0)
    assert refused.value.override == override
    with pytest.raises(DataError, match="leave nothing to train on"):
        split_groups(np.arange(100), "group", val_fraction=val, test_fraction=test, seed=0)
    corrected = {"val_fraction": val, "test_fraction": test} | {override[5:].split("=")[0]: 0.1}
    assert len(split_indices(100, **corrected, seed=0)["train"]) > 0


@pytest.mark.parametrize(("val", "test", "name"), [(0.1, 0.3, "val"), (0.3, 0.1, "test")])
def test_a_split_that_would_be_empty_is_refused(val: float, test: float, name: str) -> None:
    with pytest.raises(DataError, match=f"leaves the {name} split empty") as refused:
        split_indices(4, val_fraction=val, test_fraction=test, seed=0)
    assert refused.value.override == f"data.{name}_fraction=0"


def test_a_split_that_would_take_a_classs_only_sample_is_refused() -> None:
    with pytest.raises(DataError, match="leaves too few for the other splits") as refused:
        split_indices(6, val_fraction=0, test_fraction=0.5, seed=0, strata=np.arange(6))
    assert refused.value.override == "data.test_fraction=0"


def test_splits_that_take_every_sample_are_refused() -> None:
    with pytest.raises(DataError, match="leave nothing to train on"):
        split_indices(2, val_fraction=0.49, test_fraction=0.5, seed=0)

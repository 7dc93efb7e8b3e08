"""Folds: of equal sizes and shares, with groups together or in the order of time, as scikit-learn divides them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, StratifiedKFold, TimeSeriesSplit

from dltrain.data.folds import Folds, assign_folds, assign_in_order, split_samples
from dltrain.errors import DataError


def test_folds_are_of_equal_sizes_and_a_function_of_the_seed() -> None:
    fold = assign_folds(103, 5, seed=3)
    assert sorted(np.bincount(fold).tolist()) == [20, 20, 21, 21, 21]
    np.testing.assert_array_equal(fold, assign_folds(103, 5, seed=3))
    assert (fold != assign_folds(103, 5, seed=4)).any()


def test_every_fold_has_the_same_share_of_each_class() -> None:
    classes = np.repeat([0, 1, 2], [60, 30, 10])
    fold = assign_folds(100, 5, seed=0, strata=classes)
    counts = [np.bincount(classes[fold == number]).tolist() for number in range(5)]
    assert counts == [[12, 6, 2]] * 5


def test_classes_are_divided_as_evenly_as_by_stratified_k_fold() -> None:
    random = np.random.default_rng(0)
    classes = random.choice(4, 211, p=[0.5, 0.3, 0.15, 0.05])
    fold = assign_folds(211, 5, seed=1, strata=classes)
    splitter = StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(211), classes)
    theirs = np.array([np.bincount(classes[val], minlength=4) for _, val in splitter])
    ours = np.array([np.bincount(classes[fold == number], minlength=4) for number in range(5)])
    np.testing.assert_array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))


def test_groups_stay_together_in_folds_of_similar_sizes() -> None:
    random = np.random.default_rng(0)
    groups = np.unique(random.zipf(1.8, 500).clip(max=60), return_inverse=True)[1]
    fold = assign_folds(500, 4, seed=0, groups=groups)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(groups.max() + 1))
    largest = np.bincount(groups).max()
    assert np.bincount(fold).max() <= max(largest, 500 / 4 + largest / 2)
    theirs = [len(val) for _, val in GroupKFold(4).split(np.zeros(500), groups=groups)]
    assert sorted(np.bincount(fold).tolist()) == sorted(theirs)


@pytest.mark.parametrize(("count", "folds"), [(100, 5), (103, 5), (64, 3), (12, 11)])
def test_folds_in_order_are_those_of_a_time_series_split(count: int, folds: int) -> None:
    order = np.random.default_rng(0).permutation(count)
    fold = assign_in_order(order, folds)
    for number, (train, val) in enumerate(TimeSeriesSplit(folds).split(np.zeros(count))):
        assert set(order[fold == number]) == set(val)
        divided = Folds(folds, number).divide({"train": np.arange(count)}, seed=0, times=order)
        assert set(order[divided.parts["train"]]) == set(train)
        assert set(order[divided.parts["val"]]) == set(val)


def test_samples_of_one_time_stay_in_one_fold() -> None:
    times = np.repeat(np.arange(30), np.random.default_rng(0).integers(1, 6, 30))
    fold = assign_in_order(times, 4)
    assert all(len(np.unique(fold[times == time])) == 1 for time in range(30))
    assert (np.diff(fold) >= 0).all() and set(fold) == {-1, 0, 1, 2, 3}


@pytest.mark.parametrize(
    ("times", "override"),
    [([1, 2, 2, 3], "data.folds=2"), ([1, 1, 1, 1], "data.folds=null"), ([1] * 9 + [2, 3, 4, 5], "data.folds=2")],
)
def test_too_few_different_times_are_refused(times: list[int], override: str) -> None:
    with pytest.raises(DataError) as caught:
        assign_in_order(np.array(times), 4)
    assert caught.value.override == override


@pytest.mark.parametrize(("count", "groups", "override"), [(3, None, "data.folds=3"), (9, [0] * 9, "data.folds=null")])
def test_more_folds_than_samples_or_groups_are_refused(count: int, groups: list[int] | None, override: str) -> None:
    with pytest.raises(DataError) as caught:
        assign_folds(count, 5, seed=0, groups=None if groups is None else np.array(groups))
    assert caught.value.override == override


def test_more_folds_than_samples_of_a_class_are_refused_where_one_validates() -> None:
    strata = np.repeat([0, 1], [60, 4])
    options = {"val_fraction": 0.1, "test_fraction": 0.0, "seed": 0, "strata": strata, "classes": ("a", "b")}
    with pytest.raises(DataError, match=r"the class b has 4 samples .* too few for 5 folds") as caught:
        split_samples(64, Folds(5, 0), **options)  # type: ignore[arg-type]
    assert caught.value.override == "data.folds=4"
    assert split_samples(64, Folds(5), **options).models == 5  # type: ignore[arg-type]

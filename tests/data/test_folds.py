"""Folds: of equal sizes and shares, with groups together, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from dltrain.data.folds import assign_folds
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


def test_groups_stay_together_in_folds_of_similar_sizes() -> None:
    random = np.random.default_rng(0)
    groups = np.unique(random.zipf(1.8, 500).clip(max=60), return_inverse=True)[1]
    fold = assign_folds(500, 4, seed=0, groups=groups)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(groups.max() + 1))
    largest = np.bincount(groups).max()
    assert np.bincount(fold).max() <= max(largest, 500 / 4 + largest / 2)


@pytest.mark.parametrize(("count", "groups", "override"), [(3, None, "data.folds=3"), (9, [0] * 9, "data.folds=null")])
def test_more_folds_than_samples_or_groups_are_refused(count: int, groups: list[int] | None, override: str) -> None:
    with pytest.raises(DataError) as caught:
        assign_folds(count, 5, seed=0, groups=None if groups is None else np.array(groups))
    assert caught.value.override == override

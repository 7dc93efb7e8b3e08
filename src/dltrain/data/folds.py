"""Divides samples into folds, as a fixed function of the seed."""

from __future__ import annotations

import numpy as np

from dltrain.data.splits import Indices
from dltrain.errors import DataError


def assign_folds(
    count: int, folds: int, *, seed: int, strata: Indices | None = None, groups: Indices | None = None
) -> Indices:
    """Returns the fold of each sample `(count,)`, numbered from 0, of about equal sizes.

    Args:
        count: number of samples.
        folds: number of folds.
        seed: fixes the division.
        strata: `(count,)` class indices; every fold gets about the same share of each class.
        groups: `(count,)` group of each sample, numbered from 0 without gaps; those of a group stay together.

    Raises:
        DataError: there are fewer samples or groups than folds.
    """
    random = np.random.default_rng([seed, folds])
    units = count if groups is None else int(groups.max(initial=-1)) + 1
    if units < folds:
        raise DataError(
            f"{units} {'samples' if groups is None else 'groups'} are too few for {folds} folds",
            where="data.folds",
            fix="use fewer folds, or none",
            override=f"data.folds={units}" if units > 1 else "data.folds=null",
        )
    order = random.permutation(units)
    if groups is None:
        if strata is not None:
            order = order[np.argsort(strata[order], kind="stable")]
        fold = np.empty(count, dtype=np.int64)
        fold[order] = np.arange(count) % folds
        return fold
    sizes = np.bincount(groups)
    order = order[np.argsort(-sizes[order], kind="stable")]
    of_group, filled = np.empty(units, dtype=np.int64), np.zeros(folds, dtype=np.int64)
    for group in order:
        smallest = int(filled.argmin())
        of_group[group] = smallest
        filled[smallest] += sizes[group]
    return of_group[groups]

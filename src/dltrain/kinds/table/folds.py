"""Folds of a table's rows, for an ensemble of models or for cross-validation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.folds import assign_folds
from dltrain.data.splits import Indices
from dltrain.errors import DataError
from dltrain.kinds.table.rows import Rows, number_groups
from dltrain.types import SPLITS, SplitName

USUAL, MOST_ROWS = 5, 10_000  # the number of folds if it is chosen, and the number of rows from which there are none


def count_folds(
    folds: int | str | None, fold: int | None, rows: int, time: str | None, files: Collection[SplitName]
) -> int:
    """Returns the number of folds; 0 for none.

    Args:
        folds: of the config: a number, `auto`, `none` or `None`.
        fold: of the config: the fold that is the validation split; `None` for a model of each fold.
        rows: their number.
        time: the column by which rows are split.
        files: the splits that have a file of their own.

    Raises:
        DataError: the keys contradict each other.
    """
    unsuitable = "data.time" if time is not None else "data.val_path" if "val" in files else ""
    if folds == "auto":
        return USUAL if rows < MOST_ROWS and not unsuitable else 0
    if folds is None or isinstance(folds, str):
        if fold is not None:
            what = f"data.fold={fold} is a fold, and there are no folds"
            raise DataError(what, where="data.fold", fix="say how many there are", override=f"data.folds={USUAL}")
        return 0
    if unsuitable:
        reason = "would train on later rows than those that they predict" if time else "divide the validation rows too"
        raise DataError(
            f"data.folds={folds} cannot be used with {unsuitable}, because folds {reason}",
            where="data.folds",
            fix="train without folds",
            override="data.folds=null",
        )
    if fold is not None and fold >= folds:
        raise DataError(
            f"there is no fold {fold} of {folds}, since folds are counted from 0",
            where="data.fold",
            fix=f"give a number from 0 to {folds - 1}",
            override=f"data.fold={folds - 1}",
        )
    return folds


def fold_rows(
    rows: Rows, train: Indices, folds: int, *, seed: int, strata: NDArray[Any] | None, group: str | None
) -> Indices:
    """Returns the fold of every row `(N,)`, -1 outside the training split.

    Args:
        rows: all rows.
        train: positions of the rows of the training split.
        folds: the number of folds.
        seed: fixes them.
        strata: `(N,)` class indices, of which every fold gets the same shares.
        group: a column whose equal values stay in one fold.

    Raises:
        DataError: there are too few rows or groups.
    """
    groups = None if group is None else number_groups(rows.inputs[group].take(train))
    of_row = np.full(len(rows.y), -1)
    of_row[train] = assign_folds(
        len(train), folds, seed=seed, strata=None if strata is None else strata[train], groups=groups
    )
    return of_row


def keep_fold(parts: Mapping[SplitName, Indices], of_row: Indices, fold: int) -> dict[SplitName, Indices]:
    """Returns the splits with one fold as the validation split, and the other folds as the training split."""
    train = parts["train"]
    divided = {**parts, "train": train[of_row[train] != fold], "val": train[of_row[train] == fold]}
    return {name: divided[name] for name in SPLITS if name in divided}


def note_folds(folds: int) -> str:
    """Returns a note about a model for each fold."""
    return (
        f"{folds} models, each trained without one of {folds} folds of the rows, which validates it; they predict "
        "together (data.folds)"
    )

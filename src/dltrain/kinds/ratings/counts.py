"""Weighs choices by counts, such as how often a song was played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.column_names import pick_column
from dltrain.errors import DataError
from dltrain.kinds.ratings.columns import Role
from dltrain.types import Split

COUNTED_ROWS = "rows"  # as `data.count`


def choose_count(frame: pd.DataFrame, count: str, ranking: bool) -> dict[Role, str]:
    """Returns the column of counts; nothing where rows are counted.

    Raises:
        DataError: there is no such column, or ratings are predicted, which counts do not weigh.
    """
    if not ranking:
        raise DataError(
            "counts weigh choices, and this run predicts ratings",
            where="data.count",
            fix="learn which items users choose",
            override="data.split=leave_last",
            replaces="data.split",
        )
    if count == COUNTED_ROWS and count not in frame.columns:
        return {}
    pick_column(frame, "count", count, "")
    return {"count": count}


def weigh(train: Split, counts: NDArray[np.float64], name: str) -> tuple[Split, str]:
    """Returns the training choices with weights by their counts `(N,)`, of mean 1, and a note on them.

    Raises:
        DataError: a count is negative.
    """
    if counts.min() < 0:
        raise DataError(f"{name} holds negative counts", where="data.count", override="data.count=null")
    weights = np.log2(1 + counts)
    weights /= weights.mean() or 1.0
    note = f"choices weigh log2(1 + {name}) in training: from {weights.min():.2g} to {weights.max():.2g} times the mean"
    return replace(train, weight=torch.from_numpy(weights.astype(np.float32))), note

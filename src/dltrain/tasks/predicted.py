"""Reads predictions.csv: classes as indices, numbers as they are, several outputs as columns."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.types import MISSING_LABEL

MOST_SCORES = 1000  # classes, of more than which a row has the score of the predicted one alone

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Predicted:
    """True and predicted values of a split: class indices, numbers in the target's own unit, or 0 and 1 a label.

    Args:
        true: `(N,)`, or `(N, K)` of several outputs.
        predicted: of the same shape.
        scores: `(N, K)` of the classes or labels; `(N, 1)` of the predicted class alone, where there are very many;
            `(N, 0)` where numbers are predicted.
    """

    true: NDArray[Any]
    predicted: NDArray[Any]
    scores: Floats


def mistakes(true: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.bool_]:
    """Returns which samples `(N,)` have another class than predicted, or a label that is known and another."""
    return np.asarray(((true != predicted) & (true != MISSING_LABEL)).reshape(len(true), -1).any(axis=1))


def read_predicted(
    path: Path,
    outputs: Sequence[str] = (),
    *,
    scores: int = 0,
    read: Callable[[str], float] = float,
    dtype: type[np.generic] = np.float64,
) -> Predicted | None:
    """Reads the file; returns `None` where it is missing or empty, or has other columns.

    Args:
        path: of the file.
        outputs: names of several outputs; without them there is one, in the columns `true` and `predicted`.
        scores: number of columns of scores that follow, where there is one output; a column `score` is the only one.
        read: turns a cell into a number, such as the index of a class.
        dtype: of true and predicted values.

    Raises:
        KeyError, ValueError: `read` cannot read a cell, or a score is not a number.
    """
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        head = next(rows, [])
        if outputs:
            named = ([f"{form}_{name}" for name in outputs] for form in ("true", "predicted", "score"))
            true, predicted, scored = ([head.index(name) for name in names if name in head] for names in named)
            if min(len(true), len(predicted)) < len(outputs):
                return None
        else:
            if head[1:3] != ["true", "predicted"]:
                return None
            true, predicted = [1], [2]
            scored = [3] if scores and head[3:] == ["score"] else list(range(3, 3 + scores))
        return _read(rows, true + predicted, scored, read, dtype)


def _read(
    rows: Iterable[list[str]],
    pairs: list[int],
    scores: list[int],
    read: Callable[[str], float],
    dtype: type[np.generic],
) -> Predicted | None:
    """Returns the values in the columns `pairs`, of which the first half is true and the second predicted."""
    values, numbers = array("d"), array("d")  # lists of hundred thousands of rows would take much more memory
    count = 0
    for row in rows:
        values.extend([read(row[column]) for column in pairs])
        numbers.extend([float(row[column]) for column in scores])
        count += 1
    if not count:
        return None
    both = np.array(values).reshape(count, 2, -1).astype(dtype)
    true, predicted = both[:, 0], both[:, 1]
    if len(pairs) == 2:
        true, predicted = true[:, 0], predicted[:, 0]
    return Predicted(true, predicted, np.array(numbers).reshape(count, -1))

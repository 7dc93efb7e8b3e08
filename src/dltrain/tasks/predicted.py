"""predictions.csv, read: classes as their indices, numbers as they are, of several outputs a column each."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.types import Facts

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
NUMBERS = ("regression", "rating", "forecasting")  # tasks that predict them
TASKS = ("classification", "multilabel", *NUMBERS)


@dataclass(frozen=True)
class Predicted:
    """What was predicted of a split: class indices, numbers in the targets' own units, or 0 and 1 for each label.

    Args:
        true: `(N,)`, or `(N, K)` of several outputs.
        predicted: likewise.
        scores: `(N, K)` of the classes or labels, with no columns where numbers are predicted.
    """

    true: NDArray[Any]
    predicted: NDArray[Any]
    scores: Floats


def read_predictions(path: Path, facts: Facts, class_indices: Mapping[str, int]) -> Predicted | None:
    """The file's rows; `None` where there are none, or of a form that is not known here.

    Raises:
        KeyError, ValueError: a cell is no class or no number.
    """
    if facts.task not in TASKS or not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        head = next(rows, [])
        if facts.outputs:
            named = ([f"{kind}_{name}" for name in facts.outputs] for kind in ("true", "predicted", "score"))
            *both, scores = ([head.index(name) for name in names if name in head] for names in named)
            if any(len(columns) < len(facts.outputs) for columns in both):
                return None
            true, predicted = both
        else:
            if head[1:3] != ["true", "predicted"]:
                return None
            true, predicted, scores = [1], [2], list(range(3, 3 + len(facts.classes)))
        if facts.classes:
            return _read(rows, true + predicted, scores, class_indices.__getitem__, np.int64)
        whole = np.int64 if facts.task == "multilabel" else np.float64
        return _read(rows, true + predicted, scores, float, whole)


def _read(
    rows: Iterable[list[str]], pairs: list[int], scores: list[int], read: Callable[[str], float], kept: type[np.generic]
) -> Predicted | None:
    """True and predicted values from the columns `pairs`, half of them each."""
    values, numbers = array("d"), array("d")  # a list of a hundred thousand rows of text would fill the memory
    count = 0
    for row in rows:
        values.extend([read(row[column]) for column in pairs])
        numbers.extend([float(row[column]) for column in scores])
        count += 1
    if not count:
        return None
    both = np.array(values).reshape(count, 2, -1).astype(kept)
    true, predicted = both[:, 0], both[:, 1]
    if len(pairs) == 2:
        true, predicted = true[:, 0], predicted[:, 0]
    return Predicted(true, predicted, np.array(numbers).reshape(count, -1))

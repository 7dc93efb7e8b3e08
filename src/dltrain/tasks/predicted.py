"""predictions.csv, read: classes as their indices, numbers as they are, of several outputs a column each."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


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


def read_predicted(
    path: Path,
    outputs: Sequence[str] = (),
    *,
    scores: int = 0,
    read: Callable[[str], float] = float,
    kept: type[np.generic] = np.float64,
) -> Predicted | None:
    """Reads the file; returns `None` where it is missing, empty or of another form.

    Args:
        path: of the file.
        outputs: names of several outputs; without them there is one, in the columns `true` and `predicted`.
        scores: how many columns of scores follow, where there is one output.
        read: what a cell means.
        kept: the type of true and predicted values.

    Raises:
        KeyError, ValueError: a cell is no class or no number.
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
            true, predicted, scored = [1], [2], list(range(3, 3 + scores))
        return _read(rows, true + predicted, scored, read, kept)


def _read(
    rows: Iterable[list[str]], pairs: list[int], scores: list[int], read: Callable[[str], float], kept: type[np.generic]
) -> Predicted | None:
    """Returns true and predicted values from the columns `pairs`, half of them each."""
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

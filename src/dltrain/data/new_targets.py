"""The truth of new samples, read from a column or from the names of folders, for an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.data.columns import Cells, check_numbers, name_list, nearest, shorten
from dltrain.data.target import read_target
from dltrain.errors import DataError
from dltrain.types import Facts


def target_of_rows(facts: Facts, frame: pd.DataFrame) -> Tensor:
    """The target's column of some rows, as in `Split`; -1 or NaN where a cell is empty.

    Raises:
        DataError: there is no such column, or it holds what was no class in training, or no number.
    """
    if facts.target not in frame.columns:
        close = nearest(facts.target, frame.columns)
        raise DataError(
            f"the table has no column {facts.target!r}, which the model predicts",
            where="data.path",
            fix=f"rename {close[0]!r}" if close else "give labelled data; without labels, dltrain predict is enough",
        )
    cells = read_target(frame[facts.target])
    if not facts.classes:
        check_numbers(facts.target, cells, strict=True)
        return torch.from_numpy(cells.as_numbers()[:, None].copy())
    return _class_indices(facts, cells)


def target_of_files(facts: Facts, files: Sequence[Path]) -> Tensor:
    """The class of each file by the folder below which it lies, the nearest first.

    Raises:
        DataError: none of its folders is named as a class.
    """
    index = {name: position for position, name in enumerate(facts.classes)}
    found = [next((index[part] for part in reversed(path.parts[:-1]) if part in index), -1) for path in files]
    if -1 in found:
        raise DataError(
            f"no folder of {files[found.index(-1)]} is named as a class",
            where="data.path",
            fix=f"sort the files into folders named {name_list(facts.classes, 10)}",
        )
    return torch.tensor(found)


def _class_indices(facts: Facts, cells: Cells) -> Tensor:
    index = {name: position for position, name in enumerate(facts.classes)}
    # 1.0 in one file and 1 in another are one class, as they would be within a file.
    by_number = {_as_number(name): position for name, position in index.items()}
    by_number.pop(None, None)
    found = [index.get(value, by_number.get(_as_number(value), -2)) for value in cells.values]
    if -2 in found:
        strange = cells.values[found.index(-2)]
        raise DataError(
            f"{shorten(strange)} is no class that the model knows",
            where=f"column {facts.target!r}",
            fix=f"its classes are {name_list(facts.classes, 10)}: correct such rows or leave them out",
        )
    return torch.from_numpy(np.array([*found, -1], dtype=np.int64)[cells.codes])


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

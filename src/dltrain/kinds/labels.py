"""The truth of new samples, read from a column or from the names of folders, for an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.data.cells import Cells, check_numbers, name_list, nearest, read_cells, shorten
from dltrain.errors import DataError
from dltrain.kinds.target import SEPARATORS, class_names, read_target
from dltrain.types import Facts


def target_of_rows(facts: Facts, frame: pd.DataFrame) -> Tensor:
    """The target's column of some rows, as in `Split`; -1 or NaN where a cell is empty.

    Raises:
        DataError: there is no such column, or it holds what was no class in training, or no number.
    """
    listed = facts.task == "multilabel" and facts.target in frame.columns
    wanted = facts.outputs if facts.outputs and not listed else (facts.target,)
    for name in wanted:
        if name not in frame.columns:
            close = nearest(name, frame.columns)
            raise DataError(
                f"the table has no column {name!r}, which the model predicts",
                where="data.path",
                fix=f"rename {close[0]!r}"
                if close
                else "give labelled data; without labels, dltrain predict is enough",
            )
    if listed:
        return _listed(facts, frame[facts.target])
    if facts.outputs:
        read = _label if facts.task == "multilabel" else _numbers
        return torch.cat([read(name, read_target(frame[name])) for name in facts.outputs], dim=1)
    cells = read_target(frame[facts.target])
    if not facts.classes:
        return _numbers(facts.target, cells)
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


def _numbers(name: str, cells: Cells) -> Tensor:
    check_numbers(name, cells, strict=True)
    return torch.from_numpy(cells.as_numbers()[:, None].copy())


def _label(name: str, cells: Cells) -> Tensor:
    """`(N, 1)`, 1 for the second of two values, by size or by code point, as in training."""
    classes, index = class_names(cells)
    if len(classes) != 2 and not set(classes) <= {"0", "1"}:
        raise DataError(
            f"a label has two values, and {name!r} has {len(classes)}",
            where=f"column {name!r}",
            fix="write 0 and 1, where not both values occur",
        )
    if len(classes) == 1:
        index = np.where(index < 0, -1, int(classes[0]))
    return torch.from_numpy(index[:, None])


def _listed(facts: Facts, column: pd.Series[Any]) -> Tensor:
    """`(N, L)` from labels that stand in one cell, as in "red|large"; an empty cell has none of them."""
    cells = read_cells(column, missing=frozenset({""}))
    known = {label: position for position, label in enumerate(facts.outputs)}
    separator = next((mark for mark in SEPARATORS if any(mark in value for value in cells.values)), SEPARATORS[0])
    has = np.zeros((len(cells.values) + 1, len(known)), dtype=np.int64)  # the last row is that of an empty cell
    for row, value in enumerate(cells.values):
        for label in filter(None, map(str.strip, value.split(separator))):
            if label not in known:
                raise DataError(
                    f"{shorten(label)} is no label that the model knows",
                    where=f"column {facts.target!r}",
                    fix=f"its labels are {name_list(facts.outputs, 10)}",
                )
            has[row, known[label]] = 1
    return torch.from_numpy(has[cells.codes])


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

"""The target of a table: how its cells are read, which task they pose, and which classes they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.columns import MAX_BAD_SHARE, Cells, check_numbers, name_list, read_cells, shorten
from dltrain.errors import DataError
from dltrain.types import TaskName

MAX_CLASS_NUMBERS = 10
MIN_ROWS_PER_CLASS_NUMBER = 5


def read_target(column: pd.Series[Any]) -> Cells:
    """Reads labels, of which only an empty cell is missing ("NA" can be one), or numbers, among which "NA" is none."""
    cells = read_cells(column)
    few_others = np.isnan(cells.as_numbers()).sum() - cells.missing <= MAX_BAD_SHARE * cells.present
    return cells if cells.present and few_others else read_cells(column, missing=frozenset({""}))


def choose_task(
    target: str, cells: Cells, task: Literal["auto", "regression", "classification"]
) -> tuple[TaskName, str]:
    """Returns the task and why.

    Raises:
        DataError: no task can be learned from these values.
    """
    rows, numbers = cells.present, np.unique(cells.numbers[~np.isnan(cells.numbers)])
    distinct = len(numbers) if cells.all_numbers else len(cells.values)
    if rows < 2:
        raise DataError(
            f"{'only one row has' if rows else 'no row has'} a value of {target!r}",
            where="data.target",
            fix="give more rows: a few dozen at least, to train and to test on",
        )
    if distinct == 1:
        raise DataError(
            f"every value of {target!r} is {shorten(cells.values[0])}: there is nothing to predict",
            where="data.target",
            fix="choose another column, or give rows of other values",
        )
    if task == "regression":
        if np.isnan(cells.as_numbers()).sum() - cells.missing > MAX_BAD_SHARE * rows:
            raise DataError(
                f"task=regression needs numbers, but {target!r} holds text such as {shorten(_first_text(cells))}",
                where="task",
                fix="predict classes, or choose a column of numbers",
                override="task=classification",
            )
        check_numbers(target, cells, strict=True)
        return "regression", "the task was named"

    whole = bool(np.all(numbers == np.floor(numbers)))
    few = len(numbers) == 2 < rows or (
        whole and len(numbers) <= MAX_CLASS_NUMBERS and rows >= MIN_ROWS_PER_CLASS_NUMBER * len(numbers)
    )
    if task == "auto" and not few:
        check_numbers(target, cells)
        if cells.all_numbers:
            return "regression", f"{target} holds {distinct} distinct numbers"
    if distinct == rows:
        raise DataError(
            f"each of the {rows} rows has another value of {target!r}: these are no classes",
            where="data.target",
            fix="predict numbers" if cells.all_numbers else "choose a column whose values repeat",
            override="task=regression" if cells.all_numbers else "",
        )
    if task == "classification":
        return "classification", "the task was named"
    values = name_list(class_names(cells)[0], 10)
    if cells.all_numbers:
        kind = "whole numbers" if whole else "numbers"
        hint = "task=regression takes them as amounts"
        return "classification", f"{target} holds only {distinct} distinct {kind}: {values} ({hint})"
    return "classification", f"{target} holds {distinct} distinct labels: {values}"


def _first_text(cells: Cells) -> str:
    return next(value for value, number in zip(cells.values, cells.numbers, strict=True) if np.isnan(number))


def class_names(cells: Cells) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Returns the class names, numbers by size and text by code point, and `(N,)` class indices, -1 where missing."""
    # Decimal, unlike float, keeps 1 and 1.0 one class and whole numbers above 2**53 apart.
    keys = [Decimal(value) if cells.all_numbers else value for value in cells.values]
    names = dict(zip(reversed(keys), reversed(cells.values), strict=True))
    ordered: list[Any] = sorted(names)
    index = {key: position for position, key in enumerate(ordered)}
    return tuple(names[key] for key in ordered), np.array([*(index[key] for key in keys), -1])[cells.codes]

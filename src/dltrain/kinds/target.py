"""The target of a table: how its cells are read, which task they pose, and what a model is to predict of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import MAX_BAD_SHARE, Cells, check_numbers, name_list, read_cells, shorten
from dltrain.errors import DataError

TaskChoice = Literal["auto", "regression", "classification", "multilabel"]

MAX_CLASS_NUMBERS = 10
MIN_ROWS_PER_CLASS_NUMBER = 5
MAX_LABELS = 1000
SEPARATORS = ("|", ";", ",", " ")


@dataclass(frozen=True)
class Target:
    """What is to be predicted of each row.

    Args:
        name: as the source spells it; of several columns their names, joined by commas.
        task: that it poses.
        reason: why.
        y: `(N,)` class indices or numbers, `(N, K)` numbers of several columns, or `(N, L)` int64, 1 where a row has a
            label; meaningless where not `present`.
        present: `(N,)` whether the row has a target.
        classes: class names in the order of their indices.
        outputs: names of several numbers or labels.
    """

    name: str
    task: str
    reason: str
    y: NDArray[Any]
    present: NDArray[np.bool_]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def pose(columns: pd.DataFrame, task: TaskChoice) -> Target:
    """Decides what the target columns of a table ask for.

    One column is a number, a class, or with `task=multilabel` a list of labels, separated by | ; , or spaces. Several
    are as many numbers, or, where each has two values, as many labels.

    Raises:
        DataError: nothing can be learned from them.
    """
    names = [str(name) for name in columns.columns]
    if len(names) > 1:
        return _several(columns, names, task)
    (name,) = names
    if task == "multilabel":
        return _listed_labels(columns.iloc[:, 0], name)
    cells = read_target(columns.iloc[:, 0])
    chosen, reason = choose_task(name, cells, task)
    if chosen == "regression":
        return Target(name, chosen, reason, cells.as_numbers(), cells.codes >= 0)
    classes, y = class_names(cells)
    lists = next((value for value in cells.values if "|" in value or ";" in value), None)
    if lists is not None:
        reason += f"; if {shorten(lists)} lists several labels, say task=multilabel"
    return Target(name, chosen, reason, y, cells.codes >= 0, classes)


def _several(columns: pd.DataFrame, names: Sequence[str], task: TaskChoice) -> Target:
    read = [read_target(columns[name]) for name in names]
    title = ", ".join(names)
    if task == "classification":
        raise DataError(
            f"{title} are several columns, and one of several classes stands in one column",
            where="data.target",
            fix="predict them as labels, each with two values",
            override="task=multilabel",
        )
    two_valued = [len(cells.values) == 2 for cells in read]
    present = np.all([cells.codes >= 0 for cells in read], axis=0)
    if task == "multilabel" or (task == "auto" and all(two_valued)):
        if not all(two_valued):
            at = two_valued.index(False)
            raise DataError(
                f"a label has two values, and {names[at]!r} has {len(read[at].values)}",
                where="data.target",
                fix="predict numbers" if all(cells.all_numbers for cells in read) else "leave it out of the targets",
                override="task=regression" if all(cells.all_numbers for cells in read) else _without(names, at),
            )
        _check_present(present, title)
        each = [class_names(cells) for cells in read]
        spelled = name_list([f"{name}={classes[1]}" for name, (classes, _) in zip(names, each, strict=True)], 10)
        y = np.stack([index for _, index in each], axis=1)
        reason = "the task was named" if task == "multilabel" else f"each target has two values; labels are {spelled}"
        return Target(title, "multilabel", reason, y, present, outputs=tuple(names))
    texts = [at for at, cells in enumerate(read) if not cells.all_numbers]
    if texts:
        at = next((at for at in texts if not two_valued[at]), texts[0])
        raise DataError(
            f"several targets are all numbers, or all have two values, and {names[at]!r} holds text such as "
            f"{shorten(_first_text(read[at]))}",
            where="data.target",
            fix="predict that column alone, or leave it out",
            override=_without(names, at),
        )
    for name, cells in zip(names, read, strict=True):
        choose_task(name, cells, "regression")
    _check_present(present, title)
    y = np.stack([cells.as_numbers() for cells in read], axis=1)
    reason = "the task was named" if task == "regression" else f"the {len(names)} targets are numbers"
    return Target(title, "regression", reason, y, present, outputs=tuple(names))


def _without(names: Sequence[str], at: int) -> str:
    """The override that leaves out one of several targets."""
    return f"data.target=[{','.join(name for place, name in enumerate(names) if place != at)}]"


def _listed_labels(column: pd.Series[Any], name: str) -> Target:
    """Labels that stand in one cell, as in "red|large"; an empty cell has none of them."""
    cells = read_cells(column, missing=frozenset({""}))
    separator = next((mark for mark in SEPARATORS if any(mark in value for value in cells.values)), SEPARATORS[0])
    lists = [[label for part in value.split(separator) if (label := part.strip())] for value in cells.values]
    labels = sorted({label for each in lists for label in each})
    if not 2 <= len(labels) <= MAX_LABELS:
        raise DataError(
            f"the cells of {name!r} hold {len(labels):,} different labels, where 2 to {MAX_LABELS:,} can be learned",
            where="data.target",
            fix=f"separate labels by one of {' '.join(SEPARATORS)} or a space, or predict one of several classes",
            override="task=classification",
        )
    index = {label: position for position, label in enumerate(labels)}
    has = np.zeros((len(lists) + 1, len(labels)), dtype=np.int64)  # the last row is that of an empty cell
    for row, each in enumerate(lists):
        has[row, [index[label] for label in each]] = 1
    mark = "spaces" if separator == " " else separator
    if cells.all_numbers and not any(separator in value for value in cells.values):
        raise DataError(
            f"{name!r} holds numbers, not lists of labels",
            where="task",
            fix="predict the number",
            override="task=regression",
        )
    empty = f"; {cells.missing} rows have none" if cells.missing else ""
    reason = f"the task was named; {name} holds {len(labels)} labels, separated by {mark}{empty}"
    present = np.ones(len(cells.codes), dtype=bool)
    return Target(name, "multilabel", reason, has[cells.codes], present, outputs=tuple(labels))


def _check_present(present: NDArray[np.bool_], title: str) -> None:
    if present.sum() < 2:
        raise DataError(
            f"{'only one row has' if present.any() else 'no row has'} a value of all of {title}",
            where="data.target",
            fix="leave out the target that is mostly empty, or give more rows",
        )


def read_target(column: pd.Series[Any]) -> Cells:
    """Reads labels, of which only an empty cell is missing ("NA" can be one), or numbers, among which "NA" is none."""
    cells = read_cells(column)
    few_others = np.isnan(cells.as_numbers()).sum() - cells.missing <= MAX_BAD_SHARE * cells.present
    return cells if cells.present and few_others else read_cells(column, missing=frozenset({""}))


def choose_task(target: str, cells: Cells, task: TaskChoice) -> tuple[str, str]:
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

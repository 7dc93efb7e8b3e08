"""The target of a table: which task its columns pose, and what a model is to predict of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import MAX_BAD_SHARE, Cells, check_numbers, name_list, nearest, read_cells, shorten
from dltrain.errors import ConfigError, DataError
from dltrain.kinds.labels import (
    EMPTY,
    SEPARATORS,
    TASKS,
    Form,
    TargetReader,
    class_names,
    find_separator,
    read_target,
    split_labels,
    wanted_form,
)
from dltrain.tasks.registry import is_known

MAX_CLASS_NUMBERS = 10
MIN_ROWS_PER_CLASS_NUMBER = 5
MAX_LABELS = 1000


@dataclass(frozen=True)
class Target:
    """What is to be predicted of each row.

    Args:
        reader: what read it, and reads it of new rows.
        reason: why it poses this task.
        y: targets as in `Split`, as an array; meaningless where not `present`.
        present: `(N,)` whether the row has a target.
    """

    reader: TargetReader
    reason: str
    y: NDArray[Any]
    present: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """The target's name, as the source spells it; of several columns their names, joined by commas."""
        return self.reader.name

    @property
    def task(self) -> str:
        """The task that it poses."""
        return self.reader.task

    @property
    def form(self) -> Form:
        """Whether a target is a number, a class or labels."""
        return self.reader.form

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their indices."""
        return self.reader.classes

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of several numbers or labels."""
        return self.reader.outputs


def infer_task(columns: pd.DataFrame, task: str = "auto") -> Target:
    """Decides what the target columns of a table ask for.

    One column is a number, a class, or where the task asks for labels a list of them, separated by | ; , or spaces.
    Several are as many numbers, or, where each has two values, as many labels.

    Args:
        columns: the target columns alone.
        task: that is posed; `auto` decides by the values. A task of one's own says by its attribute `target` what form
            its targets have.

    Raises:
        DataError: nothing can be learned from them.
        ConfigError: there is no such task, or it is not for tables.
    """
    names = [str(name) for name in columns.columns]
    form = _form_of_task(task)
    if len(names) > 1:
        return _infer_several(columns, names, task, form)
    (name,) = names
    if form == "labels":
        return _infer_listed_labels(columns.iloc[:, 0], name, task)
    cells = read_target(columns.iloc[:, 0])
    chosen, reason = choose_task(name, cells, task)
    reader = TargetReader(name, chosen)
    if reader.form == "class":
        reader = TargetReader(name, chosen, classes=class_names(cells)[0])
        several = next((value for value in cells.values if "|" in value or ";" in value), None)
        if several is not None:
            reason += f"; if {shorten(several)} lists several labels, say task=multilabel"
    return Target(reader, reason, reader.encode({name: cells}), cells.codes >= 0)


def _form_of_task(task: str) -> Form | None:
    """Returns what form a task wants its targets to have; `None` where the task is to be decided.

    Raises:
        ConfigError: there is no such task, or it is not for tables.
    """
    if task == "auto":
        return None
    if not is_known(task):
        near = nearest(task, TASKS.values())
        raise ConfigError(
            f"there is no task {task!r}",
            where="task",
            fix=f"did you mean {near[0]}?" if near else "let the data say, or write your own as module.Name",
            override=f"task={near[0] if near else 'auto'}",
        )
    form = wanted_form(task)
    if form not in get_args(Form):
        raise ConfigError(
            f"the task {task} is not for the target of a table",
            where="task",
            fix=f"choose {', '.join(TASKS.values())}, or give a task of your own the attribute target: "
            + ", ".join(get_args(Form)),
            override="task=auto",
        )
    return cast(Form, form)


def _infer_several(columns: pd.DataFrame, names: Sequence[str], task: str, form: Form | None) -> Target:
    title = ", ".join(names)
    if form == "class":
        raise DataError(
            f"{title} are several columns, and one of several classes stands in one column",
            where="data.target",
            fix="predict them as labels, each with two values",
            override="task=multilabel",
        )
    cells = {name: read_target(columns[name]) for name in names}
    present = np.asarray(np.all([column.codes >= 0 for column in cells.values()], axis=0))
    two_valued = all(len(column.values) == 2 for column in cells.values())
    if form == "labels" or (form is None and two_valued):
        _check_labels(cells)
        chosen = TASKS["labels"] if form is None else task
        spelled = name_list([f"{name}={class_names(column)[0][1]}" for name, column in cells.items()], 10)
        reason = f"each target has two values; labels are {spelled}"
    else:
        _check_all_numbers(cells)
        chosen = TASKS["number"] if form is None else task
        reason = f"the {len(names)} targets are numbers"
    if present.sum() < 2:
        raise DataError(
            f"{'only one row has' if present.any() else 'no row has'} a value of all of {title}",
            where="data.target",
            fix="leave out the target that is mostly empty, or give more rows",
        )
    reader = TargetReader(title, chosen, outputs=tuple(names))
    return Target(reader, reason if form is None else "the task was named", reader.encode(cells), present)


def _check_labels(cells: Mapping[str, Cells]) -> None:
    """Refuses several targets, one of which has not two values."""
    for name, column in cells.items():
        if len(column.values) != 2:
            numbers = all(other.all_numbers for other in cells.values())
            raise DataError(
                f"a label has two values, and {name!r} has {len(column.values)}",
                where="data.target",
                fix="predict numbers" if numbers else "leave it out of the targets",
                override="task=regression" if numbers else _without(name, cells),
            )


def _check_all_numbers(cells: Mapping[str, Cells]) -> None:
    """Refuses several targets, one of which is not a column of numbers."""
    texts = [name for name, column in cells.items() if not column.all_numbers]
    if texts:
        name = next((name for name in texts if len(cells[name].values) != 2), texts[0])
        raise DataError(
            f"several targets are all numbers, or all have two values, and {name!r} holds text such as "
            f"{shorten(_first_text(cells[name]))}",
            where="data.target",
            fix="predict that column alone, or leave it out",
            override=_without(name, cells),
        )
    for name, column in cells.items():
        choose_task(name, column, TASKS["number"])


def _without(name: str, names: Mapping[str, Cells]) -> str:
    """Returns the override that leaves out one of several targets."""
    return f"data.target=[{','.join(other for other in names if other != name)}]"


def _infer_listed_labels(column: pd.Series[Any], name: str, task: str) -> Target:
    """Reads labels that stand in one cell, as in "red|large"; an empty cell has none of them."""
    cells = read_cells(column, missing=EMPTY)
    separator = find_separator(cells.values)
    labels = sorted({label for value in cells.values for label in split_labels(value, separator)})
    if not 2 <= len(labels) <= MAX_LABELS:
        raise DataError(
            f"the cells of {name!r} hold {len(labels):,} different labels, where 2 to {MAX_LABELS:,} can be learned",
            where="data.target",
            fix=f"separate labels by one of {' '.join(SEPARATORS)} or a space, or predict one of several classes",
            override="task=classification",
        )
    if cells.all_numbers and not any(separator in value for value in cells.values):
        raise DataError(
            f"{name!r} holds numbers, not lists of labels",
            where="task",
            fix="predict the number",
            override="task=regression",
        )
    mark = "spaces" if separator == " " else separator
    empty = f"; {cells.missing} rows have none" if cells.missing else ""
    reason = f"the task was named; {name} holds {len(labels)} labels, separated by {mark}{empty}"
    reader = TargetReader(name, task, outputs=tuple(labels))
    return Target(reader, reason, reader.encode({name: cells}), np.ones(len(cells.codes), dtype=bool))


def choose_task(target: str, cells: Cells, task: str) -> tuple[str, str]:
    """Chooses the task that a column of numbers or of classes poses.

    Args:
        target: name of the column.
        cells: of the column.
        task: that was named; `auto` decides by the values.

    Returns:
        The task and why.

    Raises:
        DataError: no task can be learned from these values.
        ConfigError: there is no such task, or it is not for tables.
    """
    form = _form_of_task(task)
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
    if form == "number":
        if np.isnan(cells.as_numbers()).sum() - cells.missing > MAX_BAD_SHARE * rows:
            raise DataError(
                f"task={task} needs numbers, but {target!r} holds text such as {shorten(_first_text(cells))}",
                where="task",
                fix="predict classes, or choose a column of numbers",
                override="task=classification",
            )
        check_numbers(target, cells, strict=True)
        return task, "the task was named"

    whole = bool(np.all(numbers == np.floor(numbers)))
    few = len(numbers) == 2 < rows or (
        whole and len(numbers) <= MAX_CLASS_NUMBERS and rows >= MIN_ROWS_PER_CLASS_NUMBER * len(numbers)
    )
    if form is None and not few:
        check_numbers(target, cells)
        if cells.all_numbers:
            return TASKS["number"], f"{target} holds {distinct} distinct numbers"
    if distinct == rows:
        raise DataError(
            f"each of the {rows} rows has another value of {target!r}: these are no classes",
            where="data.target",
            fix="predict numbers" if cells.all_numbers else "choose a column whose values repeat",
            override="task=regression" if cells.all_numbers else "",
        )
    if form is not None:
        return task, "the task was named"
    values = name_list(class_names(cells)[0], 10)
    if cells.all_numbers:
        kind = "whole numbers" if whole else "numbers"
        hint = "task=regression takes them as amounts"
        return TASKS["class"], f"{target} holds only {distinct} distinct {kind}: {values} ({hint})"
    return TASKS["class"], f"{target} holds {distinct} distinct labels: {values}"


def _first_text(cells: Cells) -> str:
    return next(value for value, number in zip(cells.values, cells.numbers, strict=True) if np.isnan(number))

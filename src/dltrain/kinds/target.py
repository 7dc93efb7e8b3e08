"""The target of a table: infers its task, and reads the targets of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import MAX_BAD_SHARE, Cells, Form, check_numbers, name_list, nearest, read_cells, shorten
from dltrain.data.dates import infer_cells
from dltrain.data.nouns import count, verb
from dltrain.data.truth_values import are_truth_values, truth_of
from dltrain.errors import ConfigError, DataError
from dltrain.kinds.forms import Reading, form_of_numbers, read_written
from dltrain.kinds.labels import (
    EMPTY,
    SEPARATORS,
    SHARED,
    TASKS,
    TargetForm,
    TargetReader,
    class_names,
    find_separator,
    lists_labels,
    read_strings,
    read_target,
    split_labels,
    wanted_form,
)
from dltrain.kinds.list_cells import spell_lists
from dltrain.kinds.string_target import infer_strings
from dltrain.tasks.registry import is_known

MAX_CLASS_NUMBERS = 10
MIN_ROWS_PER_CLASS_NUMBER = 5
MAX_LABELS = 1000
MOST_COMPARED = 1_000  # classes of several words
MOST_DISTINCT = 0.9  # a share of rows; more different values are no classes


@dataclass(frozen=True)
class Target:
    """The target of each row.

    Args:
        reader: reads the targets of these rows and of new ones.
        reason: the reason for the task.
        y: the targets as in `Split`, as an array; meaningless if not `present`.
        present: `(N,)` whether the row has a target; of several numbers at least one.
    """

    reader: TargetReader
    reason: str
    y: NDArray[Any]
    present: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Returns the target as the source spells it; the names of several columns, joined by commas."""
        return self.reader.name

    @property
    def task(self) -> str:
        """Returns the name of the task."""
        return self.reader.task

    @property
    def form(self) -> TargetForm:
        """Returns the form of the target: a number, a class, labels or a string."""
        return self.reader.form

    @property
    def classes(self) -> tuple[str, ...]:
        """Returns the class names in the order of their indices."""
        return self.reader.classes

    @property
    def outputs(self) -> tuple[str, ...]:
        """Returns the names of several numbers or labels."""
        return self.reader.outputs


def infer_task(
    columns: pd.DataFrame,
    task: str = "auto",
    reading: Reading | None = None,
    *,
    find_lists: bool = False,
    strings: bool = False,
) -> Target:
    """Returns the target of a table's target columns, with its task.

    One column is a number, a class, or, if the task needs labels or all cells are lists such as `['a', 'b']`, a list of
    them, separated by | ; , or spaces. Several columns are several numbers, or, if each has two values, several labels.
    A string that is read character by character is in one column, too.

    Args:
        columns: the target columns alone.
        task: the task; `auto` decides by the values. A user's own task has an attribute `target`, the form of its
            targets.
        reading: how cells are read; `None` to judge by these columns alone.
        strings: whether the samples may be read character by character, as images can.
        find_lists: whether a column that certainly lists labels is one of labels even if no task asks for them.

    Raises:
        DataError: the columns cannot be predicted.
        ConfigError: the task does not exist, or is not for tables.
    """
    names = [str(name) for name in columns.columns]
    form = _form_of_task(task, strings=strings)
    if len(names) > 1:
        return _infer_several(columns, names, task, form, reading)
    (name,) = names
    if form is None and spell_lists(columns.iloc[:, 0], certain=True) is not None:
        reason = f"its cells are lists (task={TASKS['class']} takes each list as a class)"
        return _infer_listed_labels(columns.iloc[:, 0], name, TASKS["labels"], reason)
    if strings and form in (None, "string") and (read := infer_strings(columns.iloc[:, 0], name, task)) is not None:
        cells = read_strings(columns.iloc[:, 0])
        return Target(read.reader, read.reason, read.reader.encode({name: cells}), cells.codes >= 0)
    if form == "labels":
        return _infer_listed_labels(columns.iloc[:, 0], name, task, "the task was given")
    if find_lists and form is None and lists_labels(read_cells(columns.iloc[:, 0], missing=EMPTY).values):
        return _infer_listed_labels(columns.iloc[:, 0], name, TASKS["labels"], "its cells list labels")
    column, merged = _merge_truth_values(columns.iloc[:, 0]) if form in (None, "class") else (columns.iloc[:, 0], "")
    cells, numbers = read_target(column), _as_numbers(column, form, reading)
    chosen, reason = choose_task(name, cells if numbers is None else numbers.cells, task)
    reader = TargetReader(name, chosen)
    if reader.form == "number" and numbers is not None:
        reader = replace(reader, forms={name: numbers.form})
        cells, reason = numbers.cells, "; ".join([reason, *numbers.remarks])
    if reader.form == "class":
        reader = TargetReader(name, chosen, classes=class_names(cells)[0])
        reason += merged
        several = _list_of_labels(cells.values)
        if several is not None:
            reason += f"; if {shorten(several)} lists several labels, give task=multilabel"
    return Target(reader, reason, reader.encode({name: cells}), cells.codes >= 0)


def _list_of_labels(values: Sequence[str]) -> str | None:
    """Returns a class that may be a list of labels: it has | or ; or parts between commas or blanks, all of which are
    in other classes too. Half of all words between blanks must be so, since names may have several, unless a class has
    all words of another one. `None` without one.
    """
    marked = next((value for value in values if "|" in value or ";" in value), None)
    if marked is not None:
        return marked
    for mark, least in ((",", 0.0), (" ", SHARED)):
        parts_of = {value: set(split_labels(value, mark)) for value in values}
        counts = Counter(part for parts in parts_of.values() for part in parts)
        lists = {value: parts for value, parts in parts_of.items() if len(parts) > 1}
        some = list(lists.items())[:MOST_COMPARED]
        if (
            within := next((value for value, parts in some if any(parts < other for _, other in some)), None)
        ) is not None:
            return within
        listed = set().union(*lists.values())
        if sum(counts[part] > 1 for part in listed) >= least * len(listed):
            several = next((value for value, parts in lists.items() if all(counts[part] > 1 for part in parts)), None)
            if several is not None:
                return several
    return None


def _merge_truth_values(column: pd.Series[Any]) -> tuple[pd.Series[Any], str]:
    """Returns a column of true and false in which each has its most frequent spelling, and what to say of it; any other
    column as it is."""
    cells = read_cells(column, missing=EMPTY)
    if len(cells.values) < 3 or not are_truth_values(cells.values):
        return column, ""
    usual: dict[bool | None, str] = {}
    for at in np.argsort(-cells.counts, kind="stable"):
        usual.setdefault(truth_of(cells.values[at]), cells.values[at])
    merged = column.map(lambda cell: usual.get(truth_of(str(cell).strip()), cell), na_action="ignore")
    others = [value for value in cells.values if value not in usual.values()]
    return merged, f"; other spellings of true and false count as these: {name_list(others, 10)}"


class _Numbers(NamedTuple):
    """A target column of numbers that are not plain: its cells, how they are written, and what is worth a note."""

    cells: Cells
    form: Form
    remarks: tuple[str, ...]


def _as_numbers(column: pd.Series[Any], form: TargetForm | None, reading: Reading | None) -> _Numbers | None:
    """Returns a target column's numbers, its words as gaps; `None` if they are plain or no numbers.

    Raises:
        DataError: they have two readings.
    """
    if form not in (None, "number"):
        return None
    reading = reading or Reading.of([read_cells(column)])
    cells = read_written(column, reading)
    if not len(cells.values):
        return None
    found = form_of_numbers(str(column.name), cells, reading, is_target=True)
    if found is None or found.form is None:
        return None
    return _Numbers(cells.read_as(found.form).only_numbers(), found.form, found.remarks)


def _form_of_task(task: str, *, strings: bool = False) -> TargetForm | None:
    """Returns the form of targets that a task needs; `None` for `auto`.

    Raises:
        ConfigError: the task does not exist, or is not for tables.
    """
    if task == "auto":
        return None
    if not is_known(task):
        near = nearest(task, TASKS.values())
        raise ConfigError(
            f"there is no task {task!r}",
            where="task",
            fix=f"did you mean {near[0]}?" if near else "let dltrain choose, or write your own as module.Name",
            override=f"task={near[0] if near else 'auto'}",
        )
    form = wanted_form(task)
    if form == "string" and not strings:
        raise ConfigError(
            f"the task {task} reads strings in images, and this is other data",
            where="task",
            fix="let dltrain choose",
            override="task=auto",
        )
    if form not in get_args(TargetForm):
        raise ConfigError(
            f"the task {task} is not for the target of a table",
            where="task",
            fix=f"choose {', '.join(TASKS.values())}, or give your own task the attribute target: "
            + ", ".join(get_args(TargetForm)),
            override="task=auto",
        )
    return cast(TargetForm, form)


def _infer_several(
    columns: pd.DataFrame, names: Sequence[str], task: str, form: TargetForm | None, reading: Reading | None
) -> Target:
    title = ", ".join(names)
    if form in ("class", "string"):
        several = "classes need" if form == "class" else "a string needs"
        raise DataError(
            f"{title} are several columns, and {several} a single column",
            where="data.target",
            fix="predict them as labels, each with two values",
            override="task=multilabel",
        )
    numbers = {name: _as_numbers(columns[name], form, reading) for name in names}
    remarks: list[str] = []
    cells = {name: read_target(columns[name]) if found is None else found.cells for name, found in numbers.items()}
    two_valued = all(len(column.values) == 2 for column in cells.values())
    if form == "labels" or (form is None and two_valued):
        _check_labels(cells)
        chosen = TASKS["labels"] if form is None else task
        spelled = name_list([f"{name}={class_names(column)[0][1]}" for name, column in cells.items()], 10)
        reason = f"each target has two values; labels are {spelled}"
    else:
        _check_all_numbers(cells)
        chosen = TASKS["number"] if form is None else task
        remarks = [f"{name}: {remark}" for name, found in numbers.items() if found for remark in found.remarks]
        reason = "; ".join([f"the {len(names)} targets are numbers", *remarks])
    forms = {name: found.form for name, found in numbers.items() if found is not None}
    reader = TargetReader(title, chosen, outputs=tuple(names), forms=forms)
    y = reader.encode(cells)
    present = np.asarray(~np.isnan(reader.as_numbers(y)[0]).all(axis=1))
    return Target(reader, reason if form is None else "; ".join(["the task was given", *remarks]), y, present)


def _check_labels(cells: Mapping[str, Cells]) -> None:
    """Refuses several targets if one of them does not have two values."""
    for name, column in cells.items():
        if len(column.values) != 2:
            numbers = all(other.all_numbers for other in cells.values())
            raise DataError(
                f"a label must have two values, and {name!r} has {len(column.values)}",
                where="data.target",
                fix="predict numbers" if numbers else "leave it out of the targets",
                override="task=regression" if numbers else _without(name, cells),
            )


def _check_all_numbers(cells: Mapping[str, Cells]) -> None:
    """Refuses several targets if one of them is not a column of numbers."""
    texts = [name for name, column in cells.items() if not column.all_numbers]
    if texts:
        name = next((name for name in texts if len(cells[name].values) != 2), texts[0])
        raise DataError(
            f"several targets must all be numbers, or all have two values, and {name!r} contains text such as "
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


def _infer_listed_labels(column: pd.Series[Any], name: str, task: str, why: str) -> Target:
    """Returns the target of labels listed in one cell, as in "red|large"; an empty cell has no labels."""
    spelled = spell_lists(column)
    cells = read_cells(column if spelled is None else spelled, missing=EMPTY)
    separator = find_separator(cells.values)
    labels = sorted({label for value in cells.values for label in split_labels(value, separator)})
    if not 2 <= len(labels) <= MAX_LABELS:
        raise DataError(
            f"the cells of {name!r} contain {len(labels):,} different labels; 2 to {MAX_LABELS:,} are supported",
            where="data.target",
            fix=f"separate labels by one of {' '.join(SEPARATORS)} or a space, or predict one of several classes",
            override="task=classification",
        )
    if cells.all_numbers and not any(separator in value for value in cells.values):
        raise DataError(
            f"{name!r} contains numbers, not lists of labels",
            where="task",
            fix="predict the number",
            override="task=regression",
        )
    mark = "in lists" if spelled is not None else f"separated by {'spaces' if separator == ' ' else separator}"
    empty = f"; {count(cells.missing, 'row')} {verb(cells.missing, 'has', 'have')} none" if cells.missing else ""
    reason = f"{why}; {name} has {len(labels)} labels, {mark}{empty}"
    reader = TargetReader(name, task, outputs=tuple(labels))
    return Target(reader, reason, reader.encode({name: cells}), np.ones(len(cells.codes), dtype=bool))


def choose_task(target: str, cells: Cells, task: str) -> tuple[str, str]:
    """Returns the task of a column of numbers or of classes.

    Args:
        target: the name of the column.
        cells: the cells of the column.
        task: the requested task; `auto` decides by the values.

    Returns:
        The task and the reason for it.

    Raises:
        DataError: the column cannot be predicted.
        ConfigError: the task does not exist, or is not for tables.
    """
    form = _form_of_task(task)
    rows, numbers = cells.present, np.unique(cells.numbers[~np.isnan(cells.numbers)])
    distinct = len(numbers) if cells.all_numbers else len(cells.values)
    if rows < 2:
        raise DataError(
            f"{'only one row has' if rows else 'no row has'} a value of {target!r}",
            where="data.target",
            fix="give more rows: at least a few dozen, for training and testing",
        )
    if distinct == 1:
        raise DataError(
            f"every value of {target!r} is {shorten(cells.values[0])}: there is nothing to predict",
            where="data.target",
            fix="choose another column, or give rows with other values",
        )
    if form == "number":
        if np.isnan(cells.as_numbers()).sum() - cells.missing > MAX_BAD_SHARE * rows:
            raise DataError(
                f"task={task} needs numbers, but {target!r} contains text such as {shorten(_first_text(cells))}",
                where="task",
                fix="predict classes, or choose a column of numbers",
                override="task=classification",
            )
        check_numbers(target, cells, strict=True)
        return task, "the task was given"

    whole = bool(np.all(numbers == np.floor(numbers)))
    few = len(numbers) == 2 < rows or (
        whole and len(numbers) <= MAX_CLASS_NUMBERS and rows >= MIN_ROWS_PER_CLASS_NUMBER * len(numbers)
    )
    if form is None and not few:
        check_numbers(target, cells)
        if cells.all_numbers:
            return TASKS["number"], f"{target} has {distinct} distinct numbers"
    if distinct > MOST_DISTINCT * rows:
        each = (
            f"each of the {rows} rows has a different value"
            if distinct == rows
            else f"{rows} rows have {distinct} values"
        )
        raise DataError(
            f"{each} of {target!r}: these are not classes",
            where="data.target",
            fix="predict numbers" if cells.all_numbers else "choose a column whose values repeat",
            override="task=regression" if cells.all_numbers else "",
        )
    if form is not None:
        return task, "the task was given"
    values = name_list(class_names(cells)[0], 10)
    if distinct > MAX_CLASS_NUMBERS and infer_cells(cells) is not None:
        raise DataError(
            f"{target!r} holds dates, and a date is neither an amount nor a class",
            where="data.target",
            fix="choose another column, such as the days until the date; or treat each date as a class",
            override="task=classification",
        )
    if cells.all_numbers:
        kind = "whole numbers" if whole else "numbers"
        hint = "task=regression treats them as amounts"
        return TASKS["class"], f"{target} has only {distinct} distinct {kind}: {values} ({hint})"
    return TASKS["class"], f"{target} has {distinct} distinct labels: {values}"


def _first_text(cells: Cells) -> str:
    return next(value for value, number in zip(cells.values, cells.numbers, strict=True) if np.isnan(number))

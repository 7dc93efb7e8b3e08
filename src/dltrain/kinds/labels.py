"""Reads the targets of samples from target columns or names of folders, in training and for new samples."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import (
    CODE,
    MAX_BAD_SHARE,
    MISSING,
    Cells,
    Form,
    check_numbers,
    name_list,
    nearest,
    read_cells,
    shorten,
)
from dltrain.data.folder_layout import fold
from dltrain.data.folder_tree import FileType, spell_path
from dltrain.data.sample_files import FolderFiles
from dltrain.data.spelling import spell_as
from dltrain.data.split_names import class_key
from dltrain.data.truth_values import are_truth_values, truth_of
from dltrain.errors import DataError
from dltrain.kinds.forms import form_from_json, form_to_json
from dltrain.kinds.list_cells import spell_lists
from dltrain.kinds.strings import encode_strings
from dltrain.tasks.registry import is_known, task_class
from dltrain.types import MISSING_LABEL, Facts

if TYPE_CHECKING:  # a first look at a table needs no torch
    from torch import Tensor

TargetForm = Literal["number", "class", "labels", "string"]

TASKS: Mapping[TargetForm, str] = {
    "number": "regression",
    "class": "classification",
    "labels": "multilabel",
    "string": "characters",
}
SEPARATORS = ("|", ";", ",", " ")
SHARED, SHARED_BY_COMMAS = 0.5, 0.8  # of the labels in lists, which other cells have too
FEWEST_ASCENDING = 5  # lists of numbers in ascending order, which no decimal commas have by chance
EMPTY = frozenset({""})
ALIKE = 0.8  # of two names of columns, from which on one may be a misspelling of the other


@dataclass(frozen=True)
class TargetReader:
    """Reads targets from the cells of target columns, of training rows and of new rows.

    Args:
        name: the target as the source spells it; the names of several columns, joined by commas.
        task: the task's name in the facts.
        classes: class names in the order of their indices; of strings their characters.
        outputs: the names of several numbers or labels; of strings their places.
        forms: how the numbers of a target column are written, where they are not plain.
        ignore_case: whether a class may be spelled in another case or with other blanks.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    forms: Mapping[str, Form | None] = field(default_factory=dict)
    ignore_case: bool = False

    @classmethod
    def of(cls, facts: Facts) -> TargetReader:
        """Returns the reader that the facts describe."""
        stored = facts.preprocessing.get("target_forms", {})
        forms = {name: form_from_json(form) for name, form in stored.items()}
        ignore_case = bool(facts.preprocessing.get("ignore_case"))
        return cls(facts.target, facts.task, facts.classes, facts.outputs, forms, ignore_case)

    def forms_to_json(self) -> dict[str, Any]:
        """Returns what the facts store of the forms, for their `preprocessing`."""
        forms = {name: form_to_json(form) for name, form in self.forms.items() if form is not None}
        return {"target_forms": forms} if forms else {}

    @property
    def form(self) -> TargetForm:
        """Returns the form of a target; if the task leaves it open, a class if there are classes, else a number."""
        return cast(TargetForm, wanted_form(self.task) or ("class" if self.classes else "number"))

    def targets(self, frame: pd.DataFrame) -> Tensor:
        """Returns the targets of rows, as in `Split`; -1 or NaN where a cell is missing.

        Raises:
            DataError: a column is missing, or contains a class that training did not have, or not a number.
        """
        import torch

        columns = self._columns(frame)
        return torch.from_numpy(self.encode({name: self._read(frame[name]) for name in columns}))

    def encode(self, cells: Mapping[str, Cells]) -> NDArray[Any]:
        """Returns the targets `(N,)`, `(N, K)`, `(N, L)` or `(N, P)` of columns that have been read.

        Args:
            cells: by the names of the columns: the target itself, or each of the outputs.

        Raises:
            DataError: a column contains a class or a character that training did not have, or not a number.
        """
        if self.form == "class":
            return _class_indices(self.name, self.classes, cells[self.name])
        if self.form == "string":
            return encode_strings(self.name, self.classes, len(self.outputs), cells[self.name])
        if self.form == "labels" and self.name in cells:
            return _listed_labels(self.name, self.outputs, cells[self.name])
        encode = _label if self.form == "labels" else _numbers
        return np.concatenate([encode(name, cells[name]) for name in self.outputs or (self.name,)], axis=1)

    def as_numbers(self, y: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Returns encoded targets as numbers to average, `(N, K)`, and their names: of two classes only the second.

        Args:
            y: the targets, as `encode` returned them; a missing label becomes NaN.
        """
        if self.form == "labels":
            return np.where(y == MISSING_LABEL, np.nan, y), self.outputs
        if self.form != "class":
            return y.reshape(len(y), -1).astype(np.float64), self.outputs or (self.name,)
        shares = np.eye(len(self.classes))[y]
        names = tuple(f"{self.name}={name}" for name in self.classes)
        return (shares[:, 1:], names[1:]) if len(names) == 2 else (shares, names)

    def spell(self, target: NDArray[Any]) -> str:
        """Returns the name of a sample's class, or its string, for its encoded target."""
        return "".join(self.classes[index] for index in np.atleast_1d(target))

    def _columns(self, frame: pd.DataFrame) -> tuple[str, ...]:
        listed = self.form == "string" or (self.form == "labels" and self.name in frame.columns)
        columns = self.outputs if self.outputs and not listed else (self.name,)
        absent = next((name for name in columns if name not in frame.columns), None)
        if absent is None:
            return columns
        close = [name for name in nearest(absent, frame.columns) if _is_misspelt(absent, name)]
        raise DataError(
            f"the table has no column {absent!r}, which the model predicts",
            where="data.path",
            fix=f"rename {close[0]!r}"
            if close
            else f"give a table with it; the columns of this one are {name_list(frame.columns, 10)}. For new rows "
            "without labels: dltrain predict RUN FILE",
        )

    def _read(self, column: pd.Series[Any]) -> Cells:
        """Returns a column read as `read_target` did in training, even if a part of it looks different."""
        if self.form == "number":
            return read_cells(column, form=self.forms.get(str(column.name)))
        if self.form == "string":
            return read_strings(column)
        if self.form == "class":
            column = spell_as(column, self.classes) if self.ignore_case else column
            return read_cells(column, missing=_missing_words(self.classes))
        if column.name != self.name:
            return read_target(column)
        spelled = spell_lists(column)
        return read_cells(column if spelled is None else spelled, missing=EMPTY)


def _is_misspelt(name: str, other: str) -> bool:
    """Tells whether two names are so alike that one is probably meant by the other."""
    return difflib.SequenceMatcher(None, name.casefold(), other.casefold()).ratio() >= ALIKE


def wanted_form(task: str) -> str:
    """Returns the form of targets that a task needs; empty if the task is unknown or leaves it to the kind of data."""
    built_in = next((form for form, name in TASKS.items() if name == task), "")
    return built_in or (task_class(task).target if is_known(task) else "")


def form_of(facts: Facts) -> TargetForm:
    """Returns the form of the target, by the facts of the data: a number, a class, labels or a string."""
    return TargetReader.of(facts).form


def read_strings(column: pd.Series[Any]) -> Cells:
    """Returns the cells of a column of strings, as they are written."""
    return read_cells(column, missing=EMPTY, as_written=True)


def read_target(column: pd.Series[Any]) -> Cells:
    """Returns a target column's cells: labels, where only an empty cell is missing, or numbers, where "NA" is too."""
    cells = read_cells(column)
    few_others = np.isnan(cells.as_numbers()).sum() - cells.missing <= MAX_BAD_SHARE * cells.present
    return cells if cells.present and few_others else read_cells(column, missing=EMPTY)


def class_names(cells: Cells) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Returns the class names, numbers by size and text by code point, and `(N,)` class indices, -1 where missing."""
    # As Decimals, 1 and 1.0 are one class, and whole numbers above 2**53 stay distinct, unlike floats.
    keys: list[Any] = list(cells.values)
    if cells.all_numbers:
        keys = cells.numbers.tolist() if cells.form is not None else list(map(Decimal, keys))
    names = dict(zip(reversed(keys), reversed(cells.values), strict=True))
    ordered: list[Any] = sorted(names)
    index = {key: position for position, key in enumerate(ordered)}
    return tuple(names[key] for key in ordered), np.array([*(index[key] for key in keys), -1])[cells.codes]


def find_separator(values: Sequence[str], separators: Sequence[str] = SEPARATORS) -> str:
    """Returns the separator of the labels in a cell: the first one that occurs in any cell."""
    return next((mark for mark in separators if any(mark in value for value in values)), SEPARATORS[0])


def lists_labels(values: Sequence[str]) -> bool:
    """Tells whether distinct cells certainly list labels, as in `red|large`: their parts occur in other cells too, and
    there are no more labels than cells.

    Between spaces, nearly all parts have to be cells of their own, since names may have several words. Numbers between
    commas may have decimal commas: they are labels where a cell has three of them, or all cells have them in ascending
    order.
    """
    mark = find_separator(values)
    listed = [split_labels(value, mark) for value in values]
    several = [labels for labels in listed if len(labels) > 1]
    counts = Counter(label for labels in listed for label in set(labels))
    parts = {label for labels in several for label in labels}
    shared = sum(counts[part] > 1 for part in parts)
    if mark == " ":
        shared = len(parts & set(values))
    least, most = (SHARED, len(values)) if mark in "|;" else (SHARED_BY_COMMAS, len(values) / 2)
    if not parts or shared < least * len(parts) or not 2 <= len(counts) <= most:
        return False
    if mark != "," or not all(map(str.isdigit, counts)):
        return True
    ascending = len(several) >= FEWEST_ASCENDING and all(labels == sorted(labels, key=int) for labels in several)
    return not any(map(CODE.fullmatch, counts)) and (ascending or any(len(labels) > 2 for labels in several))


def split_labels(value: str, separator: str) -> list[str]:
    """Returns the labels in a cell."""
    return [label for part in value.split(separator) if (label := part.strip())]


def target_of_rows(facts: Facts, frame: pd.DataFrame) -> Tensor:
    """Returns the target of rows, as in `Split`; -1 or NaN where a cell is missing.

    Raises:
        DataError: a column is missing, or contains a class that training did not have, or not a number.
    """
    return TargetReader.of(facts).targets(frame)


def target_of_files(
    classes: Sequence[str], files: Sequence[str | PathLike[str]], wanted: FileType | None = None
) -> Tensor:
    """Returns the class of each file `(N,)`, by `labels_of_files`; -1 where a file has none.

    Raises:
        DataError: none of a file's folders has the name of a class.
    """
    import torch

    index: dict[str | None, int] = {name: position for position, name in enumerate(classes)}
    return torch.tensor([index.get(label, -1) for label in labels_of_files(classes, files, wanted)])


def labels_of_files(
    classes: Collection[str], files: Sequence[str | PathLike[str]], wanted: FileType | None = None
) -> Sequence[str | None]:
    """Returns the name of each file's class, which a folder has that it lies in, whatever its case.

    Files that come as `FolderFiles` are labelled as training files would be; `None` for one that then has no label. If
    training could not read the folder, their class is the outermost such folder below theirs, or else their own. Of
    other files, about which no such thing is known, it is the nearest.

    Args:
        classes: the names of the classes.
        files: the files.
        wanted: such files, if training reads folders of them.

    Raises:
        DataError: none of its folders is named as a class.
    """
    by_name = {class_key(name): name for name in classes}
    by_fold = {fold(name): name for name in classes}

    def class_of(folder: str) -> str | None:
        name = spell_path(folder)
        return by_name.get(class_key(name)) or by_fold.get(fold(name))

    if isinstance(files, FolderFiles) and wanted is not None:
        label_of = files.origin.labels(wanted)
        classes_of = {label: class_of(label) for label in set(label_of.values())}
        if label_of and all(classes_of.values()):
            return [classes_of.get(label_of.get(Path(path), "")) for path in files]
    labels = []
    for path in map(Path, files):
        folders = path.parts[-2::-1]
        if isinstance(files, FolderFiles):
            folders = (*path.relative_to(files.folder).parts[:-1], files.folder.name)
        label = next(filter(None, map(class_of, folders)), None)
        if label is None:
            raise DataError(
                f"no folder of {path} has the name of a class",
                where="data.path",
                fix=f"sort the files into folders named {name_list(classes, 10)}",
            )
        labels.append(label)
    return labels


def index_classes(classes: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Returns the class indices `(N,)` of labels that are class names."""
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[label] for label in labels], dtype=np.int64)


def _missing_words(classes: Sequence[str]) -> frozenset[str]:
    """Returns the words for a missing class: if classes are numbers, those for missing numbers that are not classes."""
    if np.isnan(read_cells(pd.Series(classes, dtype=object), missing=frozenset()).numbers).all():
        return EMPTY
    return MISSING - {name.casefold() for name in classes}


def _numbers(name: str, cells: Cells) -> NDArray[np.float64]:
    """Returns numbers `(N, 1)`."""
    check_numbers(name, cells, strict=True)
    return cells.as_numbers()[:, None]


def _label(name: str, cells: Cells) -> NDArray[np.int64]:
    """Returns labels `(N, 1)`, 1 for the second of two values, by size or by code point; `MISSING_LABEL` for a gap."""
    classes, index = class_names(cells)
    if len(classes) != 2 and not set(classes) <= {"0", "1"}:
        raise DataError(
            f"a label must have two values, and {name!r} has {len(classes)}",
            where=f"column {name!r}",
            fix="write 0 and 1 if only one value occurs",
        )
    if len(classes) == 1:
        index = np.where(index < 0, MISSING_LABEL, int(classes[0]))
    return index[:, None]


def _listed_labels(name: str, labels: Sequence[str], cells: Cells) -> NDArray[np.int64]:
    """Returns labels `(N, L)` from lists in one cell, as in "red|large"; an empty cell has no labels."""
    index = {label: position for position, label in enumerate(labels)}
    # A label contains neither the separator nor one that comes before it in the order of preference.
    first_inside = next((mark for mark in SEPARATORS if any(mark in label for label in labels)), None)
    separators = SEPARATORS if first_inside is None else SEPARATORS[: SEPARATORS.index(first_inside)]
    separator = find_separator(cells.values, separators)
    has = np.zeros((len(cells.values) + 1, len(labels)), dtype=np.int64)  # the last row is for an empty cell
    for row, value in enumerate(cells.values):
        for label in split_labels(value, separator):
            if label not in index:
                raise DataError(
                    f"{shorten(label)} is not a label of the model",
                    where=f"column {name!r}",
                    fix=f"use one of its labels: {name_list(labels, 10)}",
                )
            has[row, index[label]] = 1
    return has[cells.codes]


def _class_indices(name: str, classes: Sequence[str], cells: Cells) -> NDArray[np.int64]:
    """Returns class indices `(N,)`, -1 if a cell is missing.

    1.0 in one file and 1 in another are the same class, and so are spellings of true and false.
    """
    index = {label: position for position, label in enumerate(classes)}
    by_number = {_as_number(label): position for label, position in index.items()}
    by_number.pop(None, None)
    two_truths = len(classes) == 2 and are_truth_values(classes)
    by_truth = {truth_of(label): position for label, position in index.items()} if two_truths else {}

    def index_of(value: str) -> int:
        number, truth = by_number.get(_as_number(value)), by_truth.get(truth_of(value))
        return index.get(value, next((at for at in (number, truth) if at is not None), -2))

    indices = list(map(index_of, cells.values))
    if -2 in indices:
        raise DataError(
            f"{shorten(cells.values[indices.index(-2)])} is not a class of the model",
            where=f"column {name!r}",
            fix=f"correct these rows or leave them out; the classes are {name_list(classes, 10)}",
        )
    return np.array([*indices, -1], dtype=np.int64)[cells.codes]


def _as_number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return None if number.is_nan() else number

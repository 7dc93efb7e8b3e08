"""Reads the targets of images from the names of their files, such as `7AB3_0001.png` or `cat.12.jpg`.

A name is read as a row of columns: `name` is all of it but the suffix, `prefix` what stands before its last number, and
`part1`, `part2` ... what stands between its marks, if all names have as many parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from dltrain.data.cells import name_list, nearest
from dltrain.data.column_names import pick_column
from dltrain.data.folder_tree import read_tree, spell_path
from dltrain.data.nouns import count, verb
from dltrain.data.split_names import split_of
from dltrain.errors import DataError, DltrainError
from dltrain.kinds.image.files import IMAGES
from dltrain.kinds.image.label_rows import LabelColumns, label_rows
from dltrain.kinds.image.labelled import Labelled
from dltrain.kinds.labels import TASKS, read_strings
from dltrain.kinds.strings import are_strings
from dltrain.kinds.target import infer_task

NAMES = "names"  # as `data.labels`
FILE, SPLIT = "file", "split"  # columns beside the parts of names
FEWEST_OF_A_CLASS, SMALLEST_CLASS = 2, 4  # images of any class, and on average
NAMED = 3  # values that a message names
PREFIX = re.compile(r"(.*?)[\W_]*\d+[\W_]*")
MARKS = re.compile(r"[\W_]+")


def from_names(folder: Path, columns: LabelColumns, task: str) -> Labelled:
    """Returns the images below a folder, whose targets are parts of their names.

    Args:
        folder: the folder, with folders of splits or without.
        columns: the parts that the user names.
        task: the task; `auto` decides by the parts.

    Raises:
        DataError: there are no images, or it is not certain which part is the target.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {problem}", where="data.path", fix="name the folder of the images")
    tree = read_tree(folder, IMAGES)
    files = tree.root.samples
    if not files:
        raise DataError(f"{folder} contains no images", where="data.path", fix="name the folder of the images")
    frame = _rows(folder, files)
    training = _is_training(frame)
    part = _choose(frame[training], columns.target, task)
    if columns.group is not None:
        pick_column(frame, "group", columns.group, "")
    if columns.use:
        raise DataError(
            "data.use joins columns of a table to the images, and the names of files are no table",
            where="data.use",
            fix="leave it out, or write the names into a table, data.labels=FILE",
            override="data.use=[]",
        )
    unlabelled = _unlabelled(frame, training, part)
    notes = [
        f"{name}/ has no labels in its names: its {count(number, 'image')} {verb(number, 'is', 'are')} not used; "
        f"predict {verb(number, 'it', 'them')}: dltrain predict RUN {spell_path(folder / name)}"
        for name in unlabelled
        for number in [int((frame[SPLIT] == name).sum())]
    ]
    used = np.flatnonzero(~frame[SPLIT].isin(unlabelled))
    frame = frame.iloc[used].reset_index(drop=True)
    first = frame.iloc[0]
    notes.append(f"labels by the names of files, their {part}: {first[FILE]} is {first[part]!r}")
    target = "class"
    if task == TASKS["string"] or (task == "auto" and are_strings(read_strings(frame[part])) != "no"):
        target = "text"
    frame[target] = frame[part]
    chosen = [files[row] for row in used.tolist()]
    notes += tree.notes()
    labelled = label_rows(folder, chosen, frame, FILE, [target], columns, task, notes)
    return replace(labelled, file_column=None, name_part=part)


def parts_of(file: Path) -> dict[str, str | None]:
    """Returns what the name of a file holds, by the names of its columns; `None` where it holds nothing of the kind."""
    stem = unicodedata.normalize("NFC", spell_path(file.stem))
    before = PREFIX.fullmatch(stem)
    prefix = before[1] if before else stem
    parts = [part for part in MARKS.split(stem) if part]
    numbered = {f"part{number + 1}": part for number, part in enumerate(parts)}
    return {"name": stem, "prefix": prefix or None, **numbered}


def propose_names(folder: Path, error: DataError) -> DataError:
    """Returns the error, with the names of files as its fix if they seem to hold the labels of the images."""
    files = read_tree(folder, IMAGES).root.samples if folder.is_dir() else []
    if not files:
        return error
    frame = _rows(folder, files)
    frame = frame[_is_training(frame)]
    candidates = _candidates(frame, "auto") or _candidates(frame, TASKS["string"], certain=False)
    if not candidates:
        return error
    examples = _examples(frame, candidates[0])
    fix = f"if the names of the images hold their labels, such as {examples}, say so"
    return DataError(error.what, error.where, fix, f"data.labels={NAMES}", replaces="data.labels")


def _rows(folder: Path, files: Sequence[Path]) -> pd.DataFrame:
    """Returns a row for each file: its path below the folder, its folder if that is called as a split, its parts."""
    rows: list[Mapping[str, str | None]] = []
    for file in files:
        path = file.relative_to(folder)
        above = path.parts[0] if len(path.parts) > 1 and split_of(path.parts[0]) else ""
        rows.append({FILE: spell_path(path), SPLIT: spell_path(above), **parts_of(file)})
    return pd.DataFrame(rows, dtype=object)


def _is_training(frame: pd.DataFrame) -> np.ndarray:
    """Tells which images are for training: those in folders that are called so, or all if there are none."""
    training = {name for name in set(frame[SPLIT]) if (named := split_of(name)) and named.use == "train"}
    return np.asarray(frame[SPLIT].isin(training)) if training else np.ones(len(frame), dtype=bool)


def _columns(frame: pd.DataFrame) -> list[str]:
    """Returns the columns that all names have, the parts first; parts only if all names have as many."""
    parts = [name for name in frame.columns if name.startswith("part")]
    even = bool(frame[parts].notna().all(axis=None)) and len(parts) > 1
    return [*(parts if even else []), *(name for name in ("prefix", "name") if frame[name].notna().all())]


def _choose(frame: pd.DataFrame, given: str | Sequence[str] | None, task: str) -> str:
    """Returns the column to predict: the given one, or the only one that holds labels.

    Raises:
        DataError: there is no such column, or none holds labels, or several do.
    """
    columns = [name for name in frame.columns if name not in (FILE, SPLIT)]
    if given:
        (part, *others) = [given] if isinstance(given, str) else given
        if part in columns and not others:
            return part
        near = nearest(str(part), columns)
        raise DataError(
            "one part of the names is predicted" if others else f"the names have no {part!r}",
            where="data.target",
            fix=f"choose one: {_described(frame, columns)}",
            override=f"data.target={part if part in columns else near[0] if near else columns[0]}",
        )
    candidates = _candidates(frame, task)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates and (few := _candidates(frame, TASKS["string"], certain=False)):
        return few[0]
    working = candidates or [name for name in _columns(frame) if _can_be_target(frame[name], task)]
    what = "may be labels" if candidates else "are not certainly labels"
    raise DataError(
        f"several parts of the names {what}"
        if candidates
        else f"the names of the images {what}, such as {name_list(frame[FILE].tolist(), NAMED)}",
        where="data.target",
        fix=f"choose what is to be predicted: {_described(frame, candidates or columns)}"
        + ("" if working else "; if none of these is a label, name the images and their labels in a table"),
        override=f"data.target={working[0]}" if working else "",
    )


def _candidates(frame: pd.DataFrame, task: str, *, certain: bool = True) -> list[str]:
    """Returns the columns that hold labels for a task, of those that say the same of all images the longest one."""
    chosen: dict[tuple[int, ...], str] = {}
    for name in _columns(frame):
        if not _holds_labels(frame[name], task, certain=certain):
            continue
        codes = tuple(pd.factorize(frame[name])[0].tolist())
        other = chosen.get(codes)
        if other is None or frame[name].str.len().sum() > frame[other].str.len().sum():
            chosen[codes] = name
    return list(chosen.values())


def _holds_labels(column: pd.Series, task: str, *, certain: bool) -> bool:
    """Tells whether a part of the names certainly holds classes, or strings to be read character by character; or may
    hold such strings."""
    if task in ("auto", TASKS["class"]):
        counts = column.value_counts()
        few = 2 <= len(counts) <= len(column) / SMALLEST_CLASS and counts.min() >= FEWEST_OF_A_CLASS
        if few and all(any(map(str.isalpha, value)) for value in counts.index):
            return True
    if task not in ("auto", TASKS["string"]):
        return False
    likelihood = are_strings(read_strings(column))
    return likelihood == "certain" or (likelihood == "possible" and (not certain or task != "auto"))


def _can_be_target(column: pd.Series, task: str) -> bool:
    """Tells whether a part of the names can be predicted: it varies, does not count the images, and repeats if it is a
    class."""
    values = column.tolist()
    numbers = sorted(int(value) for value in values if value.isdecimal())
    counting = len(numbers) == len(values) == len(set(numbers)) and numbers[-1] - numbers[0] < 2 * len(numbers)
    if len(set(values)) < 2 or counting:
        return False
    try:
        goal = infer_task(pd.DataFrame({"class": column}, dtype=object), task, strings=True)
    except DltrainError:
        return False
    return goal.form != "class" or bool(column.value_counts().min() >= FEWEST_OF_A_CLASS)


def _unlabelled(frame: pd.DataFrame, training: np.ndarray, part: str) -> list[str]:
    """Returns the folders of splits in which no name holds a label as those of training do."""
    labels = frame[part][training].dropna()
    known, characters = set(labels), set("".join(labels))
    lengths = set(labels.str.len())
    strings = are_strings(read_strings(labels)) != "no"

    def is_label(value: str | None) -> bool:
        if value is None or not strings:
            return value in known
        return len(value) in lengths and set(value) <= characters

    folders = dict.fromkeys(frame[SPLIT][~training])
    return [name for name in folders if not any(map(is_label, frame[part][frame[SPLIT] == name]))]


def _described(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    return "; ".join(f"{name} ({_examples(frame, name)})" for name in columns)


def _examples(frame: pd.DataFrame, name: str) -> str:
    values = frame[name].dropna().drop_duplicates()
    return name_list(values.tolist()[:NAMED], NAMED) + (", ..." if len(values) > NAMED else "")


def labels_by_name(files: Sequence[str | PathLike[str]], part: str, target: str) -> pd.DataFrame:
    """Returns the labels of new files as a table with the column of the target.

    Args:
        files: the files.
        part: of their names that is the target, as training read it.
        target: the name of the target.
    """
    return pd.DataFrame({target: [parts_of(Path(file)).get(part) for file in files]}, dtype=object)

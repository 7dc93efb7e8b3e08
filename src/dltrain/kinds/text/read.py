"""Reads labelled texts from tables or class folders, or generates them; does not split them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from dltrain.data.cells import name_list, nearest
from dltrain.data.class_folders import find_splits, refuse_bad
from dltrain.data.column_names import pick_column
from dltrain.data.folder_tree import FileType, spell_path
from dltrain.data.samples.texts import write_reviews
from dltrain.data.table_files import read_table
from dltrain.data.table_format import TableFormat
from dltrain.data.text_files import SUFFIXES, read_each
from dltrain.errors import DataError, named_by
from dltrain.types import SplitName

OnBad = Literal["error", "skip"]
LABEL_NAMES = (
    "label|labels|class|category|sentiment|target|标签|类别|分类|情感|情感倾向"  # of columns, as `plain` spells
)
TEXTS = FileType("texts", SUFFIXES, "class/*.txt, or give a CSV file")


@dataclass(frozen=True)
class Columns:
    """The columns of a table that the user gives.

    Args:
        target: the column to predict; None to infer it.
        text: the column of texts; None to infer it.
        group: the column whose equal values stay in one split; None for no such column.
    """

    target: str | None = None
    text: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Source:
    """Texts before they are split.

    Args:
        frames: the texts of the files or folders that the user gives, by split; other splits are cut from `train`.
        target: the column to predict.
        text: the column to read.
        notes: what was inferred.
        has_splits: whether the source has its own splits, so that the user cannot give files for them.
    """

    frames: Mapping[SplitName, pd.DataFrame]
    target: str
    text: str
    notes: tuple[str, ...] = ()
    has_splits: bool = False

    def check(self, columns: Columns, split_files: Mapping[SplitName, str]) -> None:
        """Refuses columns and files that this source does not support.

        Raises:
            DataError: the user gives one.
        """
        for key, named, own in (("target", columns.target, self.target), ("text", columns.text, self.text)):
            if named not in (None, own):
                raise DataError(f"there is no column {named!r}", where=f"data.{key}", override=f"data.{key}={own}")
        if columns.group is not None and columns.group not in self.frames["train"].columns:
            raise DataError(f"there is no column {columns.group!r}", where="data.group", override="data.group=null")
        if self.has_splits and split_files:
            key = f"data.{next(iter(split_files))}_path"
            raise DataError("a folder has its own splits", where=key, fix="leave it out", override=f"{key}=null")


def generate_reviews(rows: int, seed: int) -> Source:
    """Returns generated reviews."""
    texts, labels = write_reviews(rows, seed)
    frame = pd.DataFrame({"text": texts, "sentiment": labels}, dtype=object)
    notes = (f"generated {rows:,} short reviews; give your own with data.path",)
    return Source({"train": frame}, "sentiment", "text", notes, has_splits=True)


def read_class_folders(folder: Path, encoding: str, on_bad: OnBad) -> Source:
    """Returns text files, each labelled by its folder.

    Args:
        folder: a folder of `class/*.txt` or `train|val|test/class/*.txt`.
        encoding: a Python encoding name, or `auto`.
        on_bad: whether a file that is empty or cannot be read is refused or left out.

    Raises:
        DataError: there are no such folders, files are refused, or too few are left.
    """
    folders = find_splits(folder, TEXTS)
    splits = folders.splits
    frames: dict[SplitName, pd.DataFrame] = {}
    notes = folders.notes
    bad: list[tuple[Path, str]] = []
    for name, split in splits.items():
        texts, guesses = read_each(split.files, encoding)
        reasons = [_why_bad(text) for text in texts]
        bad += [(file, reason) for file, reason in zip(split.files, reasons, strict=True) if reason]
        names = [spell_path(file.relative_to(folder)) for file in split.files]
        frame = pd.DataFrame({"text": texts, "class": map(spell_path, split.labels)}, index=names, dtype=object)
        frames[name] = frame[[not reason for reason in reasons]]
        notes += guesses
    if on_bad == "error":
        refuse_bad(bad, sum(len(split.files) for split in splits.values()), folder, "texts")
    if bad:
        notes += (f"left out {len(bad)} texts that cannot be read, such as {spell_path(bad[0][0].name)}",)
    few = [name for name, frame in frames.items() if frame["class"].nunique() < (2 if name == "train" else 1)]
    if few:
        raise DataError(
            f"too few texts of the {few[0]} split can be read", where=str(folder), fix="correct them, or add more"
        )
    return Source(frames, "class", "text", tuple(dict.fromkeys(notes)), has_splits=True)


def _why_bad(text: str | DataError) -> str:
    """Returns why a file cannot be used; empty if it can."""
    if isinstance(text, DataError):
        return text.what
    return "" if text.strip() else "it is empty"


def read_tables(files: Mapping[SplitName, str], columns: Columns, form: TableFormat) -> Source:
    """Returns a table of texts and labels, and tables of the same columns for other splits.

    Args:
        files: the files by split, always with `train`.
        columns: the columns that the user gives.
        form: the format of CSV files.

    Raises:
        DataError: a file cannot be read, or a column is missing or cannot be inferred.
    """
    frames: dict[SplitName, pd.DataFrame] = {}
    notes: list[str] = []
    for name, path in files.items():
        with named_by("data.path" if name == "train" else f"data.{name}_path"):
            frame, guesses = read_table(path, form.encoding, form.delimiter, form.header)
        frames[name] = frame.reset_index(drop=True)
        notes += guesses if name == "train" else [f"{name}: the {len(frame)} rows of {path}"]
    train = frames["train"]
    _check_columns(train, columns)
    text = _choose_text(train, columns, notes) if columns.text is None else columns.text
    target = _choose_target(train, text, columns, notes) if columns.target is None else columns.target
    for name, frame in frames.items():
        for column in (text, target):
            if column not in frame.columns:
                raise DataError(
                    f"the {name} file has no column {column!r}",
                    where=f"data.{name}_path",
                    fix=f"add it or rename one of its columns: {name_list(frame.columns)}",
                )
    return Source(frames, target, text, tuple(notes))


def _check_columns(frame: pd.DataFrame, columns: Columns) -> None:
    for key, name in (("target", columns.target), ("text", columns.text), ("group", columns.group)):
        if name is not None and name not in frame.columns:
            raise DataError(
                f"the table has no column {name!r}",
                where=f"data.{key}",
                fix=f"name one of its columns: {name_list(frame.columns)}",
                override=f"data.{key}={near[0]}" if (near := nearest(name, frame.columns)) else "",
            )
    if columns.text is not None and columns.text == columns.target:
        raise DataError(
            f"the column {columns.target!r} cannot be both the text and the target",
            where="data.text",
            fix="leave data.text out, to use the column with the longest cells",
            override="data.text=null",
        )


def _choose_text(frame: pd.DataFrame, columns: Columns, notes: list[str]) -> str:
    """Returns the column with the longest cells, and adds a note about it."""
    candidates = _others(frame, (columns.target, columns.group))
    if not candidates:
        raise DataError("the table has no column of texts", where="data.path", fix="give one in addition to the target")
    text = max(candidates, key=lambda name: float(frame[name].fillna("").astype(str).str.len().mean()))
    if len(candidates) > 1:
        notes.append(f"the texts are in {text}, which has the longest cells (choose another with data.text)")
    return text


def _choose_target(frame: pd.DataFrame, text: str, columns: Columns, notes: list[str]) -> str:
    """Returns the column with a usual name of labels, or the only other one, and adds a note about it."""
    candidates = _others(frame, (text, columns.group))
    target = pick_column(frame, "target", None, LABEL_NAMES, (text, columns.group or ""))
    if target is None and len(candidates) == 1:
        (target,) = candidates
    if target is None:
        raise DataError(
            "there is no target: which column should be predicted?",
            where="data.target",
            fix=f"choose one of {name_list(candidates)}"
            if candidates
            else "give a column of labels in addition to the texts",
            override=f"data.target={candidates[-1]}" if candidates else "",
        )
    reason = "the only other column" if len(candidates) == 1 else "by its name"
    notes.append(f"predicts {target}, {reason} (choose another with data.target)")
    return target


def _others(frame: pd.DataFrame, taken: Sequence[str | None]) -> list[str]:
    return [name for name in frame.columns if name not in taken]

"""Reads labelled texts from tables, or generates them; does not split them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dltrain.data.cells import name_list, nearest
from dltrain.data.samples.texts import write_reviews
from dltrain.data.table_files import read_file
from dltrain.data.table_format import AUTO, NONE, TableFormat
from dltrain.data.text_files import SUFFIXES
from dltrain.errors import DataError, named_by
from dltrain.kinds.split_column import follow_column
from dltrain.kinds.text.columns import (
    Content,
    choose_texts,
    describe,
    describe_unused,
    find_excerpts,
    find_joinable,
    judge_columns,
    spells_target,
    why_data,
)
from dltrain.kinds.text.source import Columns, Source, as_value
from dltrain.kinds.text.targets import choose_target
from dltrain.types import SPLITS, SplitName


def generate_reviews(rows: int, seed: int) -> Source:
    """Returns generated reviews."""
    texts, labels = write_reviews(rows, seed)
    frame = pd.DataFrame({"text": texts, "sentiment": labels}, dtype=object)
    notes = (f"generated {rows:,} short reviews; give your own with data.path",)
    return Source({"train": frame}, ("sentiment",), ("text",), notes, has_splits=True)


def read_tables(files: Mapping[SplitName, str], columns: Columns, form: TableFormat) -> Source:
    """Returns a table of texts and labels, and tables of the same columns for other splits.

    Args:
        files: the files by split, always with `train`.
        columns: the columns that the user gives.
        form: the format of CSV files.

    Raises:
        DataError: a file cannot be read, or a column is missing or cannot be inferred.
    """
    train, notes, has_header = read_headed(files["train"], form)
    frames: dict[SplitName, pd.DataFrame] = {"train": train}
    for name, path in files.items():
        if name != "train":
            with named_by(f"data.{name}_path"):
                frame, _ = read_file(path, form if has_header else replace(form, header=NONE))
            frames[name] = frame.reset_index(drop=True)
            notes.append(f"{name}: the {len(frame)} rows of {path}")
    _check_columns(train, columns)
    contents = judge_columns(train)
    text = columns.text or _choose_texts(train, contents, columns, notes)
    target = columns.target
    if not target:
        target, reason = choose_target(train, contents, columns.task, (*text, *columns.use, columns.group))
        notes.append(f"predicts {name_list(target)}, {reason} (choose another with data.target)")
    used = (*text, *target, *columns.use, columns.group)
    if len(frames) == 1:
        followed = follow_column(train, used)
        frames = {name: train[followed.splits == SPLITS.index(name)] for name in ("train", *followed.given)}
        notes += followed.notes
        used = (*used, *followed.columns)
    notes += note_others(train, contents, target, columns.use, used)
    for name, frame in frames.items():
        for column in (*text, *target, *columns.use):
            if column not in frame.columns:
                raise DataError(
                    f"the {name} file has no column {column!r}",
                    where=f"data.{name}_path",
                    fix=f"add it or rename one of its columns: {name_list(frame.columns)}",
                )
    is_text_file = Path(files["train"]).suffix.lower() in SUFFIXES
    return Source(frames, target, text, tuple(notes), has_header=has_header, is_text_file=is_text_file, use=columns.use)


def note_others(
    frame: pd.DataFrame,
    contents: Mapping[str, Content],
    target: Sequence[str],
    use: Sequence[str],
    taken: Sequence[str | None],
) -> list[str]:
    """Returns notes on columns without a role, and on those that join the texts and tell the target by themselves.

    Args:
        frame: the table.
        contents: what its columns carry.
        target: the columns to predict.
        use: columns that join the texts.
        taken: all columns that have a role.
    """
    notes, joinable = [], find_joinable(frame, contents, target, taken)
    if joinable:
        key, several = f"data.use=[{','.join((*use, *joinable))}]", len(joinable) > 1
        are = f"the columns {name_list(joinable, 10)} are" if several else f"the column {joinable[0]} is"
        notes.append(f"{are} not used: {key} joins {'them' if several else 'it'} to the texts")
    if unused := describe_unused(contents, (*taken, *joinable)):
        notes.append(unused)
    named = name_list(target)
    telling = [name for name in use if spells_target(frame, name, target)]
    return [
        *notes,
        *(f"{name} alone tells {named} in nearly all rows: is it known before {named}?" for name in telling),
    ]


def read_headed(path: str, form: TableFormat) -> tuple[pd.DataFrame, list[str], bool]:
    """Returns the table in a file, notes on how it was read, and whether its columns have names there."""
    with named_by("data.path"):
        frame, notes = read_file(path, form)
        has_header = form.header != NONE and not any(note.startswith("no header line") for note in notes)
        if form.header == AUTO and has_header and (reason := why_data(frame, judge_columns(frame))):
            with suppress(DataError):  # a file that has names for its columns, such as JSON
                whole, notes = read_file(path, replace(form, header=NONE))
                if len(whole) > len(frame):
                    said = f"no header line, because {reason}: columns are called column_1, column_2, ..."
                    return whole.reset_index(drop=True), [*notes, f"{said} (data.header=first if it is one)"], False
    return frame.reset_index(drop=True), list(notes), has_header


def _check_columns(frame: pd.DataFrame, columns: Columns) -> None:
    group = () if columns.group is None else (columns.group,)
    named = {"target": columns.target, "text": columns.text, "group": group, "use": columns.use}
    for key, names in named.items():
        for name in names:
            if name not in frame.columns:
                near = nearest(name, frame.columns)
                corrected = [near[0] if other == name and near else other for other in names]
                raise DataError(
                    f"the table has no column {name!r}",
                    where=f"data.{key}",
                    fix=f"name one of its columns: {name_list(frame.columns)}",
                    override=f"data.{key}={as_value(corrected)}" if near else "",
                )
    if twice := [name for name in columns.use if name in (*columns.target, *columns.text, columns.group)]:
        left = [name for name in columns.use if name not in twice]
        raise DataError(
            f"the column {twice[0]!r} has another role already, so it cannot join the texts",
            where="data.use",
            fix="leave it out",
            override=f"data.use=[{','.join(left)}]",
        )
    if both := [name for name in columns.text if name in columns.target]:
        left = [name for name in columns.text if name not in columns.target]
        raise DataError(
            f"the column {both[0]!r} cannot be both the text and the target",
            where="data.text",
            fix="leave it out" if left else "leave data.text out, to use the columns that carry words",
            override=f"data.text={as_value(left)}" if left else "data.text=null",
        )


def _choose_texts(
    frame: pd.DataFrame, contents: Mapping[str, Content], columns: Columns, notes: list[str]
) -> tuple[str, ...]:
    """Returns the columns of texts, and adds a note about them."""
    taken = (*columns.target, *columns.use, columns.group)
    text, reason = choose_texts(contents, taken)
    if not text:
        free = {name: content for name, content in contents.items() if name not in taken}
        others = name_list(describe(free), 10)
        readable = [name for name, content in free.items() if content.carries in ("codes", "links", "paths")]
        raise DataError(
            f"the table has no column of texts, only {others}" if others else "the table has no column of texts",
            where="data.text" if readable else "data.path",
            fix="give one in addition to the target" + (", or say which of these to read as texts" if readable else ""),
            override=f"data.text={readable[0]}" if readable else "",
        )
    if sum(name not in taken for name in contents) > 1:
        excerpts = find_excerpts(frame, text)
        text = tuple(name for name in text if name not in excerpts)
        notes.append(f"the texts are in {name_list(text)}, {reason} (choose others with data.text)")
        notes += [f"{name} is not read: its texts are parts of those in {whole}" for name, whole in excerpts.items()]
    return text

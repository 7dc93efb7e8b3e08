"""Reads pairs of a source and its answer, from tables or from two files of parallel lines; does not split them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from dltrain.data.cells import name_list, shorten
from dltrain.data.files import check_file
from dltrain.data.table_files import START, content_of
from dltrain.data.table_format import AUTO, NONE, TableFormat
from dltrain.data.text_files import read_texts
from dltrain.errors import DataError, named_by
from dltrain.kinds.pairs.columns import choose_columns, is_usual
from dltrain.kinds.pairs.encoder import cells_of, plain
from dltrain.kinds.text.read import read_headed
from dltrain.types import SplitName

SHOWN = 3  # rows that a note names
SENTENCE, ENDS = 4, (".", "!", "?", "。", "！", "？", "…")  # words of a sentence at least, or how it ends


@dataclass(frozen=True)
class Files:
    """The files of a split: a table, or two files of which each line of the second answers that of the first."""

    path: str
    target_path: str | None = None


@dataclass(frozen=True)
class Source:
    """Pairs before they are split.

    Args:
        frames: the pairs of the files that the user gives, by split; others are cut from `train`.
        text: the column of sources.
        target: the column of answers.
        notes: what was inferred.
        has_header: whether the columns have names in the source.
    """

    frames: Mapping[SplitName, pd.DataFrame]
    text: str
    target: str
    notes: tuple[str, ...] = ()
    has_header: bool = True


def read_source(files: Mapping[SplitName, Files], text: str | None, target: str | None, form: TableFormat) -> Source:
    """Returns the pairs in the files of each split, always with `train`, without those that lack a part.

    Args:
        files: by split.
        text: the column of sources that the user gives.
        target: the column of answers that the user gives.
        form: the format of CSV files.

    Raises:
        DataError: a file cannot be read, or which columns are meant is open, or no pair is left.
    """
    frame, notes, has_header = _read(files["train"], form, "data.path", "data.target_path")
    if files["train"].target_path is None:
        text, target, reason = choose_columns(frame, text, target)
        if reason:
            notes.append(
                f"sources are in {text} and answers in {target}, {reason} (choose others with data.text, data.target)"
            )
        if others := [name for name in frame.columns if name not in (text, target)]:
            notes.append(f"not used: {name_list(others, 10)}")
    else:
        text, target = map(str, frame.columns)
    frames: dict[SplitName, pd.DataFrame] = {"train": _complete(frame, text, target, "data.path", notes)}
    for name, given in files.items():
        if name != "train":
            keys = f"data.{name}_path", f"data.{name}_target_path"
            other, _, _ = _read(given, form if has_header else replace(form, header=NONE), *keys)
            if given.target_path is not None:
                other = other.set_axis([text, target], axis="columns")
            if absent := next((column for column in (text, target) if column not in other.columns), None):
                raise DataError(
                    f"the {name} file has no column {absent!r}",
                    where=keys[0],
                    fix=f"add it or rename one of its columns: {name_list(other.columns)}",
                )
            notes.append(f"{name}: the {len(other):,} pairs of {given.path}")
            frames[name] = _complete(other, text, target, keys[0], notes)
    return Source(frames, text, target, tuple(notes), has_header)


def _read(files: Files, form: TableFormat, key: str, target_key: str) -> tuple[pd.DataFrame, list[str], bool]:
    """Returns the table of a split, notes on how it was read, and whether its columns have names there."""
    if files.target_path is not None:
        frame, notes = _read_lines(files.path, files.target_path, form.encoding, key, target_key)
        return frame, notes, True
    with named_by(key):
        if form.delimiter == AUTO and _has_tabs(Path(files.path).expanduser()):
            form = replace(form, delimiter="tab")
        frame, notes, has_header = read_headed(files.path, form)
        if not has_header or form.header != AUTO or any(map(is_usual, map(str, frame.columns))):
            return frame, notes, has_header
        first = " and ".join(shorten(str(name)) for name in frame.columns[:2])
        if any(_is_sentence(str(name)) for name in frame.columns):
            frame, notes, _ = read_headed(files.path, replace(form, header=NONE))
            notes.append(
                f"the first line is a pair, because it has sentences: {first} (data.header=first if it is none)"
            )
            return frame, notes, False
    return frame, [*notes, f"the first line names the columns: {first} (data.header=none if it is a pair)"], True


def _has_tabs(path: Path) -> bool:
    """Tells whether every line at the beginning of a text file has the same number of tabs, at least one."""
    file = check_file(path)
    with file.open("rb") as opened:
        head = opened.read(START)
    if content_of(head, file) != "text":
        return False
    lines = head.split(b"\n")
    counts = {line.count(b"\t") for line in (lines[:-1] or lines) if line.strip()}
    return len(counts) == 1 and counts != {0}


def _is_sentence(name: str) -> bool:
    """Tells whether a cell of the first line is rather a text than the name of a column."""
    return len(name.split()) >= SENTENCE or name.rstrip().endswith(ENDS)


def _read_lines(
    path: str, target_path: str, encoding: str, key: str, target_key: str
) -> tuple[pd.DataFrame, list[str]]:
    """Returns the lines of two files beside each other, and what was guessed about their encoding.

    Raises:
        DataError: one cannot be read, or they have different numbers of lines.
    """
    names: list[str] = []
    columns: list[list[str]] = []
    notes: list[str] = []
    for one, where in ((path, key), (target_path, target_key)):
        with named_by(where):
            file = check_file(Path(one).expanduser())
            (content,), guesses = read_texts([file], encoding)
        lines = content.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        columns.append(lines[:-1] if lines[-1] == "" else lines)
        names.append(file.suffix.removeprefix(".") or file.name)
        notes += guesses
    source, answer = map(len, columns)
    if source != answer:
        raise DataError(
            f"{path} has {source:,} lines and {target_path} {answer:,}, so that they do not belong together",
            where=target_key,
            fix="give two files in which each line answers the same line of the other",
        )
    if names[0] == names[1]:
        names = ["source", "answer"]
    return pd.DataFrame(dict(zip(names, columns, strict=True)), dtype=object), list(dict.fromkeys(notes))


def _complete(frame: pd.DataFrame, text: str, target: str, key: str, notes: list[str]) -> pd.DataFrame:
    """Returns the pairs that have both parts, and adds a note on the others.

    Raises:
        DataError: none is left.
    """
    sources, answers = ([plain(cell) for cell in cells_of(frame[name])] for name in (text, target))
    pairs = frame.astype(object).assign(**{text: sources, target: answers})
    for name, cells, other in ((text, sources, "source"), (target, answers, "answer")):
        empty = [row for row, cell in zip(frame.index, cells, strict=True) if not cell]
        if empty:
            rows = name_list(empty, SHOWN)
            notes.append(f"left out {len(empty):,} pairs without {other}, in {name}, such as row {rows}")
    whole = pairs[(pairs[text] != "") & (pairs[target] != "")]
    if whole.empty:
        raise DataError("no row has both a source and an answer", where=key, fix="give a table of pairs")
    return whole

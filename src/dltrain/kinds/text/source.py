"""Labelled texts as they come from a file or folder, before they are split."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.errors import DataError
from dltrain.kinds.table.encoder import names_of_rows
from dltrain.kinds.text.cleaning import clean_texts, find_rules
from dltrain.types import SplitName

SOME = 0.01  # share of texts with several lines, up to which a text is a line


@dataclass(frozen=True)
class Columns:
    """The columns of a table that the user gives.

    Args:
        target: the columns to predict; empty to infer them.
        text: the columns of texts; empty to infer them.
        group: the column whose equal values stay in one split; None for no such column.
        task: the task that the target has to fit.
        use: columns that join the texts.
    """

    target: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    group: str | None = None
    task: str = "auto"
    use: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Texts before they are split.

    Args:
        frames: the texts of the files or folders that the user gives, by split; other splits are cut from `train`.
        target: the columns to predict.
        text: the columns to read.
        notes: what was inferred.
        has_splits: whether the source has its own splits, so that the user cannot give files for them.
        has_header: whether the columns have names in the source.
        is_text_file: whether the table is in a file whose name ends as that of a single text.
        are_files: whether each text is a file.
        has_bare_files: whether files with one text each have names without a suffix.
        use: columns that join the texts.
        clean: the names of the rules by which the texts were cleaned.
    """

    frames: Mapping[SplitName, pd.DataFrame]
    target: tuple[str, ...]
    text: tuple[str, ...]
    notes: tuple[str, ...] = ()
    has_splits: bool = False
    has_header: bool = True
    is_text_file: bool = False
    are_files: bool = False
    has_bare_files: bool = False
    use: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()

    def cleaned(self) -> Source:
        """Returns the same texts, cleaned by the rules that they need, and notes about them."""
        cells = [frame[name].dropna().astype(str).tolist() for frame in self.frames.values() for name in self.text]
        rules, notes = find_rules(list(chain(*cells)))
        if not rules:
            return replace(self, notes=(*self.notes, *notes))
        frames = {
            name: frame.assign(**{column: _clean_column(frame[column], rules) for column in self.text})
            for name, frame in self.frames.items()
        }
        return replace(self, frames=frames, clean=rules, notes=(*self.notes, *notes))

    def holds_lines(self) -> bool:
        """Tells whether each text is a line: in a table, hardly any cell has several."""
        if self.are_files:
            return False
        cells = [text for frame in self.frames.values() for name in self.text for text in frame[name].dropna()]
        return sum("\n" in str(text).strip() for text in cells) <= SOME * len(cells)

    def row_names(self) -> list[str]:
        """Returns the name of each row, file by file, as predictions of a file call it."""
        return [name for frame in self.frames.values() for name in names_of_rows(frame, self.roles)]

    @property
    def roles(self) -> tuple[str, ...]:
        """Returns the columns that are read."""
        return (*self.target, *self.text, *self.use)

    def check(self, columns: Columns, split_files: Mapping[SplitName, str]) -> None:
        """Refuses columns and files that this source does not support.

        Raises:
            DataError: the user gives one.
        """
        for key, named, own in (("target", columns.target, self.target), ("text", columns.text, self.text)):
            if named not in ((), own):
                override = f"data.{key}={as_value(own)}"
                raise DataError(f"there is no column {name_list(named)!r}", where=f"data.{key}", override=override)
        if columns.use != self.use:
            what = "data.use names columns of a table, and there is none"
            raise DataError(what, where="data.use", fix="leave it out", override="data.use=[]")
        if columns.group is not None and columns.group not in self.frames["train"].columns:
            raise DataError(f"there is no column {columns.group!r}", where="data.group", override="data.group=null")
        if self.has_splits and split_files:
            key = f"data.{next(iter(split_files))}_path"
            raise DataError("a folder has its own splits", where=key, fix="leave it out", override=f"{key}=null")


def _clean_column(column: pd.Series[Any], rules: Collection[str]) -> pd.Series[Any]:
    filled = column.notna()
    cleaned = column.astype(object)
    cleaned[filled] = clean_texts(column[filled].astype(str).tolist(), rules)
    return cleaned


def as_value(names: Sequence[str]) -> str:
    """Returns names as the value of a key."""
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"

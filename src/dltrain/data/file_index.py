"""Finds files by what a table writes: with or without folder and suffix."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.data.column_names import plain
from dltrain.data.folder_tree import FileType, is_junk, read_tree, spell_path
from dltrain.data.split_names import split_of
from dltrain.errors import DataError

# Usual names of a column of files, as `plain` spells them, the likeliest first.
COLUMN_NAMES = (
    *("path", "filepath", "file", "filename", "imagepath", "imagefile", "image", "imagename", "imageid", "img"),
    *("imgname", "imgpath", "picture", "photo", "document", "文件", "文件名", "路径", "图片", "id"),
)
ENOUGH = 0.8  # of a column's cells that name files
TRIED = 200  # cells
MOST_NEAR = 20_000  # files that are looked at to tell what a table names


@dataclass(frozen=True)
class FileIndex:
    """The files below a folder, by their names.

    Args:
        files: their paths.
        suffixes: that a table may leave out, or write although the file has none.
    """

    files: tuple[Path, ...]
    suffixes: frozenset[str]

    @classmethod
    def below(cls, folder: Path, wanted: FileType) -> FileIndex:
        """Returns the files below a folder that hold such samples."""
        return cls(tuple(read_tree(folder, wanted).root.samples), frozenset(wanted.suffixes))

    @classmethod
    def near(cls, folder: Path, wanted: FileType) -> FileIndex:
        """Returns some files in a folder, in its folders and in theirs: the first 20,000, by their names alone."""
        files: list[Path] = []
        level = len(folder.parts)
        for inside, folders, names in os.walk(folder):
            here = Path(inside)
            folders[:] = sorted(name for name in folders if not is_junk(name)) if len(here.parts) < level + 2 else []
            files += [here / name for name in names if Path(name).suffix.lower() in wanted.suffixes]
            if len(files) > MOST_NEAR:
                break
        return cls(tuple(files), frozenset(wanted.suffixes))

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        names: dict[str, list[Path]] = defaultdict(list)
        for file in self.files:
            names[_folded(file.name)].append(file)
        return names

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        stems: dict[str, list[Path]] = defaultdict(list)
        for file in self.files:
            stems[self._stem(file.name)].append(file)
        return stems

    @cached_property
    def _by_number(self) -> dict[int, list[Path]]:
        numbers: dict[int, list[Path]] = defaultdict(list)
        for stem, files in self._by_stem.items():
            if stem.isdecimal():
                numbers[int(stem)] += files
        return numbers

    def find(self, cell: str) -> Path | None:
        """Returns the file that a cell names, `None` if there is none.

        Raises:
            DataError: there are several.
        """
        parts = [part for part in _folded(cell).replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts:
            return None
        *folders, name = parts
        files = self._by_name.get(name) or self._by_stem.get(name) or self._by_stem.get(self._stem(name)) or []
        if not files and name.isdecimal():
            files = self._by_number.get(int(name), [])  # a table may have lost the zeros of 007
        for depth in range(len(folders), 0, -1):  # the folders that the cell names, or the last of them
            inside = [file for file in files if _folders_of(file, depth) == folders[-depth:]]
            files = inside or files
            if len(inside) == 1:
                break
        files = [file for file in files if not _in_another_split(file, folders)]
        if len(files) > 1:
            raise DataError(
                f"{cell!r} may be {name_list(map(spell_path, files), 3)}",
                fix="write their folders and suffixes into the table",
            )
        return files[0] if files else None

    def share(self, cells: Sequence[str], *, several: bool = False) -> float:
        """Returns the share of cells that name files, each another one, by some cells of all parts.

        Args:
            cells: of a table.
            several: whether a cell counts that may be one of several files.
        """
        tried = _some(cells)
        files: set[Path | str | None] = set()
        for cell in tried:
            try:
                files.add(self.find(cell))
            except DataError:
                files.add(cell if several else None)
        return len(files - {None}) / max(1, len(tried))

    def _stem(self, name: str) -> str:
        """Returns a folded name without the suffix of such a file."""
        name = _folded(name)
        suffix = Path(name).suffix
        return name.removesuffix(suffix) if suffix in self.suffixes else name


@dataclass(frozen=True)
class _Candidate:
    """A column that may name files.

    Args:
        name: its name.
        cells: those of all rows, or each distinct one where suffixes or the column's name speak for files.
        is_suffixed: whether they end as files do.
        is_likely: whether suffixes, the column's name or zeros before numbers say that it names files.
        holds_numbers: whether all cells are whole numbers, which may be those of files by chance.
    """

    name: str
    cells: Sequence[str]
    is_suffixed: bool
    is_likely: bool
    holds_numbers: bool

    @classmethod
    def of(cls, name: str, cells: Sequence[str], index: FileIndex) -> _Candidate:
        """Returns a column with these cells."""
        is_suffixed = _share_of_suffixes(cells, index.suffixes) >= ENOUGH
        numbers = all(map(str.isdecimal, cells))
        is_named = rank_of_name(name) < len(COLUMN_NAMES)
        zeros = any(cell.startswith("0") and len(cell) > 1 for cell in cells)
        is_likely = is_suffixed or is_named or (numbers and zeros)
        cells = list(dict.fromkeys(cells)) if is_suffixed or is_named else cells
        return cls(name, cells, is_suffixed, is_likely, numbers)


def find_column(
    frame: pd.DataFrame, index: FileIndex, taken: Iterable[str] = (), *, partly: bool = False
) -> str | None:
    """Returns the column of a table whose cells name files, `None` if none do.

    Of several it is the one with the likeliest name; a column `id` and others only if no column has cells with
    suffixes, since a column that counts rows may match files by chance. Numbers in a column of another name, such as
    `age`, name no files, unless they are written with zeros before them.

    Args:
        frame: the table.
        index: the files.
        taken: columns that name none.
        partly: whether a column will do that is called as one of files, or ends as they do, and names some, or several
            files of one name.
    """
    filled = [_Candidate.of(name, cells, index) for name, cells in _filled(frame, taken) if cells]
    columns = [column for column in filled if column.is_likely or not column.holds_numbers]
    shares = {column.name: index.share(column.cells) for column in columns}

    def preferred(chosen: Iterable[_Candidate]) -> str | None:
        def preference(column: _Candidate) -> tuple[int, bool, int, float]:
            rank = rank_of_name(column.name)
            return min(rank, COLUMN_NAMES.index("id")), not column.is_suffixed, rank, -shares[column.name]

        column = min(chosen, key=preference, default=None)
        return None if column is None else column.name

    whole = [column for column in columns if shares[column.name] >= ENOUGH]
    if not partly:
        return preferred(whole)
    some = [column for column in columns if column.is_likely and shares[column.name] > 0 and not column.holds_numbers]
    if some and all(column.holds_numbers for column in whole):
        return preferred(some)  # rather than numbers, which may match by chance
    ambiguous = (column for column in columns if column.is_likely and index.share(column.cells, several=True) >= ENOUGH)
    return preferred(whole) or preferred(ambiguous)


def best_share(frame: pd.DataFrame, index: FileIndex, taken: Iterable[str] = ()) -> tuple[str, float] | None:
    """Returns the column of a table that names most files, and the share of its distinct cells; `None` without one."""
    distinct = {name: list(dict.fromkeys(cells)) for name, cells in _filled(frame, taken)}
    shares = {name: index.share(cells, several=True) for name, cells in distinct.items()}
    best = max(shares, key=lambda name: shares[name] * len(distinct[name]), default=None)
    return None if best is None or not shares[best] else (best, shares[best])


def _filled(frame: pd.DataFrame, taken: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yields the columns that are not taken, with their filled cells."""
    others = set(taken)
    return ((name, frame[name].dropna().astype(str).tolist()) for name in map(str, frame.columns) if name not in others)


def _some(cells: Sequence[str]) -> Sequence[str]:
    """Returns at most 200 cells, evenly spaced."""
    return cells[:: max(1, -(-len(cells) // TRIED))]


def _share_of_suffixes(cells: Sequence[str], suffixes: Collection[str]) -> float:
    tried = _some(cells)
    return sum(Path(cell.strip().lower()).suffix in suffixes for cell in tried) / max(1, len(tried))


def may_name_files(column: pd.Series[Any], wanted: FileType) -> bool:
    """Tells whether a column of a table may name files: by the suffixes in it, or by its name and different cells."""
    cells = column.dropna().astype(str)
    if _share_of_suffixes(cells.tolist(), wanted.suffixes) >= ENOUGH:
        return True
    return bool(len(cells)) and rank_of_name(str(column.name)) < len(COLUMN_NAMES) and cells.is_unique


def rank_of_name(name: str) -> int:
    """Returns how likely a column with this name holds files, the likeliest 0."""
    spelled = plain(name)
    return COLUMN_NAMES.index(spelled) if spelled in COLUMN_NAMES else len(COLUMN_NAMES)


def _in_another_split(file: Path, folders: Sequence[str]) -> bool:
    """Tells whether a file lies in another split's folder than the one that a table names for it."""
    named, lies = (split_of(folder) for folder in (folders[-1] if folders else "", file.parent.name))
    return named is not None and lies is not None and named.use != lies.use


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _folders_of(file: Path, depth: int) -> list[str]:
    return [_folded(part) for part in file.absolute().parts[-depth - 1 : -1]]

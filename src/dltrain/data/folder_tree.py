"""The samples below a folder: links followed once, without hidden files, thumbnails and what programs leave behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from dltrain.data.cells import name_list
from dltrain.data.nouns import count, verb

LEFT_BEHIND = frozenset(  # by file managers, archives, network storage and notebooks
    ["__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__"]
)
ARCHIVE = re.compile(r"\.(zip|rar|7z|tgz|tbz2?|tar(\.(gz|bz2|xz|zst))?)$", re.IGNORECASE)
SUFFIX = re.compile(r"\.[A-Za-z]\w{0,5}")  # that says what a file holds; .1 does not
NOISE = frozenset(["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"])


@dataclass(frozen=True)
class FileType:
    """The files that hold a kind of sample.

    Args:
        noun: what they are, in the plural.
        suffixes: how their names end.
        where: where they belong, such as `class/*.jpg`.
        recognises: tells by its content whether a file without a suffix is one, too.
        refuse: raises a `DataError` for folders that were not made to tell classes.
        find_unused: returns folders without samples that lie beside those of classes and are none.
        read_packed: whether a zip file of them is read as it is.
    """

    noun: str
    suffixes: Collection[str]
    where: str
    recognises: Callable[[Path], bool] | None = None
    refuse: Callable[[Tree], None] | None = None
    find_unused: Callable[[Tree], Collection[Folder]] | None = None
    read_packed: bool = False

    def count(self, number: int) -> str:
        """Returns the number with its noun, such as `1 image` or `12 images`."""
        return count(number, self.noun.removesuffix("s"))

    def holds(self, path: Path) -> bool:
        """Tells whether a file is such a sample, by its name or by its content."""
        if path.suffix.lower() in self.suffixes:
            return True
        unnamed = not SUFFIX.fullmatch(path.suffix)
        return unnamed and self.recognises is not None and path.is_file() and self.recognises(path)


@dataclass(frozen=True)
class Folder:
    """A folder with what lies in it.

    Args:
        path: the folder.
        files: the samples directly in it, in the order of their names.
        others: the other files directly in it.
        folders: the folders in it, in the order of their names.
    """

    path: Path
    files: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    folders: tuple[Folder, ...] = ()

    @property
    def name(self) -> str:
        """Returns the folder's name."""
        return self.path.name

    @property
    def filled(self) -> list[Folder]:
        """Returns the folders in it with samples in them or deeper."""
        return [folder for folder in self.folders if folder.count]

    @cached_property
    def count(self) -> int:
        """Returns how many samples lie in it or deeper."""
        return len(self.files) + sum(folder.count for folder in self.folders)

    @property
    def samples(self) -> list[Path]:
        """Returns the samples in it and deeper, in the order of their paths."""
        return sorted(file for folder in self.walk() for file in folder.files)

    def without(self, left_out: Collection[Path]) -> Folder:
        """Returns the folder without some of those below it, given their paths."""
        folders = tuple(folder.without(left_out) for folder in self.folders if folder.path not in left_out)
        return replace(self, folders=folders)

    def walk(self) -> Iterator[Folder]:
        """Yields the folder and all folders below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()


@dataclass
class Tree:
    """All samples below a folder, and what is worth a note about them.

    Args:
        root: the folder.
        wanted: the samples.
        junk: hidden files and thumbnails that look like samples.
        followed: links to folders.
        repeated: links to folders whose samples are read elsewhere, with that folder.
        back: links to a folder above.
        broken: links that lead nowhere.
    """

    root: Folder
    wanted: FileType
    junk: list[Path] = field(default_factory=list)
    followed: list[Path] = field(default_factory=list)
    repeated: list[tuple[Path, Path]] = field(default_factory=list)
    back: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """Yields what was followed and what was ignored."""
        noun = self.wanted.noun
        if self.followed:
            yield f"followed links to folders: {self._names(self.followed)}"
        for link, first in self.repeated:
            number = len(_samples_in(link.resolve(), self.wanted))
            what = f"its {self.wanted.count(number)} {verb(number, 'is', 'are')} read once"
            yield f"{self.name(link)} is the same folder as {self.name(first)}: {what}"
        if self.back:
            yield f"did not follow {self._names(self.back)}, which leads back to a folder above"
        if self.broken:
            yield f"links that lead nowhere: {self._names(self.broken)}"
        if self.junk:
            what = "hidden file or thumbnail" if len(self.junk) == 1 else "hidden files and thumbnails"
            yield f"ignored {len(self.junk):,} {what}, such as {self.name(self.junk[0])}"
        ignored = [file for folder in self.root.walk() for file in folder.others]
        if packed := [file for file in ignored if ARCHIVE.search(file.name)]:
            are = verb(len(packed), "is", "are")
            yield f"{self._names(packed)} {are} packed and not used: unpack what is to be read"
        if others := [file for file in ignored if not ARCHIVE.search(file.name)]:
            what = f"file that is no {noun.removesuffix('s')}" if len(others) == 1 else f"files that are no {noun}"
            yield f"ignored {len(others):,} {what}, such as {self.name(others[0])}"

    def name(self, path: Path) -> str:
        """Returns a path below the folder as notes spell it."""
        return spell_path(path.relative_to(self.root.path)) if path.is_relative_to(self.root.path) else spell_path(path)

    def _names(self, paths: Sequence[Path]) -> str:
        return name_list(map(self.name, paths), 5)


def read_tree(root: Path, wanted: FileType) -> Tree:
    """Returns the samples below a folder, each real folder once, however many links lead to it.

    Raises:
        OSError: a folder cannot be read.
    """
    tree = Tree(Folder(root), wanted)
    real = {os.path.realpath(folder): Path(folder) for folder, _, _ in os.walk(root)}
    tree.root = _read(root, tree, real)
    return tree


def _read(path: Path, tree: Tree, visited: dict[str, Path]) -> Folder:
    """Returns a folder, and adds to the tree what was ignored.

    Args:
        path: the folder.
        tree: of all folders.
        visited: the real folders that are read elsewhere, with the path that they are read by.
    """
    files: list[Path] = []
    others: list[Path] = []
    folders: list[Folder] = []
    with os.scandir(path) as listed:
        kinds = {item.name: (item.is_symlink(), item.is_dir(follow_symlinks=False)) for item in listed}
    for name, (is_link, is_folder) in sorted(kinds.items()):  # without asking for each file once more what it is
        entry = path / name
        if is_junk(name):
            tree.junk += _samples_in(entry, tree.wanted)
        elif is_link and not entry.exists() and entry.suffix.lower() not in tree.wanted.suffixes:
            tree.broken.append(entry)
        elif is_folder or (is_link and entry.is_dir()):
            if _may_read(entry, tree, visited):
                folders.append(_read(entry, tree, visited))
        elif tree.wanted.holds(entry):
            files.append(entry)
        else:
            others.append(entry)
    return Folder(path, tuple(files), tuple(others), tuple(folders))


def _may_read(folder: Path, tree: Tree, visited: dict[str, Path]) -> bool:
    """Tells whether a folder is to be read here, and adds it to the tree's links if it is one."""
    target = os.path.realpath(folder)
    if not folder.is_symlink():
        elsewhere = visited.setdefault(target, folder)
        if elsewhere != folder:
            tree.repeated.append((folder, elsewhere))
        return elsewhere == folder
    if any(Path(os.path.realpath(above)).is_relative_to(target) for above in (tree.root.path, folder.parent)):
        tree.back.append(folder)
        return False
    if target in visited:
        tree.repeated.append((folder, visited[target]))
        return False
    for below, _, _ in os.walk(target):
        visited.setdefault(os.path.realpath(below), folder / Path(below).relative_to(target))
    tree.followed.append(folder)
    return True


def beginning_of(path: Path, size: int) -> bytes:
    """Returns so many bytes at most of a file, by which it is recognised; none if it cannot be read."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(size)
    except OSError:
        return b""


def is_junk(name: str) -> bool:
    """Tells whether a file or folder is hidden, or left behind by a program."""
    return name.startswith(".") or name.casefold() in LEFT_BEHIND or name.casefold() in NOISE


def _samples_in(path: Path, wanted: FileType) -> list[Path]:
    """Returns the files that look like samples: the path itself, or those below it."""
    inside = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
    return [file for file in inside if file.suffix.lower() in wanted.suffixes and file.is_file()]


def spell_path(path: Path | str) -> str:
    """Returns a path as text that any file can hold; bytes that are no UTF-8 become �."""
    text = str(path)
    return text if text.isascii() else os.fsencode(text).decode("utf-8", "replace")


def spell_below(folder: Path, paths: Iterable[Path]) -> list[str]:
    """Returns paths below a folder as they are seen from it, spelled like `spell_path`."""
    above = str(folder / "_")[:-1]
    return [spell_path(str(path).removeprefix(above)) for path in paths]

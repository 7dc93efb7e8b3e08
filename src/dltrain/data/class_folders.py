"""Folders of samples, a folder a class: which files there are, and which split each belongs to."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dltrain.errors import DataError
from dltrain.types import SplitName

SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
NAMED_BAD = 10


@dataclass(frozen=True)
class Found:
    """The files of one folder of classes."""

    files: tuple[Path, ...]
    labels: tuple[str, ...]
    ignored: int


@dataclass(frozen=True)
class Sought:
    """What files are sought.

    Args:
        noun: what they are, in the plural.
        suffixes: how their names end.
        where: where they belong, such as `class/*.jpg`.
    """

    noun: str
    suffixes: Collection[str]
    where: str


class FolderFiles(list[str]):
    """Paths of new files below one folder, whose class is to be read as that of training files: by the outermost one.

    Args:
        files: paths.
        folder: that all of them lie in.
    """

    def __init__(self, files: Iterable[str], folder: Path) -> None:
        super().__init__(files)
        self.folder = folder


def find_splits(folder: Path, sought: Sought) -> dict[SplitName, Found]:
    """The files of `class/*`, or of `train|val|test/class/*`, where all is train in the first case.

    Without a test folder, val is the test split: it is what nobody may look at while training.

    Raises:
        DataError: the folder is not laid out so, or a class has no files in train.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "is not there"
        raise DataError(f"{folder} {what}", where="data.path", fix="name a folder that holds a folder for each class")
    below = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    named: dict[SplitName, Path] = {}
    for name, path in below.items():
        if name in SPLIT_FOLDERS and SPLIT_FOLDERS[name] in named:
            other = named[SPLIT_FOLDERS[name]].name
            raise DataError(f"{other} and {path.name} are the same split", where=str(folder), fix="keep one of them")
        if name in SPLIT_FOLDERS:
            named[SPLIT_FOLDERS[name]] = path
    others = [name for name in below if name not in SPLIT_FOLDERS and not name.startswith(".")]
    if named and "train" not in named and not others:
        raise DataError("there is no train folder", where=str(folder), fix=f"add train/ beside {', '.join(below)}")
    if "train" not in named or not any(path.is_dir() for path in named["train"].iterdir()):  # trains can be a class
        named = {"train": folder}
    found = {name: _find_classes(path, sought) for name, path in named.items()}
    classes = set(found["train"].labels)
    if len(classes) < 2:
        raise DataError(
            f"all {sought.noun} are of one class, {spell_path(*classes)}",
            where=str(folder),
            fix="give a folder for each class",
        )
    for name, part in found.items():
        if strange := sorted(set(part.labels) - classes):
            raise DataError(
                f"the class {spell_path(strange[0])} of the {name} split has no {sought.noun} in train",
                where=str(folder),
                fix="add some",
            )
    if "val" in found and "test" not in found:
        found["test"] = found.pop("val")
    return found


def _find_classes(folder: Path, sought: Sought) -> Found:
    """The files below each class's folder, hidden ones left out.

    Raises:
        DataError: there are no class folders, or one is empty.
    """
    files: list[Path] = []
    labels: list[str] = []
    ignored = 0
    class_folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if not class_folders:
        raise DataError(
            "there is no folder for each class", where=str(folder), fix=f"sort the {sought.noun} into {sought.where}"
        )
    for class_folder in class_folders:
        inside = [path for path in sorted(class_folder.rglob("*")) if path.is_file()]
        wanted = [
            path for path in inside if path.suffix.lower() in sought.suffixes and not _is_hidden(path, class_folder)
        ]
        if not wanted:
            raise DataError(
                f"the class folder {spell_path(class_folder.name)} holds no {sought.noun}",
                where=str(folder),
                fix=f"add some, or remove it; {sought.noun} are {' '.join(sorted(sought.suffixes))}",
            )
        files += wanted
        labels += [class_folder.name] * len(wanted)
        ignored += len(inside) - len(wanted)
    return Found(tuple(files), tuple(labels), ignored)


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def refuse_bad(bad: Sequence[tuple[Path, str]], count: int, folder: Path, noun: str) -> None:
    """Refuses files that cannot be read, and says why of the first ones.

    Raises:
        DataError: there are any.
    """
    if bad:
        named = "; ".join(f"{spell_path(path.relative_to(folder))} ({reason})" for path, reason in bad[:NAMED_BAD])
        raise DataError(
            f"{len(bad)} of {count} {noun} cannot be read: {named}" + ("; ..." if bad[NAMED_BAD:] else ""),
            where=str(folder),
            fix="mend or remove them, or leave them out",
            override="data.on_bad=skip",
        )


def spell_path(path: Path | str) -> str:
    """A name that every file can hold; bytes that are no UTF-8 become �."""
    return os.fsencode(str(path)).decode("utf-8", "replace")

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
NAMED_BAD = 10  # files that a refusal names


@dataclass(frozen=True)
class ClassFiles:
    """The files of one folder of classes.

    Args:
        files: in the order of their paths, class by class.
        labels: the class of each, as its folder is called.
        ignored: how many other files there are.
    """

    files: tuple[Path, ...]
    labels: tuple[str, ...]
    ignored: int


@dataclass(frozen=True)
class FileType:
    """The files that hold a kind of sample.

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


def find_splits(folder: Path, wanted: FileType) -> dict[SplitName, ClassFiles]:
    """Returns the files of `class/*`, all as train, or of `train|val|test/class/*`.

    Where there is no test folder, val is the test split, which nobody may look at while training.

    Raises:
        DataError: the folder is not laid out so, or a class has no files in train.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"{folder} {problem}", where="data.path", fix="name a folder that contains a folder for each class"
        )
    below = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    folders: dict[SplitName, Path] = {}
    for name, path in below.items():
        if name in SPLIT_FOLDERS and SPLIT_FOLDERS[name] in folders:
            other = folders[SPLIT_FOLDERS[name]].name
            raise DataError(f"{other} and {path.name} are the same split", where=str(folder), fix="keep one of them")
        if name in SPLIT_FOLDERS:
            folders[SPLIT_FOLDERS[name]] = path
    others = [name for name in below if name not in SPLIT_FOLDERS and not name.startswith(".")]
    if folders and "train" not in folders and not others:
        raise DataError("there is no train folder", where=str(folder), fix=f"add train/ beside {', '.join(below)}")
    # A class may be called train: there are no folders below it then.
    if "train" not in folders or not any(path.is_dir() for path in folders["train"].iterdir()):
        folders = {"train": folder}
    splits = {name: _find_classes(path, wanted) for name, path in folders.items()}
    classes = set(splits["train"].labels)
    if len(classes) < 2:
        raise DataError(
            f"all {wanted.noun} are of one class, {spell_path(*classes)}",
            where=str(folder),
            fix="give a folder for each class",
        )
    for name, split in splits.items():
        if new := sorted(set(split.labels) - classes):
            raise DataError(
                f"the class {spell_path(new[0])} of the {name} split has no {wanted.noun} in train",
                where=str(folder),
                fix="add some",
            )
    if "val" in splits and "test" not in splits:
        splits["test"] = splits.pop("val")
    return splits


def _find_classes(folder: Path, wanted: FileType) -> ClassFiles:
    """Returns the files below each class's folder, hidden ones left out.

    Raises:
        DataError: there are no class folders, or one is empty.
    """
    files: list[Path] = []
    labels: list[str] = []
    ignored = 0
    class_folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if not class_folders:
        raise DataError(
            "there is no folder for each class", where=str(folder), fix=f"sort the {wanted.noun} into {wanted.where}"
        )
    for class_folder in class_folders:
        inside = [path for path in sorted(class_folder.rglob("*")) if path.is_file()]
        samples = [
            path for path in inside if path.suffix.lower() in wanted.suffixes and not _is_hidden(path, class_folder)
        ]
        if not samples:
            raise DataError(
                f"the class folder {spell_path(class_folder.name)} contains no {wanted.noun}",
                where=str(folder),
                fix=f"add some, or remove it; {wanted.noun} are {' '.join(sorted(wanted.suffixes))}",
            )
        files += samples
        labels += [class_folder.name] * len(samples)
        ignored += len(inside) - len(samples)
    return ClassFiles(tuple(files), tuple(labels), ignored)


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def refuse_bad(bad: Sequence[tuple[Path, str]], count: int, folder: Path, noun: str) -> None:
    """Refuses files that cannot be read, and gives the reasons for the first ones.

    Raises:
        DataError: there are any.
    """
    if bad:
        named = "; ".join(f"{spell_path(path.relative_to(folder))} ({reason})" for path, reason in bad[:NAMED_BAD])
        raise DataError(
            f"{len(bad)} of {count} {noun} cannot be read: {named}" + ("; ..." if bad[NAMED_BAD:] else ""),
            where=str(folder),
            fix="correct or remove the files, or leave them out",
            override="data.on_bad=skip",
        )


def spell_path(path: Path | str) -> str:
    """Returns a path as text that any file can hold; bytes that are no UTF-8 become �."""
    return os.fsencode(str(path)).decode("utf-8", "replace")

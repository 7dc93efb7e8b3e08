"""Folders of samples, a folder a class: which files there are, and which split each belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dltrain.data.cells import name_list, nearest
from dltrain.data.folder_layout import ClassFolder, FoldersMean, Layout, NoClassFolders, fold, read_layout
from dltrain.data.folder_tree import FileType, Folder, Tree, read_tree, spell_path
from dltrain.data.nouns import count, verb
from dltrain.data.split_names import class_key, split_of
from dltrain.errors import DataError
from dltrain.types import SplitName

NAMED_BAD = 10  # files that a refusal names
NAMED_LEFT_OUT = 3  # files that a note names
NAMED_CLASSES = 10  # that a note names


@dataclass(frozen=True)
class ClassFiles:
    """The files of one folder of classes.

    Args:
        files: in the order of their paths, class by class.
        labels: the class of each, as train's folder is called.
    """

    files: tuple[Path, ...]
    labels: tuple[str, ...]

    def without(self, left_out: Collection[Path]) -> ClassFiles:
        """Returns the files without some of them."""
        pairs = zip(self.files, self.labels, strict=True)
        kept = [(file, label) for file, label in pairs if file not in left_out]
        return ClassFiles(tuple(file for file, _ in kept), tuple(label for _, label in kept))


@dataclass(frozen=True)
class ClassFolders:
    """The files of each split.

    Args:
        splits: always with `train`.
        reading: how the folders were read, as notes.
        ignored: what was ignored, as notes.
        unlabelled: the folders of splits without a folder for each class, whose files are not used.
    """

    splits: Mapping[SplitName, ClassFiles]
    reading: tuple[str, ...]
    ignored: tuple[str, ...]
    unlabelled: tuple[Folder, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Returns how the folders were read, how many files each class has, and what was ignored."""
        counts = Counter(self.splits["train"].labels)
        classes = name_list((f"{spell_path(name)} ({counts[name]:,})" for name in sorted(counts)), NAMED_CLASSES)
        where = " in train" if len(self.splits) > 1 else ""
        return (*self.reading, f"{count(len(counts), 'class', 'classes')}, by folder{where}: {classes}", *self.ignored)

    def without(self, left_out: Collection[Path]) -> ClassFolders:
        """Returns the folders without some of their files."""
        splits = {name: part.without(left_out) for name, part in self.splits.items()}
        return replace(self, splits=splits)


def find_splits(folder: Path, wanted: FileType, mean: FoldersMean = "auto") -> ClassFolders:
    """Returns the files of `class/*`, all as train, or of `train|val|test/class/*` or `class/train|val|test/*`.

    Where there is no test folder, val is the test split, which nobody may look at while training.

    Args:
        folder: the folder.
        wanted: the files.
        mean: what the outermost folders are; `auto` decides by their names and by what lies in them.

    Raises:
        DataError: the folder is not laid out so or was made for something else, a class has no files in train, or
            some files would not be used.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"{folder} {problem}", where="data.path", fix="name a folder that contains a folder for each class"
        )
    tree = read_tree(folder, wanted)
    unused = [] if wanted.find_unused is None else wanted.find_unused(tree)
    if wanted.refuse is not None and mean == "auto":
        wanted.refuse(tree)
    tree.root = tree.root.without({kid.path for kid in unused})
    layout = read_layout(tree, mean)
    _check_repeats(tree, layout)
    notes = list(layout.notes)
    splits = _label(tree, layout, mean, notes)
    used = sum(len(split.files) for split in splits.values())
    for around in layout.around:
        _leave_out(tree, around, used, notes)
    if "val" in splits and "test" not in splits:
        splits["test"] = splits.pop("val")
        notes.append("there is no test folder: that for validation is the test split")
    ignored = [f"{tree.name(kid.path)}/ holds no {wanted.noun} and is not used" for kid in unused]
    return ClassFolders(splits, tuple(notes), (*ignored, *tree.notes()), tuple(layout.unlabelled))


def _label(tree: Tree, layout: Layout, mean: FoldersMean, notes: list[str]) -> dict[SplitName, ClassFiles]:
    """Returns the files of each split, with the names of train's classes.

    Raises:
        DataError: a class is empty, or lacks in train, or there is only one.
    """
    train = _without_unlabelled(tree, layout, notes)
    names = list(dict.fromkeys(class_key(name) for name, _ in train))
    by_fold = {fold(name): name for name in names}
    if len(by_fold) < len(names) and mean != "classes":
        _refuse_cases(tree, names)
    if len(names) < 2 and all(kid.count for _, kid in train):
        raise NoClassFolders(
            f"all {tree.wanted.noun} are of one class, {spell_path(names[0])}",
            where=spell_path(tree.root.path),
            fix="give a folder for each class",
        )
    splits: dict[SplitName, ClassFiles] = {}
    spelled: dict[str, dict[str, str]] = {}  # how the folders of each class are called, with one of each name
    for split, folders in layout.splits.items():
        files: list[Path] = []
        labels: list[str] = []
        for name, kid in train if split == "train" else folders:
            if not kid.count:
                raise _empty(tree, kid)
            label = class_key(name) if class_key(name) in names else by_fold.get(fold(name))
            if label is None:
                raise _not_in_train(tree, name, split, names)
            spelled.setdefault(label, {})[name] = tree.name(kid.path)
            files += kid.samples
            labels += [label] * kid.count
        splits[split] = ClassFiles(tuple(files), tuple(labels))
    if several := [" and ".join(paths.values()) for paths in spelled.values() if len(paths) > 1]:
        notes.append(f"one class each, although case, blanks or Unicode's form differ: {name_list(several, 5)}")
    return splits


def _without_unlabelled(tree: Tree, layout: Layout, notes: list[str]) -> list[ClassFolder]:
    """Returns train's folders without those that are called unlabelled and that no other split has."""
    held_out = [fold(name) for split, part in layout.splits.items() if split != "train" for name, _ in part]
    folders = []
    for name, kid in layout.splits["train"]:
        named = split_of(name)
        if held_out and fold(name) not in held_out and named is not None and named.use == "unlabelled":
            what = f"its {tree.wanted.count(kid.count)} {verb(kid.count, 'is', 'are')} not used"
            notes.append(f"{tree.name(kid.path)}/ is unlabelled: {what}")
        else:
            folders.append((name, kid))
    return folders


def _leave_out(tree: Tree, folder: Folder, used: int, notes: list[str]) -> None:
    """Notes samples that lie beside the folders of classes.

    Raises:
        NoClassFolders: they are more than those in these folders.
    """
    if not folder.files:
        return
    place = "the folder itself" if folder is tree.root else f"{tree.name(folder.path)}/"
    number = len(folder.files)
    what = f"{tree.wanted.count(number)} in {place} {verb(number, 'lies', 'lie')} in no folder of a class"
    if number > used:
        raise NoClassFolders(
            f"{what}, and only {used:,} {verb(used, 'does', 'do')}",
            where=spell_path(tree.root.path),
            fix=f"sort them into {tree.wanted.where}, or move them out",
        )
    unused = verb(number, "is not used:", "are not used, such as")
    notes.append(f"{what} and {unused} {spell_path(folder.files[0].name)}")


def _refuse_cases(tree: Tree, names: Sequence[str]) -> None:
    """Refuses names of several letters that differ in case alone; a and A are two letters."""
    by_fold: dict[str, str] = {}
    for name in names:
        other = by_fold.setdefault(fold(name), name)
        if other != name and len(name) > 1:
            raise DataError(
                f"the folders {spell_path(other)} and {spell_path(name)} differ in case alone",
                where=spell_path(tree.root.path),
                fix="put them together, or, if they are two classes, say so",
                override="data.folders=classes",
            )


def _check_repeats(tree: Tree, layout: Layout) -> None:
    """Refuses links through which one folder would belong to two classes."""
    of_class = [(kid.path, fold(name)) for part in layout.splits.values() for name, kid in part]

    def class_of(path: Path) -> str | None:
        return next((name for folder, name in of_class if path.is_relative_to(folder)), None)

    for link, first in tree.repeated:
        elsewhere = class_of(first)
        if elsewhere is not None and elsewhere != (class_of(link) or fold(link.name)):
            raise DataError(
                f"{tree.name(link)} and {tree.name(first)} are the same folder, in two classes",
                where=spell_path(tree.root.path),
                fix="remove one of the links",
            )


def _empty(tree: Tree, kid: Folder) -> DataError:
    return DataError(
        f"the class folder {spell_path(kid.name)} contains no {tree.wanted.noun}",
        where=spell_path(kid.path.parent),
        fix=f"add some, or remove it; {tree.wanted.noun} are {' '.join(sorted(tree.wanted.suffixes))}",
    )


def _not_in_train(tree: Tree, name: str, split: SplitName, names: Sequence[str]) -> DataError:
    near = nearest(name, names)
    return DataError(
        f"the class {spell_path(name)} of the {split} split has no {tree.wanted.noun} in train",
        where=spell_path(tree.root.path),
        fix=f"add some, or rename it {spell_path(near[0])}" if near else "add some",
    )


def note_bad(bad: Sequence[tuple[Path, str]], folder: Path, wanted: FileType) -> str:
    """Returns a note on files that cannot be read and are left out, which names the first ones."""
    named = name_list((spell_path(path.relative_to(folder)) for path, _ in bad), NAMED_LEFT_OUT)
    return f"left out {wanted.count(len(bad))} that cannot be read: {named}"


def refuse_bad(bad: Sequence[tuple[Path, str]], total: int, folder: Path, wanted: FileType) -> None:
    """Refuses files that cannot be read, and gives the reasons for the first ones.

    Raises:
        DataError: there are any.
    """
    if bad:
        named = "; ".join(f"{spell_path(path.relative_to(folder))} ({reason})" for path, reason in bad[:NAMED_BAD])
        raise DataError(
            f"{len(bad)} of {wanted.count(total)} cannot be read: {named}" + ("; ..." if bad[NAMED_BAD:] else ""),
            where=str(folder),
            fix="correct or remove the files, or leave them out",
            override="data.on_bad=skip",
        )

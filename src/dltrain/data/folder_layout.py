"""Decides which folders are splits and which are classes, by their names and by what lies in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dltrain.data.archives import is_archive
from dltrain.data.cells import name_list
from dltrain.data.folder_tree import ARCHIVE, Folder, Tree, spell_path
from dltrain.data.nouns import verb
from dltrain.data.split_names import Use, class_key, is_left_over, is_plain_split, says_nothing, split_of
from dltrain.errors import DataError
from dltrain.types import SPLITS, SplitName

FoldersMean = Literal["auto", "classes", "splits"]
ClassFolder = tuple[str, Folder]  # the name of the class, and the folder of its samples


class NoClassFolders(DataError):
    """A folder with samples that are in no folder of a class."""


@dataclass(frozen=True)
class Layout:
    """The class folders of each split.

    Args:
        splits: always with `train`.
        around: the folders around the class folders, in which samples without a class may lie.
        notes: what was decided.
        unlabelled: the folders of splits without a folder for each class.
    """

    splits: Mapping[SplitName, Sequence[ClassFolder]]
    around: Sequence[Folder]
    notes: Sequence[str]
    unlabelled: Sequence[Folder] = ()


def read_layout(tree: Tree, mean: FoldersMean) -> Layout:
    """Returns the class folders of each split.

    Args:
        tree: of all samples.
        mean: what the outermost folders are; `auto` decides.

    Raises:
        DataError: there are no class folders, it is not certain which folders are splits, or some would not be used.
    """
    return _Reading(tree, mean).read()


@dataclass
class _Reading:
    """One reading of a folder.

    Args:
        tree: of all samples.
        mean: what the outermost folders are.
        around: the folders around the class folders.
        notes: what was decided.
        unlabelled: the folders of splits without a folder for each class.
    """

    tree: Tree
    mean: FoldersMean
    around: list[Folder] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unlabelled: list[Folder] = field(default_factory=list)

    def read(self) -> Layout:
        top = self._top()
        if not top.filled:
            self._refuse_packed(top)
            place = "the folder" if top is self.tree.root else self.tree.name(top.path)
            number = self.tree.wanted.count(top.count)
            lie = f": {number} {verb(top.count, 'lies', 'lie')} in {place} itself" if top.files else ""
            raise NoClassFolders(
                f"there is no folder for each class{lie}",
                where=self._where,
                fix=f"sort the {self._noun} into {self.tree.wanted.where}",
            )
        splits = None if self.mean == "classes" else self._splits(top) or self._splits_of_each_class(top)
        if splits is None and self.mean == "splits":
            raise DataError(
                f"no folder for training holds a folder for each class: there are {_names(top.filled)}",
                where="data.folders",
                fix="name them train, val and test, with a folder for each class in each",
                override="data.folders=auto",
            )
        if splits is None:
            if self.mean == "auto":
                self._check_classes(top)
            splits = {"train": [(kid.name, kid) for kid in top.folders]}
        return Layout(
            {name: splits[name] for name in SPLITS if name in splits}, self.around, self.notes, self.unlabelled
        )

    def _top(self) -> Folder:
        """Returns the folder of the classes or splits: passes through folders that hold nothing else."""
        folder = self.tree.root
        self.around.append(folder)
        while len(folder.filled) == 1:
            (kid,) = folder.filled
            alone = len(folder.folders) == 1 and not folder.files
            if not kid.filled or not (alone or says_nothing(kid.name)):
                break
            folder = kid
            self.around.append(folder)
        if folder is not self.tree.root:
            self.notes.append(f"the classes are in {self.tree.name(folder.path)}/")
        return folder

    def _splits(self, top: Folder) -> dict[SplitName, list[ClassFolder]] | None:
        """Returns the class folders of each split's folder, `None` if these folders are no splits.

        Raises:
            DataError: the folders may be splits or classes, or some would not be used.
        """
        uses = {kid.name: name.use for kid in top.filled if (name := split_of(kid.name))}
        named = sorted((kid for kid in top.filled if kid.name in uses), key=lambda kid: "eval" in kid.name.casefold())
        others = [kid for kid in top.filled if kid.name not in uses]
        trains = [kid for kid in named if uses[kid.name] == "train" and _classes_in(kid)]
        if not trains:
            if not others:
                self._refuse_without_train(named)
            if self.mean == "auto":
                self._refuse_held_out_alone(named, others)
            return None
        if len(trains) > 1:
            raise self._same_split(trains[0].name, trains[1].name)
        classes = {fold(kid.name) for kid in _classes_in(trains[0])}
        folders: dict[SplitName, Folder] = {}
        unlabelled = self.unlabelled
        for kid in named:
            inside = {fold(below.name) for below in _classes_in(kid)}
            if not (inside & classes or (len(inside) > 1 and is_plain_split(kid.name))):
                unlabelled.append(kid)
                continue
            split = _split_for(uses[kid.name], folders, uses.values())
            if split in folders:
                raise self._same_split(folders[split].name, kid.name)
            folders[split] = kid
        if others and self.mean == "auto":
            if len(folders) > 1:
                raise self._unused(others, named)
            if unlabelled or _are_left_over(others) or _hold_less(others, trains[0]):
                raise self._ambiguous(trains[0], others)
            return None  # a class may be called train, and have folders of its own
        self._note_splits(folders, others)
        self.around += map(_inner, folders.values())
        return {name: [(below.name, below) for below in _inner(kid).folders] for name, kid in folders.items()}

    def _note_splits(self, folders: Mapping[SplitName, Folder], others: Sequence[Folder]) -> None:
        """Notes how the folders of splits are called, and which folders are not used."""
        if any(name != kid.name for name, kid in folders.items()):
            spelled = ", ".join(f"{name} {spell_path(folders[name].name)}/" for name in SPLITS if name in folders)
            self.notes.append(f"splits by folder: {spelled}")
        for kid in others:
            self.notes.append(f"{self.tree.name(kid.path)}/ is no split: {self._not_used(kid)}")
        for kid in self.unlabelled:
            self.notes.append(f"{self.tree.name(kid.path)}/ has no folder for each class: {self._not_used(kid)}")

    def _not_used(self, kid: Folder) -> str:
        unused = f"its {self.tree.wanted.count(kid.count)} {verb(kid.count, 'is', 'are')} not used"
        return f"{unused}; predict {verb(kid.count, 'it', 'them')}: dltrain predict RUN {spell_path(kid.path)}"

    def _refuse_without_train(self, named: Sequence[Folder]) -> None:
        """Refuses folders that are all called as splits, none of which has classes to train on.

        Raises:
            DataError: they are no classes either.
        """
        names = [name for kid in named if (name := split_of(kid.name))]
        uses, rests = {name.use for name in names}, {name.rest for name in names}
        if len(uses) == 1 and (len(named) == 1 or len(rests) == len(named)):
            return  # classes, such as test_good and test_bad
        if len(rests) > 1 and len(set(names)) == len(names) == len(uses) * len(rests) and () not in rests:
            raise self._splits_of_domains(named)
        if "train" not in uses:
            raise DataError(
                "there is no train folder",
                where=self._where,
                fix=f"add train/ beside {', '.join(spell_path(kid.name) for kid in named)}",
            )
        raise self._no_classes(named)

    def _splits_of_each_class(self, top: Folder) -> dict[SplitName, list[ClassFolder]] | None:
        """Returns the splits of `class/train` and `class/test`, which every class has; `None` if they do not.

        Raises:
            DataError: most classes have them, but not all.
        """
        folders: dict[SplitName, list[ClassFolder]] = {}
        parted = [kid for kid in top.filled if {"train"} < _plain_uses(kid) <= set(SPLITS)]
        if len(parted) < len(top.filled):
            if len(parted) > 1 and 2 * len(parted) > len(top.filled):
                self._refuse_without_splits(top.filled, parted)
            return None
        for kid in top.filled:
            for below in kid.filled:
                name = split_of(below.name)
                assert name is not None
                folders.setdefault(name.use, []).append((kid.name, below))  # type: ignore[arg-type]
        self.notes.append(f"each class has its own splits: {', '.join(name for name in SPLITS if name in folders)}")
        return folders

    def _refuse_without_splits(self, classes: Sequence[Folder], parted: Sequence[Folder]) -> None:
        """Refuses a class that lacks the folder of a split, which most classes have.

        Raises:
            DataError: there is one.
        """
        odd = next(kid for kid in classes if kid not in parted)
        uses = {name.use for below in odd.filled if (name := split_of(below.name))}
        whole = max(parted, key=lambda kid: len(kid.filled))
        lacking = [below.name for below in whole.filled if (name := split_of(below.name)) and name.use not in uses]
        if not lacking:
            more = [below for below in odd.filled if not is_plain_split(below.name)]
            if more:
                raise DataError(
                    f"{spell_path(odd.name)} holds {_names(more)} beside its splits, which {_names(parted)} "
                    f"{verb(len(parted), 'does', 'do')} not",
                    where=self._where,
                    fix=f"move {_names(more)} out, or let dltrain split all {self._noun} of each class anew",
                    override="data.folders=classes",
                )
            return
        named = spell_path(lacking[0])
        raise DataError(
            f"{spell_path(odd.name)} has no {named} folder, as {_names(parted)} {verb(len(parted), 'has', 'have')}",
            where=self._where,
            fix=f"add {spell_path(odd.path)}/{named}, or let dltrain split all {self._noun} of each class anew",
            override="data.folders=classes",
        )

    def _check_classes(self, top: Folder) -> None:
        """Refuses outermost folders that are probably no classes, and notes odd ones.

        Raises:
            DataError: they hold the same folders each, or are called as splits.
        """
        inside = {kid.name: {fold(below.name) for below in kid.filled} for kid in top.filled}
        alike = [
            name
            for name, names in inside.items()
            if any(len(names & others) > 1 for other, others in inside.items() if other != name)
        ]
        if 2 * len(alike) > len(inside):
            most = max((kid for kid in top.filled if kid.name in alike), key=lambda kid: kid.count).path
            same = set.intersection(*(inside[name] for name in alike)) or inside[alike[0]]
            raise DataError(
                f"{name_list(map(spell_path, alike), 5)} hold the same folders, "
                f"{name_list(map(spell_path, sorted(same)), 5)}: which of them are the classes?",
                where=self._where,
                fix=f"give one, such as data.path={spell_path(most)}, or, if they are classes, say so",
                override="data.folders=classes",
            )
        plain = [kid for kid in top.filled if is_plain_split(kid.name)]
        if plain and len(top.filled) > 1 and all(says_nothing(kid.name) for kid in top.filled):
            raise self._no_classes(top.filled)
        for kid in plain:
            if kid.filled:
                self.notes.append(
                    f"{spell_path(kid.name)} is a class, with {_names(kid.filled)} in it (with data.folders=splits it "
                    "is a split)"
                )
        parted = [kid for kid in top.filled if len(kid.filled) > 1 and kid not in plain]
        if parted:
            spelled = (f"{spell_path(kid.name)} ({_names(kid.filled)})" for kid in parted)
            self.notes.append(f"one class each, with the folders in it: {name_list(spelled, 5)}")

    @property
    def _noun(self) -> str:
        return self.tree.wanted.noun

    @property
    def _where(self) -> str:
        return spell_path(self.tree.root.path)

    def _no_classes(self, folders: Sequence[Folder]) -> DataError:
        are_splits = len({name.use for kid in folders if (name := split_of(kid.name))}) > 1
        last = "give data.folders=classes" if are_splits else "say so"  # hardly so: no command trains train against val
        return NoClassFolders(
            f"{_names(folders)} {verb(len(folders), 'holds', 'hold')} {self._noun}, but no folder for each class",
            where=self._where,
            fix=f"sort the {self._noun} into {self.tree.wanted.where}, or, if these are the classes, {last}",
            override="" if are_splits else "data.folders=classes",
        )

    def _splits_of_domains(self, folders: Sequence[Folder]) -> DataError:
        return DataError(
            f"{_names(folders)} hold a split of each of several kinds of {self._noun}",
            where=self._where,
            fix="if the kinds are classes, make a folder for each split, with a folder for each class in it; dltrain "
            "does not learn to translate one kind into another",
        )

    def _same_split(self, one: str, other: str) -> DataError:
        return DataError(f"{one} and {other} are the same split", where=self._where, fix="keep one of them")

    def _unused(self, others: Sequence[Folder], named: Sequence[Folder]) -> DataError:
        return DataError(
            f"{_names(others)} beside the splits {_names(named)} would not be used: "
            f"{self.tree.wanted.count(sum(kid.count for kid in others))}",
            where=self._where,
            fix="move them out of this folder, or leave them unused",
            override="data.folders=splits",
        )

    def _ambiguous(self, train: Folder, others: Sequence[Folder]) -> DataError:
        return DataError(
            f"{self._has_classes(train, others)}: are these folders splits or classes?",
            where=self._where,
            fix=f"say so: data.folders=classes, or splits, which leaves {_names(others)} for dltrain predict",
            override="data.folders=splits",
        )

    def _has_classes(self, split: Folder, others: Sequence[Folder]) -> str:
        beside = f"{_names(others)} {verb(len(others), 'holds', 'hold')}"
        number = self.tree.wanted.count(sum(kid.count for kid in others))
        return f"{self.tree.name(split.path)} has a folder for each class, and beside it {beside} {number}"

    def _refuse_held_out_alone(self, named: Sequence[Folder], others: Sequence[Folder]) -> None:
        """Refuses a folder called as a split, but not as that for training, with classes in it, beside few others.

        Raises:
            DataError: there is one.
        """
        for kid in named:
            if is_plain_split(kid.name) and len(_classes_in(kid)) > 1 and _hold_less(others, kid):
                raise DataError(
                    f"{self._has_classes(kid, others)}, but there is no folder for training",
                    where=self._where,
                    fix=f"to train on {spell_path(kid.name)}, give data.path={spell_path(kid.path)}; if these folders "
                    "are classes, give data.folders=classes",
                )

    def _refuse_packed(self, top: Folder) -> None:
        """Refuses a folder that holds nothing but what has to be unpacked first.

        Raises:
            DataError: it holds archives.
        """
        packed = [file for file in top.others if ARCHIVE.search(file.name)]
        if not packed or top.files:
            return
        names = name_list((spell_path(file.name) for file in packed), 5)
        uses = {file: name.use if (name := split_of(ARCHIVE.sub("", file.name))) else None for file in packed}
        trains = [file for file in packed if uses[file] == "train"]
        readable = trains or [file for file in packed if len(packed) == 1 and uses[file] is None]
        whole = [file for file in readable if self.tree.wanted.read_packed and is_archive(file)]
        alone = f", or give {spell_path(whole[0].name)} alone, which is read as it is" if whole else ""
        raise DataError(
            f"{names} {verb(len(packed), 'has', 'have')} to be unpacked, and no folder holds {self._noun}",
            where=self._where,
            fix=f"unpack {verb(len(packed), 'it here', 'them here, into folders of these names')}{alone}",
            override=f"data.path={spell_path(whole[0])}" if whole else "",
        )


def _are_left_over(others: Sequence[Folder]) -> bool:
    """Tells whether the names of folders say that they are no classes."""
    return all(says_nothing(kid.name) or is_left_over(kid.name) for kid in others)


def _hold_less(others: Sequence[Folder], split: Folder) -> bool:
    """Tells whether folders beside one called as a split are fewer than the classes in that: then these are probably
    the classes, and not the folders."""
    return is_plain_split(split.name) and len(others) < len(_classes_in(split))


def fold(name: str) -> str:
    """Returns a class's name as it is compared between splits, whatever its case."""
    return class_key(name).casefold()


def _split_for(use: Use, folders: Mapping[SplitName, Folder], uses: Collection[Use]) -> SplitName:
    """Returns the split of a labelled folder; a second one for validation is the test split where none is."""
    if use == "unlabelled":
        return "test"
    return "test" if use == "val" and "val" in folders and "test" not in uses else use


def _inner(split: Folder) -> Folder:
    """Returns the folder of a split's classes: the split itself, or a folder in it that is called alike or says
    nothing."""
    while len(split.filled) == 1 and not split.files and split.filled[0].filled:
        (kid,) = split.filled
        if not says_nothing(kid.name) and fold(kid.name) != fold(split.name):
            break
        split = kid
    return split


def _classes_in(split: Folder) -> list[Folder]:
    return _inner(split).filled


def _plain_uses(folder: Folder) -> set[Use]:
    """Returns the splits of a class's folders; none if it has files or other folders of its own."""
    names = [split_of(below.name) for below in folder.filled]
    plain = not folder.files and all(is_plain_split(below.name) for below in folder.filled)
    return {name.use for name in names if name is not None} if plain else set()


def _names(folders: Sequence[Folder]) -> str:
    return name_list((spell_path(folder.name) for folder in folders), 5)

"""Files of new samples, with what is known of their names and labels: from a folder, or from the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.class_folders import find_splits
from dltrain.data.folder_tree import FileType
from dltrain.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


class SampleFolder:
    """A folder of new samples, whose labels are read once, as those of a training folder would be.

    Args:
        path: the folder.
        name: that its files are called by; its path if none is given.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.path, self.name = path, name or str(path)
        self._labels: Mapping[Path, str] | None = None

    def labels(self, wanted: FileType) -> Mapping[Path, str]:
        """Returns the label of each file that has one; empty if training could not read the folder."""
        if self._labels is None:
            try:
                splits = find_splits(self.path, wanted).splits.values()
                self._labels = {
                    file: label for part in splits for file, label in zip(part.files, part.labels, strict=True)
                }
            except DataError:
                self._labels = {}
        return self._labels


class FolderFiles(list[str]):
    """Paths of new files below one folder.

    Args:
        files: paths.
        origin: the folder that all of them lie in.
    """

    def __init__(self, files: Iterable[str], origin: SampleFolder) -> None:
        super().__init__(files)
        self.origin = origin

    @property
    def folder(self) -> Path:
        """Returns the path of the folder."""
        return self.origin.path


class TableFiles(list[str]):
    """Paths of new files that the rows of a table name.

    Args:
        files: paths.
        names: as the table writes them.
        frame: the rows, `len(files)` of them.
    """

    def __init__(self, files: Iterable[str], names: Sequence[str], frame: pd.DataFrame) -> None:
        super().__init__(files)
        self.names = tuple(names)
        self.frame = frame


def names_of(files: Sequence[Any]) -> tuple[str, ...]:
    """Returns the name of each sample: as a table writes it, or its path, within a zip file below the file's own."""
    if isinstance(files, TableFiles):
        return files.names
    if isinstance(files, FolderFiles):
        return tuple(str(Path(files.origin.name, Path(file).relative_to(files.folder))) for file in files)
    return tuple(map(str, files))

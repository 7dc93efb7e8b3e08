"""Image files with their targets: from class folders, or from a table that names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, read_cells
from dltrain.data.class_folders import ClassFolders, find_splits
from dltrain.data.folder_layout import FoldersMean
from dltrain.data.folder_tree import spell_below, spell_path
from dltrain.data.splits import Indices
from dltrain.kinds.image.files import IMAGES
from dltrain.kinds.joined_columns import UsedColumns
from dltrain.kinds.labels import TASKS, TargetReader, index_classes
from dltrain.kinds.table.rows import Rows
from dltrain.kinds.target import infer_task
from dltrain.types import SPLITS, SplitName


@dataclass(frozen=True)
class Labelled:
    """Image files with their targets, before they are decoded and split.

    Args:
        folder: that the files lie in.
        files: their paths; empty for images in arrays.
        names: as predictions call them.
        reader: reads the targets of new images.
        y: the targets, as in `Split`.
        splits: `(N,)` the split that each file is in, as an index in `SPLITS`; those of train may be divided.
        given: the splits that have files of their own.
        columns: of the table, by name, that decide which files stay together.
        ids: columns of the table that have no role and are called ids.
        notes: what was inferred or left out.
        used: columns of the table that join the images.
        file_column: the column of the table that names the images; `None` without a table.
        name_part: the part of the names of files that is the target; `None` for another one.
        folders: of the classes; `None` where folders are no classes.
    """

    folder: Path
    files: Sequence[Path]
    names: Sequence[str]
    reader: TargetReader
    y: NDArray[Any]
    splits: Indices
    given: Sequence[SplitName] = ()
    columns: Mapping[str, Cells] = field(default_factory=dict)
    ids: Mapping[str, Cells] = field(default_factory=dict)
    notes: Sequence[str] = ()
    used: UsedColumns | None = None
    file_column: str | None = None
    name_part: str | None = None
    folders: ClassFolders | None = None

    @property
    def every_note(self) -> Sequence[str]:
        """Returns how the folders were read, and the other notes."""
        return [*(() if self.folders is None else self.folders.notes), *self.notes]

    def take(self, at: Sequence[int]) -> Labelled:
        """Returns the files at these positions."""
        index = np.array(at, dtype=np.int64)
        folders = self.folders
        if folders is not None and len(at) < len(self.files):
            folders = folders.without(set(self.files) - {self.files[row] for row in at})
        return replace(
            self,
            files=[self.files[row] for row in at] if self.files else [],
            names=[self.names[row] for row in at],
            y=self.y[index],
            splits=self.splits[index],
            used=None if self.used is None else self.used.take(index),
            columns={name: cells.take(index) for name, cells in self.columns.items()},
            ids={name: cells.take(index) for name, cells in self.ids.items()},
            folders=folders,
        )

    def rows(self) -> Rows:
        """Returns the files as the rows that are to be split."""
        return Rows(self.columns, self.y, np.arange(len(self.names)), self.splits)


def from_folders(folder: Path, mean: FoldersMean, task: str) -> Labelled:
    """Returns the images of class folders; with `task=regression` their names are numbers.

    Raises:
        DataError: the folder is not laid out so.
    """
    folders = find_splits(folder, IMAGES, mean)
    labels = [label for part in folders.splits.values() for label in part.labels]
    files = [path for part in folders.splits.values() for path in part.files]
    given = tuple(name for name in folders.splits if name != "train")
    notes = []
    if task in ("auto", TASKS["class"]):
        classes = sorted(set(folders.splits["train"].labels))
        reader = TargetReader("class", TASKS["class"], classes=tuple(map(spell_path, classes)))
        y: NDArray[Any] = index_classes(classes, labels)
        if not np.isnan(read_cells(pd.Series(classes, dtype=object)).as_numbers()).any():
            notes.append("the names of the classes are numbers: task=regression takes them as amounts")
    else:
        goal = infer_task(pd.DataFrame({"class": labels}, dtype=object), task)
        reader, y = goal.reader, goal.y
        notes.append(f"{goal.task} of the folders' names: {goal.reason}")
    return Labelled(
        folder,
        files,
        spell_below(folder, files),
        reader,
        y,
        np.array([SPLITS.index(name) for name, part in folders.splits.items() for _ in part.files]),
        given,
        notes=notes,
        folders=folders,
    )

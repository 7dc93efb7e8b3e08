"""The column of a table that names the files of new samples."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.data.file_index import COLUMN_NAMES, FileIndex, find_column, rank_of_name
from dltrain.data.folder_tree import FileType
from dltrain.data.sample_files import TableFiles
from dltrain.errors import DataError

TRIED = 20  # cells by which the column is found


class FileColumn:
    """The column of a table that names files, which is found by the first rows.

    Args:
        folder: that the files lie in; a path may also be relative to the working directory.
        wanted: the files.
        known: the column that named the training files; `None` without one.
        others: columns that name no files.
    """

    def __init__(self, folder: Path, wanted: FileType, known: str | None = None, others: Collection[str] = ()) -> None:
        self.folder, self.wanted = folder, wanted
        self.known, self.others = known, others
        self.column: str | None = None
        self._index: FileIndex | None = None

    def files(self, frame: pd.DataFrame) -> TableFiles:
        """Returns the files of these rows.

        Raises:
            DataError: no column names files, or a cell is empty.
        """
        if self.column is None:
            self.column = self._choose(frame)
        cells = frame[self.column]
        if cells.isna().any():
            row = int(cells.isna().argmax())
            where = f"row {cells.index[row] + 2}, column {self.column!r}"
            raise DataError("an empty cell instead of a path", where=where)
        names = [str(cell) for cell in cells]
        return TableFiles([str(self._find(name) or self.folder / name) for name in names], names, frame)

    def _choose(self, frame: pd.DataFrame) -> str:
        if self.known is not None and self.known in frame.columns:
            return self.known
        free = [name for name in frame.columns if name not in self.others] or list(frame.columns)
        for name in sorted(free, key=rank_of_name):
            first = [str(cell) for cell in frame[name].dropna()[:TRIED]]
            if any(self._beside(cell) for cell in first):
                return name
        column = find_column(frame[free], self._files_below(), partly=True)
        if column is not None:
            return column
        likely = min(free, key=rank_of_name)
        raise DataError(
            f"column {likely!r} contains {frame[likely].iloc[0]}, which is not a file: the model was trained on files",
            fix="give a folder, a file, or a table with a column of paths, called "
            + (f"{self.known!r} as in training" if self.known else f"one of {name_list(COLUMN_NAMES, 5)}"),
        )

    def _find(self, name: str) -> Path | None:
        """Returns the file that a cell names, `None` if there is none."""
        return self._beside(name) or self._files_below().find(name)

    def _beside(self, name: str) -> Path | None:
        """Returns the file at a cell's path, `None` if there is none."""
        paths = (self.folder / name, Path(name))
        try:
            return next((path for path in paths if path.is_file()), None)
        except (OSError, ValueError):
            return None  # a text that is too long for a path

    def _files_below(self) -> FileIndex:
        if self._index is None:
            self._index = FileIndex.below(self.folder, self.wanted)
        return self._index

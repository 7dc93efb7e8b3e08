"""Writes metrics.csv while a run trains, and cuts it back to where a resumed run begins."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dltrain.errors import CheckpointError, StorageError
from dltrain.storage import write_bytes


class HistoryLog:
    """Writes metrics.csv, one row an epoch; a row has left the process when `log` returns.

    Args:
        path: of the file.
        keep: number of epochs that an existing file keeps; later rows are cut off.

    Raises:
        StorageError: it cannot be written.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path = path
        try:
            content = path.read_bytes() if keep else b""
            lines = content.splitlines(keepends=True)[: keep + 1]
            if lines and (kept := b"".join(lines)) != content:
                write_bytes(path, kept)
            self.file = path.open("a" if lines else "w", newline="", encoding="utf-8")
        except OSError as error:
            raise _cannot_write(path, error) from error
        names = next(csv.reader([lines[0].decode("utf-8")])) if lines else []
        self.writer = csv.DictWriter(self.file, fieldnames=names) if names else None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Writes a row.

        Raises:
            StorageError: the disk is full, or the file was deleted.
            CheckpointError: the existing file has other columns.
        """
        try:
            if self.writer is None:
                self.writer = csv.DictWriter(self.file, fieldnames=list(values))
                self.writer.writeheader()
            self.writer.writerow(values)
            self.file.flush()
            deleted = not os.fstat(self.file.fileno()).st_nlink
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        except ValueError as error:
            raise CheckpointError(f"{self.path} has other columns: {error}", fix="move that file away") from None
        if deleted:
            raise StorageError(
                f"{self.path} was deleted during the run", fix="leave a run's folder alone until the run ends"
            )

    def sync(self) -> None:
        """Flushes the file to the disk, so that no checkpoint is ever ahead of it."""
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        """Closes the file."""
        with suppress(OSError):  # `log` has already reported a row that could not be written
            self.file.close()


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {error.strerror}", fix="free some space")

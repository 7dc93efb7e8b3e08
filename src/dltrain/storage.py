"""Files that are written whole or not at all, and folders that are made or refused."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from dltrain.errors import StorageError


@contextmanager
def whole(path: Path, *, flushed: bool = True) -> Iterator[Path]:
    """Yields the path of a temporary file beside `path`; once it is written and on the disk, it takes that name.

    Args:
        path: of the file.
        flushed: whether to wait for the disk. Otherwise the file is whole whenever the process ends, and only if the
            machine fails it may be damaged.

    Raises:
        StorageError: the disk is full or not writable.
    """
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield neighbour
        if flushed:
            flush(neighbour)
        neighbour.replace(path)
    except OSError as error:
        fix = "free some space, or choose a folder that you may write to"
        raise StorageError(f"cannot write {path}: {error.strerror or error}", fix=fix) from error
    finally:
        with suppress(OSError):
            neighbour.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, flushed: bool = True) -> None:
    """Writes a whole file or none; `flushed` as in `whole`.

    Raises:
        StorageError: the disk is full or not writable.
    """
    with whole(path, flushed=flushed) as neighbour:
        neighbour.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file or none, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a whole JSON file or none; NaN and infinities, which JSON lacks, become null."""
    write_text(path, json.dumps(_finite(value), ensure_ascii=False, indent=2) + "\n")


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a whole CSV file or none."""
    write_text(path, csv_text(head, rows))


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns the text of a CSV file with these columns."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Makes a folder if there is none.

    Raises:
        StorageError: it cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(folder: Path, error: OSError) -> StorageError:
    """Returns the error for a folder that cannot be made or written to."""
    fix = "run in a folder that you may write to, or name one with hydra.run.dir"
    return StorageError(f"cannot write to the folder {folder}: {error.strerror}", fix=fix)


def flush(path: Path) -> None:
    """Waits until a file or the entries of a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

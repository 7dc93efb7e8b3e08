"""Reads files, or refuses them and proposes others."""

from __future__ import annotations

from pathlib import Path

from dltrain.data.cells import name_list, nearest
from dltrain.errors import DataError


def check_file(file: Path) -> Path:
    """Returns the same path, after checking that there is such a file.

    Raises:
        DataError: there is none, or it is a folder.
    """
    if file.is_file():
        return file
    read_bytes(file)
    return file


def read_bytes(file: Path) -> bytes:
    """Returns a file's content, or raises an error that proposes another file."""
    if file.is_dir():
        tables = sorted(entry.name for entry in file.glob("*.csv"))
        raise DataError(
            f"{file} is a folder, not a CSV file",
            where="data.path",
            fix=f"choose one of its files: {name_list(tables)}" if tables else "give the path of a file",
            override=f"data.path={file / tables[0]}" if tables else "",
        )
    try:
        return file.read_bytes()
    except FileNotFoundError:
        names = [entry.name for entry in file.parent.iterdir() if entry.is_file()] if file.parent.is_dir() else []
        close = nearest(file.name, names)
        tables = sorted(name for name in names if name.lower().endswith(".csv"))
        if close:
            fix = f"did you mean {file.parent / close[0]}?"
        elif tables:
            fix = f"choose a file of that folder: {name_list(tables)}"
        elif file.parent.is_dir():
            fix = f"give the path of a CSV file; {file.parent.resolve()} contains none"
        else:
            fix = f"give the path of a CSV file; there is no folder {file.parent.absolute()}"
        override = f"data.path={file.parent / close[0]}" if close else ""
        raise DataError(f"there is no file {file}", where="data.path", fix=fix, override=override) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read: {reason}", where="data.path", fix="give a readable file") from None

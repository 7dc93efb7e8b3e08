"""Writes tables a few rows at a time, as CSV, JSON lines or Parquet; a file appears whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from dltrain.errors import ConfigError, StorageError, require
from dltrain.storage import whole

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet", ".pq")


class RowWriter(Protocol):
    """Writes frames of the same columns, one after the other."""

    def write(self, frame: pd.DataFrame) -> None: ...

    def close(self) -> None: ...


class CsvWriter:
    """Writes CSV in which no cell is a formula to a spreadsheet."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.writer = csv.writer(file, lineterminator="\n")
        self.begun = False

    def write(self, frame: pd.DataFrame) -> None:
        if not self.begun:
            self.writer.writerow([safe_cell(str(name)) for name in frame.columns])
            self.begun = True
        columns = [[_spell(value, str(name)) for value in frame[name].tolist()] for name in frame.columns]
        self.writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self.file.flush()


class JsonLinesWriter:
    """Writes a JSON object a line."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, frame: pd.DataFrame) -> None:
        self.file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records(frame))

    def close(self) -> None:
        self.file.flush()


class ParquetWriter:
    """Writes a Parquet file, a row group for each frame."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        if self.file is None:
            self.file = parquet.ParquetWriter(self.path, table.schema)
        self.file.write_table(table)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


@contextmanager
def open_rows(path: Path | None) -> Iterator[RowWriter]:
    """Yields a writer in the format that the file's suffix names; without a path it writes CSV to standard output.

    The file takes its name when everything is written.

    Raises:
        ConfigError: there is no such format, or the package that writes it is not installed.
        StorageError: the file cannot be written.
    """
    if path is None:
        writer = CsvWriter(sys.stdout)
        yield writer
        writer.close()
        return
    kind = check_rows_path(path)
    with whole(path) as neighbour:
        if kind in (".parquet", ".pq"):
            rows: RowWriter = ParquetWriter(neighbour)
            yield rows
            rows.close()
        else:
            with neighbour.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                rows = CsvWriter(file) if kind == ".csv" else JsonLinesWriter(file)
                yield rows
                rows.close()


def check_rows_path(path: Path) -> str:
    """Returns the suffix of a path that rows are to be written to, so that a bad path is refused before any work.

    Raises:
        ConfigError: there is no such format, or the package that writes it is not installed.
        StorageError: there is no such folder.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise ConfigError(f"rows cannot be written to {path.name}", fix=f"end the name in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}", fix=f"create it: mkdir -p {path.parent}")
    if kind in (".parquet", ".pq"):
        fix = "pip install 'dltrain[parquet]' (or pip install pyarrow), or write .csv or .jsonl"
        require("pyarrow", "parquet", "writes Parquet", ConfigError, fix=fix)
    return kind


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows as JSON objects; NaN and infinities, which JSON lacks, become null."""
    names = [str(name) for name in frame.columns]
    columns: list[Sequence[Any]] = [[_finite(value) for value in frame[name].tolist()] for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _spell(value: Any, name: str) -> str:
    """Returns a cell of CSV: scores with 6 significant digits, other numbers with 9; a missing value is empty."""
    if is_missing(value):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if name.startswith("score") else f"{value:.9g}"
    return safe_cell(str(value))


def _finite(value: Any) -> Any:
    return None if is_missing(value) or (isinstance(value, float) and not math.isfinite(value)) else value


def is_missing(value: Any) -> bool:
    """Tells whether a value is pandas' `NA`, without importing pandas."""
    return type(value).__name__ == "NAType"


def safe_cell(text: str) -> str:
    """Returns the text, after an apostrophe if a spreadsheet would take it for a formula and it is not a number."""
    if text[:1] not in ("=", "+", "-", "@", "\t", "\r"):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text

"""Reads tables of any length a few rows at a time: CSV and JSON lines from files and pipes, Parquet from files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from csv import Error as CsvError
from csv import reader as csv_reader
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from dltrain.data.csv_reader import Header, find_delimiter, name_columns, with_decimal_points
from dltrain.data.text_encoding import find_encoding
from dltrain.errors import DataError

HEAD = 1 << 20  # bytes in which encoding and delimiter are looked for


@dataclass(frozen=True)
class TableFormat:
    """How a CSV file is to be read, by the same keys as in `data=csv`.

    Args:
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        header: `none` where the first line is data.
    """

    encoding: str = "auto"
    delimiter: str = "auto"
    header: Header = "auto"


class Rejoined(io.RawIOBase):
    """A file or pipe read again from its beginning, after its first bytes were read; counts the bytes in `passed`."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self.head, self.rest, self.passed = head, rest, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.head[: len(buffer)] if self.head else self.rest.read(len(buffer))
        self.head = self.head[len(piece) :]
        buffer[: len(piece)] = piece
        self.passed += len(piece)
        return len(piece)


def read_head(file: BinaryIO) -> bytes:
    """Returns the first bytes of a file or pipe; all of them where it is short."""
    pieces, size = [], 0
    while size < HEAD and (piece := file.read(HEAD - size)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def stream_csv(source: Rejoined, name: str, form: TableFormat, rows: int) -> Iterator[pd.DataFrame]:
    """Yields frames of up to `rows` rows, every cell as text, as `read_csv` reads it.

    The index counts the rows from 0. Whether commas in a column are decimal points is decided by the first frame in
    which it has any.

    Raises:
        DataError: it is not text, has no rows, or a row does not fit the header.
    """
    head = source.head
    encoding = find_encoding(head, name, whole=len(head) < HEAD) if form.encoding == "auto" else form.encoding
    try:
        text = io.TextIOWrapper(io.BufferedReader(source), encoding=encoding, newline="")
    except LookupError:
        raise DataError(
            f"there is no text encoding {encoding!r}", where="data.encoding", fix="use utf-8 or gbk"
        ) from None
    separator, _ = find_delimiter(head.decode(encoding, "ignore"), form.delimiter)
    records = csv_reader(text, delimiter=separator, strict=True)
    try:
        first = next(filter(None, records), None)
        if first is None:
            raise DataError(f"{name} is empty", fix="give a table with a header line and rows")
        names, is_data, _ = name_columns(first, form.header, name)
        waiting = [first] if is_data else []
        commas: set[str] = set()
        start = 0
        while chunk := [*waiting, *islice(filter(None, records), rows - len(waiting))]:
            waiting = []
            faulty = next((row for row, cells in enumerate(chunk) if len(cells) != len(names)), None)
            if faulty is not None:
                width = len(chunk[faulty])
                raise DataError(
                    f"the row has {width} field{'s' * (width != 1)} and the header {len(names)}",
                    where=f"{name}, row {start + faulty + 2} (the header is row 1)",
                    fix=f'correct that line; a cell that contains {separator!r} needs quotes: "a{separator}b"',
                )
            columns = [[cell or None for cell in column] for column in zip(*chunk, strict=True)]
            for title, column in zip(names, columns, strict=True):
                if separator != ",":
                    _read_commas(title, column, commas)
            index = pd.RangeIndex(start, start + len(chunk))
            yield pd.DataFrame(dict(zip(names, columns, strict=True)), index=index, dtype=object)
            start += len(chunk)
    except CsvError as error:
        raise DataError(
            f"a quote is not closed, or text follows a closed one ({error})",
            where=name,
            fix='close the quote; a quote inside a quoted cell is written twice: ""',
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not {encoding}: {error.reason} 0x{error.object[error.start]:02x}",
            where="data.encoding",
            fix="name its encoding, such as gbk",
            override="data.encoding=gbk",
        ) from None
    if start == 0:
        raise DataError(f"{name} contains a header line but no rows", fix="give a table with rows")


def _read_commas(title: str, column: list[str | None], commas: set[str]) -> None:
    """Turns decimal commas of a column into points, also where only earlier frames had any."""
    if title in commas and not any("," in cell for cell in column if cell):
        column.append("0,0")  # without a fraction in this frame, 1.234 would not be read as a thousand
        with_decimal_points(column)
        column.pop()
    elif with_decimal_points(column):
        commas.add(title)


def stream_json_lines(source: Rejoined, name: str, rows: int) -> Iterator[pd.DataFrame]:
    """Yields frames of up to `rows` rows from text with a JSON object a line.

    Raises:
        DataError: a line is not an object of plain values, or there is no line.
    """
    lines = (line for line in enumerate(io.BufferedReader(source), 1) if line[1].strip())
    start = 0
    while chunk := [_object(line, number, name) for number, line in islice(lines, rows)]:
        names = list(dict.fromkeys(key for record in chunk for key in record))
        cells = {key: [record.get(key) for record in chunk] for key in names}
        yield pd.DataFrame(cells, index=pd.RangeIndex(start, start + len(chunk)))
        start += len(chunk)
    if start == 0:
        raise DataError(f"{name} is empty", fix="give one JSON object per line")


def _object(line: bytes, number: int, name: str) -> dict[str, Any]:
    """Returns the JSON object in a line, whose values must be plain."""
    where, fix = f"{name}, line {number}", 'write one object per line, such as {"age": 41, "city": "Ulm"}'
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the line is not JSON: {error}", where=where, fix=fix) from None
    if not isinstance(record, dict):
        raise DataError("the line is not a JSON object", where=where, fix=fix)
    nested = [key for key, value in record.items() if isinstance(value, dict | list)]
    if nested:
        raise DataError(f"{nested[0]!r} contains a list or an object, not a plain value", where=where, fix=fix)
    return record


def stream_parquet(path: Path, rows: int, read: Callable[[Path], tuple[pd.DataFrame, Any]]) -> Iterator[pd.DataFrame]:
    """Yields frames of up to `rows` rows from a Parquet file.

    Args:
        path: of the file.
        rows: most rows of a frame.
        read: reads a whole file, and raises an error that explains why one cannot be read.

    Raises:
        DataError: it is not a Parquet file, or has no rows.
    """
    try:
        from pyarrow import Table
        from pyarrow.parquet import ParquetFile

        file = ParquetFile(path)
        if file.metadata.num_rows == 0:
            raise ValueError("no rows")
    except Exception:
        read(path)
        raise
    start = 0
    for batch in file.iter_batches(batch_size=rows):
        frame = Table.from_batches([batch]).to_pandas()
        frame = frame.reset_index(drop=frame.index.name is None)
        yield frame.set_axis(pd.RangeIndex(start, start + len(frame)))
        start += len(frame)

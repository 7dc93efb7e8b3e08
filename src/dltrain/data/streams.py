"""Reads CSV of any length a few rows at a time, from files and pipes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from dltrain.data.cells import MISSING
from dltrain.data.csv_reader import scan_rows
from dltrain.data.double_colons import has_double_colons, parsable, without_double_colons
from dltrain.data.table_end import leave_out_end, leave_out_labelled
from dltrain.data.table_format import AUTO, NONE, TableFormat
from dltrain.data.table_records import DECIMAL_COMMA
from dltrain.data.table_start import Layout, find_layout
from dltrain.data.text_encoding import find_encoding
from dltrain.errors import DataError

TEXT: Any = pd.ArrowDtype(pa.string())
HEAD = 1 << 20  # bytes in which encoding and delimiter are looked for


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

    The index counts the rows from 0. If decimal commas become points, the first frame in which a column has any
    decides.

    Raises:
        DataError: it is not text, has no rows, or a row does not fit the header.
    """
    head = source.head
    encoding = find_encoding(head, name, whole=len(head) < HEAD) if form.encoding == AUTO else form.encoding
    try:
        text = io.TextIOWrapper(io.BufferedReader(source), encoding=encoding, newline="")
    except LookupError:
        raise DataError(
            f"there is no text encoding {encoding!r}", where="data.encoding", fix="use utf-8 or gbk"
        ) from None
    first = io.StringIO(head.decode(encoding, "ignore"), newline="")
    beginning, lines = list(_lines(first, form.comment)), _lines(text, form.comment)
    if has_double_colons(beginning, form):
        beginning, lines = list(map(without_double_colons, beginning)), map(without_double_colons, lines)
        form = parsable(form)
    layout = find_layout(beginning, form, name)
    try:
        yield from _frames(islice(lines, layout.first_row, None), layout, name, rows, points=form.points)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not {encoding}: {error.reason} 0x{error.object[error.start]:02x}",
            where="data.encoding",
            fix="name its encoding, such as gbk",
            override="data.encoding=gbk",
        ) from None


def _lines(text: Iterable[str], comment: str) -> Iterator[str]:
    """Yields lines without a byte order mark, blank ones for those that begin with the character of comments."""
    for number, line in enumerate(text):
        line = line if number else line.removeprefix("\ufeff")
        is_comment = comment not in (AUTO, NONE) and line.lstrip(" \t").startswith(comment)
        yield "\n" if is_comment else line


def _frames(lines: Iterator[str], layout: Layout, name: str, rows: int, *, points: bool) -> Iterator[pd.DataFrame]:
    records = (cells for cells in scan_rows(lines, layout, name, []) if tuple(cells) != layout.header)
    commas: set[str] = set()
    start, waiting = 0, list(islice(records, rows))
    while chunk := waiting:
        waiting = list(islice(records, rows))
        columns = [[cell or None for cell in column] for column in zip(*chunk, strict=True)]
        for title, column in zip(layout.names, columns, strict=False):
            if points and layout.separator != ",":
                _read_commas(title, column, commas)
        arrays = (pd.array(column, dtype=TEXT) for column in columns)
        frame = pd.DataFrame(dict(zip(layout.names, arrays, strict=False)))
        if not waiting:
            frame = leave_out_labelled(frame) if start else leave_out_end(frame)[0]
        yield frame.set_axis(pd.RangeIndex(start, start + len(frame)))
        start += len(frame)
    if start == 0:
        raise DataError(f"{name} contains a header line and no rows", fix="give a table with rows")


def _read_commas(title: str, column: list[str | None], commas: set[str]) -> None:
    """Turns decimal commas of a column into points, also where only earlier frames had any."""
    written = [cell.strip() for cell in column if cell is not None and cell.strip().casefold() not in MISSING]
    if not (title in commas or any("," in cell for cell in written)) or not all(map(DECIMAL_COMMA.fullmatch, written)):
        return
    commas.add(title)
    column[:] = [
        cell if cell is None or cell.strip().casefold() in MISSING else cell.replace(".", "").replace(",", ".")
        for cell in column
    ]

"""Reads a CSV file of unknown encoding and delimiter, or refuses it and names the faulty line."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from csv import Error as CsvError
from csv import reader as csv_reader
from itertools import chain, islice, pairwise
from math import isfinite
from pathlib import Path
from typing import Literal

import pandas as pd

from dltrain.data.cells import MISSING, name_list, nearest
from dltrain.data.text_encoding import decode
from dltrain.errors import DataError

Header = Literal["auto", "first", "none"]
# 1,5 · -12,25 · 1.234,5 · 7
DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?([eE][+-]?\d+)?")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


def read_csv(
    path: str, encoding: str = "auto", delimiter: str = "auto", header: Header = "auto"
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads every cell as text; an empty cell becomes None, a decimal comma a point.

    The parser is strict: unlike in pandas, a row with a field too many is refused and shifts no column.

    Returns:
        A frame `(rows, columns)` of dtype object with at least one row, and notes on what was guessed.

    Raises:
        DataError: there is no such file, it is not text, it has no rows, a quote is not closed, or a row does not fit
            the header.
    """
    file = Path(path).expanduser()
    text, notes = decode(_read_bytes(file), str(path), encoding)
    separator, guess = find_delimiter(text, delimiter)
    columns = _parse(text, separator, str(path))
    if not columns:
        raise DataError(f"{path} is empty", where="data.path", fix="give a file with a header line and rows")
    first = [next(column) for column in columns]
    names, is_data, header_notes = name_columns(first, header, str(path))
    cells = {
        name: [cell or None for cell in (chain([top], column) if is_data else column)]
        for name, top, column in zip(names, first, columns, strict=True)
    }
    if not cells[names[0]]:
        raise DataError(f"{path} contains a header line but no rows", where="data.path", fix="give a file with rows")
    commas = [name for name, column in cells.items() if separator != "," and with_decimal_points(column)]
    decimal = (f"commas are decimal points in {name_list(commas)}",) if commas else ()
    return pd.DataFrame(cells, dtype=object), (*notes, *guess, *header_notes, *decimal)


def with_decimal_points(cells: list[str | None]) -> bool:
    """Rewrites 1,5 and 1.234,5 in place as 1.5 and 1234.5 if every cell is such a number or missing; tells whether
    it did."""
    written = [cell.strip() for cell in cells if cell is not None and cell.strip().casefold() not in MISSING]
    if not any("," in cell for cell in written) or not all(map(DECIMAL_COMMA.fullmatch, written)):
        return False
    cells[:] = [
        cell.replace(".", "").replace(",", ".") if cell and cell.strip() in set(written) else cell for cell in cells
    ]
    return True


def check_file(file: Path) -> Path:
    """Returns the same path, after checking that there is such a file.

    Raises:
        DataError: there is none, or it is a folder.
    """
    if file.is_file():
        return file
    _read_bytes(file)
    return file


def _read_bytes(file: Path) -> bytes:
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


def find_delimiter(text: str, delimiter: str) -> tuple[str, tuple[str, ...]]:
    """Returns the character between fields, and a note if it was guessed and is not a comma.

    The guess is the character that gives the most of the first records as many fields as the header.

    Raises:
        DataError: `delimiter` is not one character.
    """
    if delimiter != "auto":
        separator = DELIMITERS.get(delimiter, delimiter)
        if len(separator) != 1 or separator in '"\r\n':
            raise DataError(
                f"{delimiter!r} is not a delimiter",
                where="data.delimiter",
                fix=f"give one character, or one of {', '.join(DELIMITERS)}, or auto to find it",
                override="data.delimiter=auto",
            )
        return separator, ()

    best, best_score = ",", (0.0, 1)
    for separator in DELIMITERS.values():
        widths = [len(row) for row in _first_records(text, separator) if row]
        if widths and widths[0] > 1:
            even = sum(width == widths[0] for width in widths) / len(widths)
            best, best_score = max((best, best_score), (separator, (even, widths[0])), key=lambda scored: scored[1])
    name = next(name for name, separator in DELIMITERS.items() if separator == best)
    return best, () if best == "," else (f"fields are separated by {name} ({best!r})",)


def _first_records(text: str, separator: str, count: int = 100, characters: int = 1_000_000) -> list[list[str]]:
    """Returns the first whole records; fewer where a quote is faulty."""
    records: list[list[str]] = []
    try:
        for row in islice(csv_reader(io.StringIO(text[:characters], newline=""), delimiter=separator), count):
            records.append(row)
    except CsvError:
        pass
    cut_short = len(text) > characters and 1 < len(records) < count
    return records[:-1] if cut_short else records


def _parse(text: str, separator: str, path: str, chunk: int = 500) -> list[Iterator[str]]:
    """Returns the cells of each column, the header's first, without blank lines."""
    columns: list[list[tuple[str, ...]]] = []
    records = csv_reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        # Rows become columns chunk by chunk, and columns stay tuples: Python's garbage collector does not track tuples
        # of strings, but would spend most of the time on visiting lists of rows again and again.
        while rows := list(islice(records, chunk)):
            rows = list(filter(None, rows))
            columns = columns or [[] for _ in next(iter(rows), [])]
            if set(map(len, rows)) - {len(columns)}:
                raise _fault(text, separator, path)
            for column, cells in zip(columns, zip(*rows, strict=True), strict=False):
                column.append(cells)
    except CsvError:
        raise _fault(text, separator, path) from None
    return [chain.from_iterable(column) for column in columns]


def _fault(text: str, separator: str, path: str) -> DataError:
    """Returns the error of the first faulty line, which it finds by reading the text again, line by line."""
    records = csv_reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    width, line = 0, 1
    try:
        for row in records:
            width = width or len(row)
            if row and len(row) != width:
                return DataError(
                    f"the row has {len(row)} field{'s' * (len(row) != 1)} and the header {width}",
                    where=f"{path}, line {line}",
                    fix=f'correct that line; a cell that contains {separator!r} needs quotes: "a{separator}b"',
                )
            line = records.line_num + 1
    except CsvError as error:
        unclosed = "end of data" in str(error) or "field limit" in str(error)
        return DataError(
            "a quote is opened and never closed" if unclosed else f"a quoted cell is followed by text ({error})",
            where=f"{path}, line {line}",
            fix='close the quote; a quote inside a quoted cell is written twice: ""',
        )
    raise AssertionError("a faulty file has a fault")


def name_columns(first: list[str], header: Header, path: str) -> tuple[list[str], bool, tuple[str, ...]]:
    """Names the columns of a file, after its first line if that is a header.

    With `auto`, a line that holds numbers such as 5.1 or -3 is data; whole positive ones, such as years, may be names.

    Returns:
        The names, whether the first line is data, and notes on what was guessed.

    Raises:
        DataError: two columns have the same name.
    """
    numbers = [number for cell in first if (number := _as_number(cell)) is not None]
    counted = all(number.is_integer() and number >= 0 for number in numbers)
    consecutive = all(after == before + 1 for before, after in pairwise(numbers))
    looks_like_data = bool(numbers) and (not counted or (len(numbers) == len(first) and not consecutive))
    if header == "none" or (header == "auto" and looks_like_data):
        names = [f"column_{position + 1}" for position in range(len(first))]
        cells = ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")
        guess = f"no header line, because the first line is {cells}: columns are called column_1, column_2, ... "
        return names, True, (guess + "(data.header=first if it is one)",) if header == "auto" else ()
    names, notes = header_names(first, path)
    return names, False, notes


def _as_number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if isfinite(number) else None


def header_names(cells: list[str], path: str) -> tuple[list[str], tuple[str, ...]]:
    """Returns the names in a header line, with names for empty cells, and notes on these.

    Raises:
        DataError: two columns have the same name.
    """
    names = [cell.strip(" \t\r\n\ufeff\u3000") for cell in cells]
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise DataError(
                f"two columns have the name {name!r}",
                where=f"{path}, columns {names.index(name) + 1} and {position + 1} of the header",
                fix="rename one of them in the file, or say that it has no header line: data.header=none",
            )
    notes: list[str] = []
    for position, name in enumerate(names):
        if not name:
            given = f"column_{position + 1}"
            while given in names:
                given += "_"
            names[position] = given
            notes.append(f"column {position + 1} has no name; it is called {given}")
    return names, tuple(notes)

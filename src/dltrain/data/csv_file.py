"""Reads a CSV file of unknown encoding and delimiter, cell for cell, or refuses it with the line at fault."""

from __future__ import annotations

import codecs
import difflib
import io
from collections.abc import Iterator, Sequence
from csv import Error as CsvError
from csv import reader as csv_reader
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import pandas as pd

from dltrain.data.columns import name_list
from dltrain.data.numbers import Impute, Numeric
from dltrain.data.table import table
from dltrain.errors import DataError
from dltrain.types import Data

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
COMMON_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "gbk", "gb18030", "big5", "cp1252", "latin-1", "cp1251")


def csv(
    *,
    path: str,
    target: str | None,
    drop: Sequence[str] = (),
    task: Literal["auto", "regression", "classification"] = "auto",
    encoding: str = "auto",
    delimiter: str = "auto",
    numeric: Numeric = "quantile",
    impute: Impute = "median",
    scale_target: bool = True,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Data:
    """Reads a CSV file with a header line as a table whose column `target` is to be predicted.

    Args:
        path: the file.
        target: name of the column to predict.
        drop: names of columns that must not be used.
        task: `auto` decides by the target's values.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        impute: what a missing number becomes, `drop` to leave its row out.
        scale_target: standardise a numeric target inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: fixes the split.

    Raises:
        DataError: the file cannot be read as a table, or the table cannot be learned from.
    """
    frame, notes = read_csv(path, encoding, delimiter)
    if target is None:
        raise DataError(
            "no target: which column is to be predicted?",
            where="data.target",
            fix=f"choose one of {name_list(frame.columns)}",
            override=f"data.target={frame.columns[-1]}",
        )
    return table(
        frame,
        target=target,
        drop=drop,
        task=task,
        numeric=numeric,
        impute=impute,
        scale_target=scale_target,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        notes=notes,
    )


def read_csv(path: str, encoding: str = "auto", delimiter: str = "auto") -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads every cell as the text it is in the file; an empty cell is None.

    One strict parser reads everything, so a row with a field too many can shift no column, as it does in pandas.

    Returns:
        A frame `(rows, columns)` of dtype object, at least one row, and notes on what was guessed.

    Raises:
        DataError: no such file, not text, no rows, an unclosed quote, or a row that does not fit the header.
    """
    file = Path(path).expanduser()
    text, notes = _decode(_read_bytes(file), str(path), encoding)
    separator, guess = _delimiter(text, delimiter)
    columns = _parse(text, separator, str(path))
    if not columns:
        raise DataError(f"{path} is empty", where="data.path", fix="give a file with a header line and rows")
    header, unnamed = _header([next(column) for column in columns], str(path))
    cells = {name: [cell or None for cell in column] for name, column in zip(header, columns, strict=True)}
    if not cells[header[0]]:
        raise DataError(f"{path} holds a header line and no rows", where="data.path", fix="give a file with rows")
    return pd.DataFrame(cells, dtype=object), (*notes, *guess, *unnamed)


def _read_bytes(file: Path) -> bytes:
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
        nearest = difflib.get_close_matches(file.name, names, n=1, cutoff=0.5)
        tables = sorted(name for name in names if name.lower().endswith(".csv"))
        if nearest:
            fix = f"did you mean {file.parent / nearest[0]}?"
        elif tables:
            fix = f"that folder holds {name_list(tables)}"
        elif file.parent.is_dir():
            fix = f"give the path of a CSV file; {file.parent.resolve()} holds none"
        else:
            fix = f"give the path of a CSV file; there is no folder {file.parent.absolute()}"
        override = f"data.path={file.parent / nearest[0]}" if nearest else ""
        raise DataError(f"there is no file {file}", where="data.path", fix=fix, override=override) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read: {reason}", where="data.path", fix="give a readable file") from None


def _decode(data: bytes, path: str, encoding: str) -> tuple[str, tuple[str, ...]]:
    """Returns the text without its byte order mark, and a note where the encoding was not plain UTF-8."""
    if encoding != "auto":
        try:
            return data.decode(encoding).removeprefix("\ufeff"), ()
        except LookupError:
            nearest = difflib.get_close_matches(encoding.lower(), COMMON_ENCODINGS, n=1, cutoff=0.5)
            raise DataError(
                f"there is no text encoding {encoding!r}",
                where="data.encoding",
                fix=f"use one such as {', '.join(COMMON_ENCODINGS[:6])}",
                override=f"data.encoding={nearest[0] if nearest else 'auto'}",
            ) from None
        except ValueError as error:
            raise DataError(
                f"{path} is not {encoding}: {error}",
                where="data.encoding",
                fix="let the encoding be found, or name another",
                override="data.encoding=auto",
            ) from None
    if data.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is an Excel workbook or a zip file, not CSV", "data.path", "save it as CSV (UTF-8)")
    marked = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "")
    wide = {(1, 0): "utf-16-be", (0, 1): "utf-16-le"}.get((int(data[0:3:2] == b"\0\0"), int(data[1:4:2] == b"\0\0")))
    if wide and not marked:
        raise DataError(
            f"{path} seems to be UTF-16 without a byte order mark", "data.encoding", "name it", f"data.encoding={wide}"
        )
    try:
        text = data.decode(marked or "utf-8").removeprefix("\ufeff")
        return text, ("read as UTF-16, by its byte order mark",) if marked == "utf-16" else ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        at = f"{path}, line {line}"
        if marked:
            raise DataError(
                f"the file says that it is {marked}, but holds byte 0x{data[error.start]:02x}",
                where=at,
                fix="save it again as UTF-8, or name its encoding in data.encoding",
            ) from None
        return _decode_gb18030(data, at)


def _decode_gb18030(data: bytes, at: str) -> tuple[str, tuple[str, ...]]:
    """Decodes what is not UTF-8 as GB18030 if that yields everyday Chinese, as European text never does.

    Everyday means GB 2312: nearly every character is in it, and most are of its first level, the 3,755 common ones
    (lead bytes 0xB0 to 0xD7). Korean in EUC-KR falls into that level too, but never beyond lead byte 0xC8.
    """
    try:
        text = data.decode("gb18030")
        wide = [pair for char in islice((c for c in text if c > "\x7f"), 10_000) if (pair := char.encode("gb18030"))]
    except UnicodeDecodeError:
        text, wide = "", []
    in_gb2312 = [pair for pair in wide if len(pair) == 2 and pair[0] <= 0xF7 and min(pair) >= 0xA1]
    ideographs = [pair for pair in in_gb2312 if pair[0] >= 0xB0]
    common = [pair for pair in ideographs if pair[0] <= 0xD7]
    late = [pair for pair in common if pair[0] > 0xC8]
    kana_and_lines = [pair for pair in in_gb2312 if 0xA4 <= pair[0] < 0xB0]
    if (
        len(set(ideographs)) >= 2
        and "\0" not in text
        and len(in_gb2312) >= 0.95 * len(wide)
        and len(common) >= 0.6 * len(ideographs)
        and len(kana_and_lines) <= 0.05 * len(wide)
        and (len(common) < 20 or len(late) >= 0.1 * len(common))
    ):
        return text, ("read as GB18030 (GBK): it is not UTF-8, and read so it is everyday Chinese",)
    raise DataError(
        "the file is not UTF-8, and its encoding cannot be told for sure",
        where=at,
        fix="save it as UTF-8 or name its encoding: data.encoding=gbk for Chinese, data.encoding=cp1252 for European",
        override=f"data.encoding={'gbk' if len(common) > 0.5 * len(wide) else 'cp1252'}",
    )


def _delimiter(text: str, delimiter: str) -> tuple[str, tuple[str, ...]]:
    """Returns the character between fields, by the header and how evenly the first records follow it."""
    if delimiter != "auto":
        separator = DELIMITERS.get(delimiter, delimiter)
        if len(separator) != 1 or separator in '"\r\n':
            raise DataError(
                f"data.delimiter must be one character or one of {', '.join(DELIMITERS)}, not {delimiter!r}",
                where="data.delimiter",
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
    return best, () if best == "," else (f"fields are divided by {name} ({best!r})",)


def _first_records(text: str, separator: str, count: int = 100, characters: int = 1_000_000) -> list[list[str]]:
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
        # Rows turn into columns chunk by chunk, and columns stay tuples: Python's garbage collector leaves tuples of
        # strings alone, but would spend most of the time on visiting lists of rows again and again.
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
    """Reads again, slowly, for the line of the first fault."""
    records = csv_reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    width, line = 0, 1
    try:
        for row in records:
            width = width or len(row)
            if row and len(row) != width:
                return DataError(
                    f"{len(row)} fields where the header has {width}",
                    where=f"{path}, line {line}",
                    fix=f'correct that line; a cell that holds {separator!r} needs quotes: "a{separator}b"',
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


def _header(cells: list[str], path: str) -> tuple[list[str], tuple[str, ...]]:
    names = [cell.strip(" \t\r\n\ufeff\u3000") for cell in cells]
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise DataError(
                f"two columns are called {name!r}",
                where=f"{path}, columns {names.index(name) + 1} and {position + 1} of the header",
                fix="rename one of them in the file",
            )
    notes: list[str] = []
    for position, name in enumerate(names):
        if not name:
            given = f"column_{position + 1}"
            while given in names:
                given += "_"
            names[position] = given
            notes.append(f"column {position + 1} has no name: called {given}")
    if all(name.replace(".", "", 1).isdigit() for name in names):
        notes.append("every column name is a number: does the file lack a header line?")
    return names, tuple(notes)

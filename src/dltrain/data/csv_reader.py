"""Reads a CSV file of unknown encoding and delimiter, or refuses it and names the faulty line."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from dltrain.data.cells import MISSING, name_list
from dltrain.data.double_colons import has_double_colons, parsable, without_double_colons
from dltrain.data.drawn_tables import read_drawn, refuse_markup
from dltrain.data.table_end import MOST, are_footers, leave_out_end
from dltrain.data.table_format import AUTO, BLANKS, DOUBLE_COLON, NONE, STAND_IN, TableFormat
from dltrain.data.table_records import DECIMAL_COMMA, QuoteError, Record, is_number_like, read_records
from dltrain.data.table_start import Layout, find_layout
from dltrain.data.text_encoding import to_utf8
from dltrain.errors import DataError

HEAD, TAIL = 1 << 20, 1 << 14  # bytes in which the table is looked for, and what comes below it
BLOCK = 1 << 22  # bytes that are parsed at a time


def read_text(data: bytes, path: str, form: TableFormat) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads the content of a CSV file, every cell as text.

    The parser is strict: unlike in pandas, a row with a field too many is refused and shifts no column.

    Args:
        data: the content.
        path: of the file, for messages.
        form: how it is to be read.

    Returns:
        A frame `(rows, columns)` of Arrow's strings with at least one row, an empty cell missing, and notes on what was
        guessed.

    Raises:
        DataError: it is not text, has no rows, a quote is not closed, or a row does not fit the header.
    """
    data, notes = to_utf8(data, path, form.encoding)
    refuse_markup(data, path)
    data, form, drawn_notes = read_drawn(data, form)
    if form.comment not in (AUTO, NONE):
        data = _without_comments(data, form.comment)
    lines = _head(data)
    if has_double_colons(lines, form):
        data, lines = data.replace(DOUBLE_COLON.encode(), STAND_IN.encode()), list(map(without_double_colons, lines))
        form, notes = parsable(form), (*notes, f"fields are separated by {DOUBLE_COLON}")
    layout = find_layout(lines, form, path)
    start = sum(len(line.encode()) for line in lines[: layout.first_row])
    footers: list[str] = []
    table = _parse(data, start, layout, footers)
    if table is None:
        try:
            table = _scan(data, start, layout, path, footers)
        except DataError as error:
            raise _with_a_key(error, data, layout, form, path) from None
    if table.num_rows == 0:
        raise DataError(f"{path} contains a header line and no rows", where="data.path", fix="give a file with rows")
    table, layout_notes = _drop_what_is_none(table, layout)
    table, commas = read_decimal_commas(table) if form.points and layout.separator != "," else (table, [])
    decimal = [f"commas are decimal points in {name_list(commas)}"] if commas else []
    frame, end_notes = leave_out_end(table.to_pandas(types_mapper=pd.ArrowDtype))
    return frame, (*notes, *drawn_notes, *layout.notes, *layout_notes, *decimal, *footers, *end_notes)


def _without_comments(data: bytes, mark: str) -> bytes:
    """Returns a text with blank lines for those that begin with a character."""
    return re.sub(rb"(?m)(^|(?<=\r))[ \t]*" + re.escape(mark.encode()) + rb"[^\r\n]*", b"", data)


def _head(data: bytes) -> list[str]:
    """Returns the first lines of a text; its last one may be cut off."""
    return list(io.StringIO(data[:HEAD].decode("utf-8", "ignore"), newline=""))


def _parse(data: bytes, start: int, layout: Layout, footers: list[str]) -> pa.Table | None:
    """Returns the rows as Arrow's strings; None where only `_scan` can judge them.

    Args:
        data: the text in UTF-8.
        start: of the first row, in bytes.
        layout: of the table.
        footers: where a note on lines below the table is put.
    """
    separator, quote = layout.separator, layout.quote
    if layout.width < 2 or not separator.isascii() or not quote.isascii() or start >= len(data):
        return None
    if quote and quote.encode() in data:
        if separator == BLANKS or not _are_quotes_regular(data, start, separator, quote):
            return None
    else:
        quote = ""
    body: Any = memoryview(data)[start:]
    if separator == BLANKS:
        body, separator = _tabs_for_blanks(bytes(body)), "\t"
    try:
        return _parse_body(body, layout.width, separator, quote)
    except pa.ArrowInvalid:
        end = _find_end(bytes(body[-TAIL:]), replace(layout, separator=separator), footers, len(body) <= TAIL)
        if end is None:
            return None
    try:
        return _parse_body(body[: len(body) - end], layout.width, separator, quote)
    except pa.ArrowInvalid:
        footers.clear()
        return None


def _parse_body(body: Any, width: int, separator: str, quote: str) -> pa.Table:
    names = list(map(str, range(width)))
    return arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=BLOCK),
        parse_options=arrow_csv.ParseOptions(
            delimiter=separator, quote_char=quote or False, newlines_in_values=bool(quote)
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def _are_quotes_regular(data: bytes, start: int, separator: str, quote: str) -> bool:
    """Tells whether every quote opens a whole cell, closes it, or is one of two that stand for one."""
    text = np.frombuffer(data, dtype=np.uint8)[start:]
    at = np.flatnonzero(text == ord(quote))
    if len(at) % 2:
        return False
    edges = np.zeros(256, dtype=bool)
    edges[[ord(separator), ord("\n"), ord("\r")]] = True
    opening, closing = at[::2], at[1::2]
    if not len(at):
        return True
    before = (opening == 0) | edges[text[opening - 1]]
    before[1:] |= opening[1:] == closing[:-1] + 1
    after = (closing == len(text) - 1) | edges[text[np.minimum(closing + 1, len(text) - 1)]]
    after[:-1] |= closing[:-1] + 1 == opening[1:]
    return bool(before.all() and after.all())


def _tabs_for_blanks(body: bytes) -> bytes:
    text = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?\n|\r|\Z)", b"", body)
    return re.sub(rb"[ \t]+", b"\t", text)


def _find_end(tail: bytes, layout: Layout, footers: list[str], whole: bool) -> int | None:
    """Returns how many bytes at the end of a text are certainly below the table; None where there are none."""
    lines = list(io.StringIO(tail.decode("utf-8", "ignore"), newline=""))[0 if whole else 1 :]
    records = list(read_records(lines, layout.separator, layout.quote))
    below = 0
    while below < len(records) and len(records[-1 - below].cells) != layout.width:
        below += 1
    if not below or below == len(records):
        return None
    body, rest = records[:-below], records[-below:]
    if not are_footers(rest, layout.width, all(is_number_like(record.cells[0]) for record in body)):
        return None
    footers.append(_note_footers(rest))
    return sum(len(line.encode()) for line in lines[rest[0].line :])


def _note_footers(records: Sequence[Record]) -> str:
    more = f" and {len(records) - 1} more lines" if len(records) > 1 else ""
    return f"left out below the table: {', '.join(records[0].cells).strip()}{more}"


def _scan(data: bytes, start: int, layout: Layout, path: str, footers: list[str]) -> pa.Table:
    """Returns the rows as `_parse` does, read by Python's own reader, the judge of every fault.

    Raises:
        DataError: naming the first faulty line.
    """
    lines = io.StringIO(data[start:].decode("utf-8"), newline="")
    records = scan_rows(lines, layout, path, footers)
    columns: list[list[tuple[str, ...]]] = [[] for _ in range(layout.width)]
    # Rows become columns chunk by chunk, and columns stay tuples: Python's garbage collector does not track tuples
    # of strings, but would spend most of the time on visiting lists of rows again and again.
    while rows := list(islice(records, 500)):
        for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
            column.append(cells)
    arrays = [pa.array([cell or None for cell in chain.from_iterable(column)], pa.string()) for column in columns]
    return pa.table(arrays, names=list(map(str, range(layout.width))))


def scan_rows(lines: Iterable[str], layout: Layout, path: str, footers: list[str]) -> Iterator[list[str]]:
    """Yields the cells of rows, with those beyond the columns, without lines that are certainly below the table.

    Args:
        lines: from the first row on, with their line ends.
        layout: of the table.
        path: of the file, for messages.
        footers: where a note on lines below the table is put.

    Raises:
        DataError: a row does not fit the header, or a quote is faulty.
    """
    numbers_first, misfit = True, None
    records = read_records(lines, layout.separator, layout.quote, line=layout.first_row, strict=True)
    try:
        for number, record in enumerate(records):
            cells = record.cells
            if len(cells) != layout.width or (layout.trailing and any(cells[-layout.trailing :])):
                misfit = _misfit(cells, layout, path, record.line)
                rest = [record, *islice(records, MOST)]
                uneven = all(len(other.cells) != layout.width for other in rest)
                if number and uneven and are_footers(rest, layout.width, numbers_first and number > 2):
                    footers.append(_note_footers(rest))
                    return
                raise misfit
            numbers_first = numbers_first and is_number_like(cells[0])
            yield cells
    except QuoteError as error:
        if misfit is not None:
            raise misfit from None
        raise quote_fault(error, path) from None


def quote_fault(error: QuoteError, path: str) -> DataError:
    """Returns the error of a faulty quote in the words of users."""
    unclosed = "end of data" in str(error) or "field limit" in str(error)
    return DataError(
        "a quote is opened and never closed" if unclosed else f"a quoted cell is followed by text ({error})",
        where=f"{path}, line {error.line + 1}",
        fix='close the quote; a quote inside a quoted cell is written twice: ""',
    )


def _misfit(cells: Sequence[str], layout: Layout, path: str, line: int) -> DataError:
    expected = f"the other rows {layout.width}" if layout.trailing else f"the header {len(layout.names)}"
    return DataError(
        f"the row has {len(cells)} field{'s' * (len(cells) != 1)} and {expected}",
        where=f"{path}, line {line + 1}",
        fix="correct that line, or delete it if it is no row"
        if layout.separator in (BLANKS, STAND_IN)
        else f'correct that line; a cell that holds {layout.separator!r} needs quotes: "a{layout.separator}b"',
    )


def _with_a_key(error: DataError, data: bytes, layout: Layout, form: TableFormat, path: str) -> DataError:
    """Returns the error of a faulty line, with a key that was tried and reads the text."""
    line = int(error.where.rpartition(" ")[2])
    begin = layout.seems_to_begin
    if begin is not None and form.skip == AUTO and _reads(data, replace(form, skip=begin), path):
        fix = f"the table seems to begin in line {begin + 1}: skip what is above it"
        return DataError(error.what, error.where, fix, f"data.skip={begin}")
    if "quote" in error.what and form.quote == AUTO and _reads(data, replace(form, quote=NONE), path):
        fix = "if quotes are only characters in this file, say so"
        return DataError(error.what, error.where, fix, f"data.quote={NONE}")
    lines = _head(data)
    mark = lines[line - 1].lstrip()[:1] if line <= len(lines) else ""
    if mark in tuple("#%;!*/") and form.comment == AUTO:
        without = _without_comments(data, mark)
        if _reads(without, replace(form, comment=mark), path):
            fix = f"leave out the lines that begin with {mark}"
            return DataError(error.what, error.where, fix, f"data.comment='{mark}'")
    return error


def _reads(data: bytes, form: TableFormat, path: str) -> bool:
    """Tells whether a text can be read in a format."""
    try:
        lines = _head(data)
        layout = find_layout(lines, form, path)
        start = sum(len(line.encode()) for line in lines[: layout.first_row])
        return bool((_parse(data, start, layout, []) or _scan(data, start, layout, path, [])).num_rows)
    except DataError:
        return False


def _drop_what_is_none(table: pa.Table, layout: Layout) -> tuple[pa.Table, list[str]]:
    """Returns a table with its names, without repeated headers and nameless empty columns, and notes on these."""
    notes = []
    names = list(layout.names)
    while names and layout.header and not layout.header[len(names) - 1].strip() and len(names) > 1:
        if table.column(len(names) - 1).null_count < table.num_rows:
            break
        names.pop()
    if len(names) < len(layout.names):
        notes.append(f"left out {len(layout.names) - len(names)} empty columns without a name at the end")
    table = table.select(range(len(names))).rename_columns(names)
    if layout.header and len(names) > 1 and all(cell for cell in layout.header[: len(names)]):
        same = pc.equal(table.column(0), layout.header[0])
        if pc.any(same).as_py():
            for position in range(1, len(names)):
                same = pc.and_(same, pc.equal(table.column(position), layout.header[position]))
            same = pc.fill_null(same, False)
            count = pc.sum(same).as_py()
            if count:
                notes.append(f"left out {count} lines that repeat the header")
                table = table.filter(pc.invert(same))
    return table, notes


def read_decimal_commas(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Rewrites 1,5 and 1.234,5 as 1.5 and 1234.5 in columns where every cell is such a number or missing.

    Returns:
        The table and the names of these columns.
    """
    commas = []
    for position, name in enumerate(table.column_names):
        column = table.column(position)
        if not pc.any(pc.match_substring(column, ",")).as_py():
            continue
        trimmed = pc.utf8_trim_whitespace(column)
        missing = pc.is_in(pc.utf8_lower(trimmed), pa.array(sorted(MISSING)))
        written = pc.match_substring_regex(trimmed, f"^({DECIMAL_COMMA.pattern})$")
        if not pc.all(pc.or_(pc.or_(missing, pc.fill_null(written, True)), pc.is_null(column))).as_py():
            continue
        points = pc.replace_substring(pc.replace_substring(column, ".", ""), ",", ".")
        table = table.set_column(position, name, pc.if_else(pc.fill_null(missing, True), column, points))
        commas.append(name)
    return table, commas

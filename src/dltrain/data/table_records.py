"""Splits lines into fields, and tells what kind of cell a text is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, NamedTuple

from dltrain.data.cells import MISSING
from dltrain.data.table_format import BLANKS, QUOTE

# 5 · -1.5e3 · $1,234.50 · 68 % · (3,615) · 2024-11-21 10:30
NUMBER_LIKE = re.compile(r"(?!.*\s\s)[-+−(]?[$€£¥]?\s?\.?\d[\d\s.,:/'’T-]*(e[-+]?\d+)?\s?[%)Z]?", re.IGNORECASE)
# 1,5 · -12,25 · 1.234,5 · 7
DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?([eE][+-]?\d+)?")

QUOTED = re.compile(r'\s*"([^"]|"")*"\s*')


class QuoteError(ValueError):
    """A faulty quote, in a record that begins in `line`, counted from 0."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Record(NamedTuple):
    """A line of a table, or several if a quoted cell has line breaks.

    Args:
        line: its first line, counted from 0.
        cells: its fields.
        after_blank: whether a blank line comes before it.
    """

    line: int
    cells: list[str]
    after_blank: bool = False

    @property
    def filled(self) -> int:
        """Returns the number of cells with text."""
        return sum(bool(cell.strip()) for cell in self.cells)


def read_records(
    lines: Iterable[str], separator: str, quote: str, *, line: int = 0, strict: bool = False
) -> Iterator[Record]:
    """Yields the records of lines, without blank ones.

    Args:
        lines: with their line ends.
        separator: one character, or `blanks`.
        quote: the character around cells; empty for none.
        line: the number of the first line, counted from 0.
        strict: whether a faulty quote is an error.

    Raises:
        QuoteError: a quote is faulty.
    """
    blank = False
    if separator == BLANKS:
        token = re.compile(rf"{quote}([^{quote}]*){quote}(?=\s|$)|(\S+)" if quote else r"()(\S+)")
        for number, text in enumerate(lines, line):
            cells = [match[1] if match[2] is None else match[2] for match in token.finditer(text)]
            if cells:
                yield Record(number, cells, blank)
            blank = not cells
        return
    style: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    records = csv.reader(lines, delimiter=separator, strict=strict, **style)
    before = 0
    try:
        for cells in records:
            if not cells or (len(cells) == 1 and cells[0] and not cells[0].strip()):
                blank = True
            else:
                yield Record(line + before, cells, blank)
                blank = False
            before = records.line_num
    except csv.Error as error:
        raise QuoteError(str(error), line + before) from None


def are_quotes_characters(lines: Sequence[str], separator: str) -> bool:
    """Tells whether the double quotes of lines with tabs enclose no cells, as in messages: each line has as many
    fields as the others, whatever its quotes, and one has a cell that begins with a quote and does not end with it.

    Args:
        lines: with their line ends; the last one may be cut off.
        separator: of the fields.
    """
    if separator != "\t" or not any(QUOTE in line for line in lines):
        return False
    whole = lines[:-1] if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")) else lines
    rows = [line.rstrip("\r\n").split(separator) for line in whole if line.strip()]
    if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return False
    return any(cell.startswith(QUOTE) and not QUOTED.fullmatch(cell) for row in rows for cell in row)


def is_missing(cell: str) -> bool:
    """Tells whether a cell is empty or a word for a missing value."""
    return cell.strip().casefold() in MISSING


def is_number_like(cell: str) -> bool:
    """Tells whether a cell is a number, an amount or a date."""
    return NUMBER_LIKE.fullmatch(cell.strip()) is not None


def number_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """Returns the positions of the columns in which every cell is like a number or missing, and at least one is one."""
    columns = []
    for position, column in enumerate(zip(*rows, strict=False)):
        present = [cell for cell in column if not is_missing(cell)]
        if present and all(map(is_number_like, present)):
            columns.append(position)
    return columns


def names_columns(records: Sequence[Sequence[str]]) -> bool:
    """Tells whether the first of some records is evidently a header: all words, where a column has numbers below."""
    first, rows = records[0], records[1:]
    return bool(rows) and not any(map(is_number_like, first)) and any(first[at].strip() for at in number_columns(rows))


def looks_like_data(cells: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> bool:
    """Tells whether the first line of a table holds data instead of names.

    It does if it holds numbers such as 5.1 or -3; whole positive ones, such as years, may be names, unless 0 or 1 is
    there twice. So it does if its words occur below it in their own columns, and no word stands above numbers.

    Args:
        cells: of the first line.
        rows: below it, as far as they are known.
    """
    numbers = [number for cell in cells if (number := _as_number(cell)) is not None]
    counted = all(cell.strip().isdigit() for cell in cells if _as_number(cell) is not None)
    consecutive = all(after == before + 1 for before, after in pairwise(numbers))
    if numbers and (not counted or (len(numbers) == len(cells) and not consecutive)):
        return True
    twice = any(list(map(str.strip, cells)).count(mark) > 1 for mark in ("0", "1"))
    return twice or _repeats_below(cells, rows)


def _repeats_below(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tells whether words of a line occur in their own columns below it, twice or more, and no word stands above
    numbers; rows that repeat the whole line, as a header between joined files does, do not count."""
    others = [row for row in rows if list(row) != list(cells)]
    words = [at for at, cell in enumerate(cells) if not is_missing(cell) and not is_number_like(cell)]
    if set(words) & set(number_columns(others)):
        return False
    return any(sum(at < len(row) and row[at].strip() == cells[at].strip() for row in others) > 1 for at in words)


def _as_number(cell: str) -> float | None:
    if "," in cell and DECIMAL_COMMA.fullmatch(cell.strip()):
        cell = cell.replace(".", "").replace(",", ".")
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if isfinite(number) else None

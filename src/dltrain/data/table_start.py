"""Finds where the table begins in the first lines of a text and what separates its fields.

What is certain is read and said in a note; the rest is refused with the key that settles it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, takewhile

from dltrain.data.cells import shorten
from dltrain.data.table_format import AUTO, BLANKS, DELIMITERS, NONE, TableFormat, separator_words
from dltrain.data.table_header import name_columns, note_units
from dltrain.data.table_records import (
    DECIMAL_COMMA,
    QuoteError,
    Record,
    are_quotes_characters,
    looks_like_data,
    names_columns,
    number_columns,
    read_records,
)
from dltrain.errors import DataError

COUNT = 200  # records by which the table is judged
RARE_SEPARATORS = "^~\x01\x1f¦¬§"
NAMED_SEPARATOR = re.compile(r'\s*"?sep=(.)"?[\s,;]*', re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where a table is in the lines of a text.

    Args:
        separator: one character, or `blanks`.
        quote: the character around cells; empty for none.
        names: of the columns.
        header: the cells of the header line; empty without one.
        first_row: the number of the line with the first row, counted from 0.
        trailing: how many empty fields end each row, beyond the columns.
        seems_to_begin: the number of the line where the table seems to begin, if that is not certain.
        notes: on what was guessed.
    """

    separator: str
    quote: str
    names: tuple[str, ...]
    header: tuple[str, ...]
    first_row: int
    trailing: int = 0
    seems_to_begin: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Returns the number of fields of each row."""
        return len(self.names) + self.trailing


def find_layout(lines: Sequence[str], form: TableFormat, path: str) -> Layout:
    """Returns where the table is, by the first lines of a text.

    Args:
        lines: with their line ends; comment lines that the user names are blank.
        form: what the user says.
        path: of the file, for messages.

    Raises:
        DataError: there is no line, two columns have one name, or it is not certain which line is the header.
    """
    at = form.skip if isinstance(form.skip, int) else 0
    notes: list[str] = []
    separator = form.separator
    at, separator = _named_separator(lines, at, separator, notes)
    at, comments = (at, []) if form.comment != AUTO or at else _comments(lines, at)
    if comments and len(comments) == sum(bool(line.strip()) for line in lines):
        at, comments = 0, []
    quote = form.quote_mark
    if form.quote == AUTO and _has_single_quotes(lines[at : at + COUNT], separator):
        quote = "'"
        notes.append("cells are in single quotes (data.quote)")
    if separator is None:
        separator = _find_separator(lines[at:], quote)
        if separator != ",":
            notes.append(f"fields are separated by {separator_words(separator)}")
    if form.quote == AUTO and are_quotes_characters(lines[at:], separator):
        quote = ""
        notes.append("quotes are characters of the cells, which they do not enclose (data.quote)")
    records = _first_records(lines[at:], separator, quote, at)
    if not records:
        raise DataError(f"{path} is empty", where="data.path", fix="give a file with a header line and rows")
    if at + 1 < len(lines) and records[-1].line + 1 < len(lines) and len(records) > 2:
        records = records[:-1]  # it may be cut off
    if comments:
        records, notes = _choose_comments(records, comments, separator, quote, notes, path)
    begin, hint = (0, None) if isinstance(form.skip, int) else find_begin([record.cells for record in records])
    if begin:
        notes.append(_note_above(lines, records[0].line, records[begin].line))
    return _name(records[begin:], Layout(separator, quote, (), (), 0, notes=tuple(notes)), form, path, records, hint)


def _first_records(lines: Sequence[str], separator: str, quote: str, line: int = 0) -> list[Record]:
    """Returns the first records; fewer where a quote is faulty."""
    records: list[Record] = []
    with suppress(QuoteError):
        for record in islice(read_records(lines, separator, quote, line=line), COUNT):
            records.append(record)
    return records


def _named_separator(lines: Sequence[str], at: int, separator: str | None, notes: list[str]) -> tuple[int, str | None]:
    """Returns the number of the next line, and the separator that a line such as `sep=;` names."""
    match = NAMED_SEPARATOR.fullmatch(lines[at].lstrip("\ufeff")) if at < len(lines) else None
    if match is None or (at + 1 >= len(lines)):
        return at, separator
    notes.append(f"line {at + 1} says that fields are separated by {separator_words(match[1])}")
    return at + 1, separator or match[1]


def _comments(lines: Sequence[str], at: int) -> tuple[int, list[tuple[int, str]]]:
    """Returns the number of the first line that is no comment, and the comments with their numbers."""
    comments: list[tuple[int, str]] = []
    for number, line in enumerate(lines[at:], at):
        if line.strip() and not line.lstrip().startswith(("#", "%")):
            return number, comments
        if line.strip():
            comments.append((number, line))
    return len(lines), comments


def _choose_comments(
    records: list[Record],
    comments: Sequence[tuple[int, str]],
    separator: str,
    quote: str,
    notes: list[str],
    path: str,
) -> tuple[list[Record], list[str]]:
    """Returns the records, with the last comment as header where it is one, and the notes.

    Raises:
        DataError: it is not certain whether the last comment or the line below it is the header.
    """
    number, line = comments[-1]
    cells = next(read_records([line], separator, quote)).cells
    bare = line.lstrip().lstrip("#%").lstrip()
    within = next(iter(read_records([bare], separator, quote)), Record(0, [])).cells
    rows = [record.cells for record in records]
    width = len(rows[0])
    above = len(comments) - 1
    if width > 1 and len(cells) == width and cells[0].strip() in ("#", "%"):
        header = Record(number, cells)
    elif width > 1 and len(within) == width and not names_columns(rows):
        if not looks_like_data(rows[0]) and not number_columns(rows):
            raise DataError(
                f"line {number + 1} may be a comment or the header",
                where=f"{path}, line {number + 1}",
                fix=f"say which: data.comment=none if it is the header, data.skip={number + 1} if it is a comment",
                override="data.comment=none",
            )
        header = Record(number, within)
    else:
        above, header = len(comments), None
    if above:
        words = f"{above} lines" if above > 1 else "1 line"
        notes = [*notes, f"{words} above the table, which begin{'s' * (above == 1)} with # or %, left out"]
    return ([header] if header else []) + records, notes


def _find_separator(lines: Sequence[str], quote: str) -> str:
    """Returns the separator that gives the most of the first records the same number of fields."""
    best, best_score = ",", (0.0, 1)
    tables: dict[str, tuple[tuple[float, int], list[list[str]]]] = {}
    for separator in DELIMITERS.values():
        rows = [record.cells for record in _first_records(lines, separator, quote)]
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
        if width > 1:
            even = [row for row in rows if len(row) == width]
            tables[separator] = (score := (count / len(rows), width)), even
            best, best_score = max((best, best_score), (separator, score), key=lambda scored: scored[1])
    if best == ",":
        for separator, (score, rows) in tables.items():
            with_comma = [cell.strip() for row in rows for cell in row if "," in cell]
            if separator != "," and score[0] >= best_score[0] and all(map(DECIMAL_COMMA.fullmatch, with_comma)):
                return separator
    if not tables and (rare := _find_rare_separator(lines, quote)):
        return rare
    uneven = best_score[0] < 0.9 or not number_columns(tables[best][1][1:])
    return BLANKS if uneven and _is_aligned(lines, quote) else best


def _find_rare_separator(lines: Sequence[str], quote: str) -> str:
    """Returns a rare separator that gives all of the first records the same number of fields, numbers among them; empty
    if there is none."""
    for separator in RARE_SEPARATORS:
        rows = [record.cells for record in _first_records(lines, separator, quote)][:-1]
        if len(rows) > 2 and len(set(map(len, rows))) == 1 and len(rows[0]) > 1 and number_columns(rows[1:]):
            return separator
    return ""


def _has_single_quotes(lines: Sequence[str], separator: str | None) -> bool:
    """Tells whether lines have single quotes around cells, as ARFF writes them: next to separators or ends of lines,
    and nowhere else, in most lines."""
    mark = r"\s" if separator == BLANKS else "[,;\t|]" if separator is None else re.escape(separator)
    quoted = re.compile(rf"(?:^|(?<={mark}))'[^']*'(?={mark}|\s*$)")
    rows = [line for line in lines if line.strip()]
    around = [line for line in rows if quoted.search(line)]
    clean = not any('"' in line or "'" in quoted.sub("", line) for line in rows)
    return clean and len(around) > 1 and len(around) > len(rows) / 2


def _is_aligned(lines: Sequence[str], quote: str) -> bool:
    """Tells whether lines have the same number of words, with numbers in a column; a few lines above them may not."""
    rows = [record.cells for record in islice(read_records(lines, BLANKS, quote), COUNT)]
    if len(rows) == COUNT or len(rows) > 3:
        rows = rows[:-1]  # it may be cut off, or be a footer
    begin, _ = find_begin(rows) if len(rows) > 1 else (0, None)
    table = rows[begin:]
    widths = set(map(len, table[1:]))
    if len(table) < 2 or len(widths) != 1:
        return False
    (width,) = widths
    fits = len(table[0]) == width or (len(table[0]) == width - 1 and width > 2)
    ends = any(all(row[at].endswith((",", ";")) for row in table[1:]) for at in range(width))
    return width > 1 and fits and not ends and bool(number_columns(table[1:]))


def find_begin(rows: Sequence[Sequence[str]]) -> tuple[int, int | None]:
    """Returns the position of the header among the first records, and the one where the table seems to begin if that
    is not certain."""
    begin, hint = _find_even(rows)
    table = rows[begin:]
    width = len(table[0]) if table else 0
    few = max(1, (width - 1) // 2)
    while len(table) > 2 and width > 1 and _filled(table[0]) <= few and len(table[1]) == width:
        after = next((at for at, row in enumerate(table) if _filled(row) > few), 0)
        rest = table[after:]
        header = bool(after) and len(rest) > 1 and _filled(rest[0]) >= width - 1 and not looks_like_data(rest[0])
        if not header or not ((width > 2 and _filled(table[0]) <= 1) or names_columns(rest)):
            break
        begin, table = begin + after, rest
    return begin, hint


def _find_even(rows: Sequence[Sequence[str]]) -> tuple[int, int | None]:
    """Returns where the rows of one width begin, by their width alone; their header may differ in it."""
    widths = list(map(len, rows))
    width = Counter(widths).most_common(1)[0][0]
    start, length = _longest_run(widths, width)
    table = rows[start : start + length]
    begin = start - 1 if start and _names_rows(rows[start - 1], table) else start
    before = rows[:begin]
    if not before:
        return 0, None
    short = width > 1 and all(len(row) < width for row in before)
    rest = list(takewhile(lambda row: len(row) == width, rows[start:]))
    to_the_end = len(rows) - start - len(rest) <= 5
    titles = all(_filled(row) <= max(1, width // 2) for row in before)
    if not (short and to_the_end and length > 1):
        return 0, None
    certain = begin < start or len(before[-1]) < width - 1 or _clear(table)
    if titles and certain:
        return begin, None
    header_of_less = len(before[-1]) == width - 1 and _filled(before[-1]) > 1 and not names_columns(table)
    return 0, None if header_of_less else begin


def _clear(table: Sequence[Sequence[str]]) -> bool:
    """Tells whether a table evidently begins with its header or with data."""
    return names_columns(table) or looks_like_data(table[0]) or len(table[0]) > 2


def _longest_run(widths: Sequence[int], width: int) -> tuple[int, int]:
    best, start = (0, 0), 0
    for position, other in enumerate([*widths, 0]):
        if other != width:
            best = max(best, (start, position - start), key=lambda run: run[1])
            start = position + 1
    return best


def _names_rows(header: Sequence[str], table: Sequence[Sequence[str]]) -> bool:
    """Tells whether a line is the header of rows of another width: by trailing separators, or by names of rows."""
    width = len(table[0])
    extra = width - len(header)
    if extra < 0:
        return not any(cell.strip() for cell in header[width:])
    if not all(cell.strip() for cell in header) or names_columns(table):
        return False
    return _trailing(table, extra) or (extra == 1 and _has_row_names(table))


def _trailing(table: Sequence[Sequence[str]], extra: int) -> bool:
    return not any(cell.strip() for row in table for cell in row[-extra:])


def _has_row_names(table: Sequence[Sequence[str]]) -> bool:
    first = [row[0].strip() for row in table]
    torn = any(cell.count('"') % 2 for row in table for cell in row)  # a quoted cell that was cut in two
    unlike = len(set(first)) == len(first) > 1 and all(first) and not torn
    return unlike and (len(table[0]) > 2 or bool(number_columns([row[1:] for row in table])))


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _note_above(lines: Sequence[str], first: int, begin: int) -> str:
    text = next((line.strip().strip(',;|\t"') for line in lines[first:begin] if line.strip()), "")
    return f"the table begins in line {begin + 1}: left out {shorten(text)} above it (data.skip=0 reads it too)"


def _name(
    table: Sequence[Record], layout: Layout, form: TableFormat, path: str, records: Sequence[Record], hint: int | None
) -> Layout:
    """Returns the layout with the names of the columns and the first row, for records that begin with the header."""
    notes, first = list(layout.notes), list(table[0].cells)
    rows = [record.cells for record in table[1:]]
    widths = Counter(map(len, rows)).most_common(1)
    width = widths[0][0] if widths else len(first)
    trailing = 0
    even = [row for row in rows if len(row) == width]
    if form.header != NONE and width != len(first) and len(even) >= len(rows) - 5 and _names_rows(first, even):
        extra = width - len(first)
        if extra < 0:
            first = first[:width]
            notes.append(f"the header ends with {-extra} separators more than the rows")
        elif _trailing(even, extra):
            trailing = extra
            notes.append("each row ends with a separator too many")
        else:
            first = ["row_names", *first]
            notes.append("the header does not name the first column, as R writes names of rows; it is called row_names")
    names, is_data, header_notes = name_columns(first, rows, form.header, path)
    notes += header_notes
    at = 0 if is_data else 1
    if not is_data and form.header == AUTO and len(table) > 2:
        unit_note = note_units(first, [cells[: len(first)] for cells in rows], f"line {table[1].line + 1}")
        at, notes = (2, [*notes, unit_note]) if unit_note else (1, notes)
    end = records[-1].line + 1
    return Layout(
        layout.separator,
        layout.quote,
        tuple(names),
        () if is_data else tuple(first),
        table[at].line if at < len(table) else end,
        trailing,
        None if hint is None else records[hint].line,
        tuple(notes),
    )

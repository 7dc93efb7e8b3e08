"""Makes plain text of tables that are drawn for the eye: with rules of dashes, in columns of fixed width, or with each
line in quotes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import shorten
from dltrain.data.table_end import FOOTER
from dltrain.data.table_format import AUTO, BLANKS, DELIMITERS, NONE, TableFormat
from dltrain.data.table_records import looks_like_data, number_columns, read_records
from dltrain.errors import DataError

RULE = re.compile(r"[ \t]*(?=.*(?:-{3}|={3}|─{3}))[-=+|:,;─│┼├┤┌┐└┘┬┴ \t]+")
MARKUP = re.compile(rb"\s*<(!doctype|html|head|body|table|\?xml)\b", re.IGNORECASE)
QUOTED_LINE = re.compile(r'"(?:[^"]|"")*"')
END_OF_FILE = b"\x1a\0"  # as DOS writes it
FEWEST_ROWS = 5  # of a table that is told by its form
HEAD_LINES = 4  # among which the line below the header is
LARGEST = 1 << 24  # bytes of a table of fixed width
TAB = "\t"


def read_drawn(data: bytes, form: TableFormat) -> tuple[bytes, TableFormat, tuple[str, ...]]:
    """Returns a text of as many lines whose fields a separator parts, its format, and notes on what was left out.

    Any other text is returned as it is.

    Args:
        data: the text in UTF-8.
        form: what the user says; of a given separator or quote, nothing is presumed.
    """
    data = data.rstrip(END_OF_FILE)
    notes: list[str] = []
    head = data[: 1 << 16].decode("utf-8", "ignore").splitlines()
    if rule := _find_rule(head):
        lines = re.escape(rule) + (r"|\+[-=+]+\+" if rule.startswith("+") else "")
        data = re.sub(rf"(?m)^[ \t]*(?:{lines})[ \t]*(?=\r?$)".encode(), b"", data)
        notes.append(f"lines such as {shorten(rule)} only draw the table, and are left out")
        head = [line for line in head if not RULE.fullmatch(line)]
    if form.delimiter != AUTO or form.quote != AUTO:
        return data, form, tuple(notes)
    if _are_lines_quoted(head):
        notes.append("each line is in quotes, which are left out")
        return _without_quotes(data), form, tuple(notes)
    if len(data) <= LARGEST and _may_be_fixed(head):
        fixed = _split_fixed(data.decode("utf-8", "replace").split("\n"))
        if fixed is not None:
            notes.append("fields are told apart by their places in the line")
            return "\n".join(fixed).encode(), replace(form, delimiter=TAB, quote=NONE), tuple(notes)
    return data, form, tuple(notes)


def refuse_markup(data: bytes, path: str) -> None:
    """Refuses a web page or another text of tags.

    Raises:
        DataError: it is one.
    """
    match = MARKUP.match(data[:256])
    if match is not None:
        raise DataError(
            f"{path} is {'XML' if match[1].lower() == b'?xml' else 'a web page'} and no table",
            where="data.path",
            fix="open it in a spreadsheet and save the table as CSV; a download may need an account",
        )


def _find_rule(lines: Sequence[str]) -> str:
    """Returns the line of dashes above or below the header; empty if there is none."""
    first = [line.strip() for line in lines if line.strip()][:HEAD_LINES]
    return next((line for line in first if RULE.fullmatch(line)), "") if len(first) > 2 else ""


def _are_lines_quoted(lines: Sequence[str]) -> bool:
    """Tells whether all lines below the header are one quoted cell each, which holds a row of a table."""
    rows = [line.strip() for line in lines if line.strip()]
    if len(rows) < FEWEST_ROWS or not all(map(QUOTED_LINE.fullmatch, rows[1:-1])):
        return False
    for separator in DELIMITERS.values():
        tables = list(csv.reader(map(_unquote, rows[:-1]), delimiter=separator))
        if len(tables[0]) > 1 and len({len(cells) for cells in tables}) == 1 and number_columns(tables[1:]):
            return True
    return False


def _unquote(line: str) -> str:
    return line[1:-1].replace('""', '"') if QUOTED_LINE.fullmatch(line) else line


def _without_quotes(data: bytes) -> bytes:
    lines = io.StringIO(data.decode("utf-8", "replace"))
    return "\n".join(_unquote(line.strip()) for line in lines).encode() + b"\n"


def _may_be_fixed(lines: Sequence[str]) -> bool:
    """Tells whether no separator parts lines, and most have several blanks in a row between words."""
    rows = [line for line in lines if line.strip()][:-1]
    if len(rows) < FEWEST_ROWS or any("\t" in line for line in rows):
        return False
    if any(min(counts := [line.count(mark) for line in rows]) == max(counts) > 0 for mark in DELIMITERS.values()):
        return False
    words = {len(record.cells) for record in read_records(rows, BLANKS, "")}
    wide = sum(re.search(r"\S {2,}\S", line) is not None for line in rows)
    return len(words) > 1 and wide > len(rows) / 2


def _split_fixed(lines: Sequence[str]) -> list[str] | None:
    """Returns lines with tabs between the fields; None if no blanks run through all lines or no header names them."""
    rows = [line.rstrip() for line in lines]
    filled = [at for at, row in enumerate(rows) if row]
    end = next((at for at in filled[FEWEST_ROWS:] if not rows[at - 1] or FOOTER.match(rows[at])), len(rows))
    table = [rows[at] for at in filled if at < end]
    edges = _join_columns(_columns(table), table[0], table[1:])
    cells = [[row[start:stop].strip() for start, stop in edges] for row in table]
    names = cells[0] if cells else []
    if len(names) < 2 or not all(names[1:]) or len(set(names)) < len(names) or looks_like_data(names, cells[1:]):
        return None
    if not number_columns(cells[1:]):
        return None
    return [
        TAB.join(row[start:stop].strip() for start, stop in edges) if row and at < end else row
        for at, row in enumerate(rows)
    ]


def _columns(rows: Sequence[str]) -> list[tuple[int, int]]:
    """Returns where the stretches begin and end that are not blank in all rows."""
    width = max(map(len, rows))
    characters: NDArray[np.uint32] = np.array(rows, dtype=f"U{width}").view(np.uint32).reshape(-1, width)
    used = np.flatnonzero(((characters != 0) & (characters != ord(" "))).any(axis=0))
    breaks = np.flatnonzero(np.diff(used) > 1)
    starts, stops = used[np.append(0, breaks + 1)], used[np.append(breaks, len(used) - 1)] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _join_columns(columns: Sequence[tuple[int, int]], header: str, rows: Sequence[str]) -> list[tuple[int, int]]:
    """Returns columns, of which one without a name, but for the first, or without cells is a part of the nearer one;
    nothing if both are as near."""
    joined = list(columns)
    at = 0
    while at < len(joined):
        start, stop = joined[at]
        nameless = at > 0 and not header[start:stop].strip()
        if len(joined) == 1 or not (nameless or not any(row[start:stop].strip() for row in rows)):
            at += 1
            continue
        before = start - joined[at - 1][1] if at else stop
        after = joined[at + 1][0] - stop if at + 1 < len(joined) else len(header) + stop
        if before == after:
            return []
        at -= before < after
        joined[at : at + 2] = [(joined[at][0], joined[at + 1][1])]
    return joined

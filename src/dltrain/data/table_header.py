"""Reads the header of a table: the names of its columns, and a second line of units below them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dltrain.data.cells import name_list
from dltrain.data.table_format import AUTO, NONE
from dltrain.data.table_records import is_missing, is_number_like, looks_like_data, number_columns
from dltrain.errors import DataError

UNIT = re.compile(
    r"[\[(].+[\])]|%|‰|°.*|[µμmckMGhn]?(m|g|s|l|L|A|V|W|Pa|Hz|J|N|mol|cd|K|t|B|eV|bar)([²³23]|\^\d)?|min|hrs?|h|days?|d|years?|"
    r"yrs?|months?|weeks?|sec|ms|in|ft|yd|mi|lbs?|oz|kn|mph|mpg|km/h|kph|hp|PS|kWh|MWh|Wh|kcal|cal|rpm|psi|dB|ppm|ppb|"
    r"USD|EUR|GBP|CNY|RMB|JPY|CHF|[$€£¥]|\S+/\S+|(deg|degrees?)\s?[CF]?|[CF]|count|counts|pcs|Stück|Jahre|ha|cc|ccm|cm2|"
    r"元|万元|米|厘米|公里|千克|克|公斤|吨|岁|年|月|天|小时|分钟|秒|度|个|人|平方米|㎡|次|台|辆"
)


def note_units(header: Sequence[str], rows: Sequence[Sequence[str]], where: str) -> str:
    """Returns a note if the first row below the header is certainly a second header line, such as units; else nothing.

    That is certain if it has words, units among them or several different ones, in columns that have only numbers
    below it.
    """
    units, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    columns = number_columns(below)
    words = {at: units[at].strip() for at in columns if at < len(header) and not is_missing(units[at])}
    if not words or any(map(is_number_like, units)) or len(units) != len(header):
        return ""
    others = [at for at in range(len(units)) if at not in columns and not is_missing(units[at])]
    if any(units[at] == row[at] for at in others for row in below):
        return ""
    known = any(UNIT.fullmatch(word) for word in words.values())
    if not known and (len(set(words.values())) < 2 or len(words) < max(2, len(columns) / 2)):
        return ""
    spelled = name_list(
        [f"{header[at].strip()} in {word}" for at, word in words.items() if word != header[at].strip()], 10
    )
    return f"{where} is a second line of the header and left out: {spelled}"


def name_columns(
    first: Sequence[str], rows: Sequence[Sequence[str]], header: str, path: str
) -> tuple[list[str], bool, tuple[str, ...]]:
    """Names the columns of a table, after its first line if that is a header.

    Args:
        first: the cells of that line.
        rows: the first rows below it.
        header: what the user says.
        path: of the file, for messages.

    Returns:
        The names, whether the first line is data, and notes on what was guessed.

    Raises:
        DataError: two columns have the same name.
    """
    if header == NONE or (header == AUTO and looks_like_data(first, rows)):
        names = [f"column_{position + 1}" for position in range(len(first))]
        cells = ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")
        guess = f"no header line, because the first line is {cells}: columns are called column_1, column_2, ... "
        return names, True, (guess + "(data.header=first if it is one)",) if header == AUTO else ()
    names, notes = header_names(first, path)
    return names, False, notes


def header_names(cells: Sequence[str], path: str) -> tuple[list[str], tuple[str, ...]]:
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

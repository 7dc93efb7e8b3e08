"""Fields that two colons separate, as in `1::1193::5`: a character that no text holds takes their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dltrain.data.table_format import AUTO, DELIMITERS, DOUBLE_COLON, NONE, STAND_IN, TableFormat

FEWEST = 2  # in each line, from which on they are certain to separate fields, whatever else the lines hold


def has_double_colons(lines: Sequence[str], form: TableFormat) -> bool:
    """Tells whether two colons separate the fields of a text, by its first lines, of which the last may be cut off."""
    if form.delimiter != AUTO:
        return form.delimiter == DOUBLE_COLON
    rows = [line for line in (lines[:-1] if len(lines) > 1 and not lines[-1].endswith("\n") else lines) if line.strip()]
    counts = {line.count(DOUBLE_COLON) for line in rows}
    if len(counts) != 1 or 0 in counts:
        return False
    others = [{line.count(mark) for line in rows} for mark in DELIMITERS.values()]
    return min(counts) >= FEWEST or not any(len(count) == 1 and 0 not in count for count in others)


def without_double_colons(line: str) -> str:
    """Returns a line with the character that stands for two colons."""
    return line.replace(DOUBLE_COLON, STAND_IN)


def parsable(form: TableFormat) -> TableFormat:
    """Returns the format of the text with that character; quotes are only characters in it."""
    return replace(form, delimiter=STAND_IN, quote=NONE if form.quote == AUTO else form.quote)

"""Reads JSON: an object a line, a few rows at a time, or one list of objects."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.data.text_encoding import BYTE_ORDER_MARKS
from dltrain.errors import DataError

FIX = 'write one object a line, such as {"age": 41, "city": "Ulm"}'


def is_json(head: bytes) -> bool:
    """Tells by its first bytes whether a text holds JSON objects."""
    start = _without_mark(head).lstrip()
    return start.startswith(b"{") or (start.startswith(b"[") and start[1:].lstrip().startswith((b"{", b"]", b'["')))


def read_json(data: bytes, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns the table in a text of JSON objects, and no notes.

    Raises:
        DataError: it holds anything else than objects, or no rows.
    """
    frames = list(stream_json_lines(io.BytesIO(data), name, 100_000))
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0], ()


def stream_json_lines(source: Any, name: str, rows: int) -> Iterator[pd.DataFrame]:
    """Yields frames of up to `rows` rows from text with a JSON object a line, or with one list or object of all rows.

    Objects within an object become columns such as `user.name`, a list of texts one text such as `red|large`.

    Raises:
        DataError: a line is not an object, or there is no line.
    """
    records = _records(io.BufferedReader(source) if isinstance(source, io.RawIOBase) else source, name)
    first = list(islice(records, 2))
    records = _rows_within(first[0], name) if len(first) == 1 else chain(first, records)
    start = 0
    while chunk := list(map(_plain, islice(records, rows))):
        names = list(dict.fromkeys(key for record in chunk for key in record))
        cells = {key: [record.get(key) for record in chunk] for key in names}
        yield pd.DataFrame(cells, index=pd.RangeIndex(start, start + len(chunk)))
        start += len(chunk)
    if start == 0:
        raise DataError(f"{name} is empty", where="data.path", fix="give one JSON object a line")


def _records(source: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    first, number = b"", 0
    for number, line in enumerate(source, 1):
        first = _without_mark(line) if number == 1 else line
        if first.strip():
            break
    if first.lstrip().startswith(b"[") and is_json(rest := first + source.read()):
        yield from _listed(_parse(rest, name), name)
    elif not _is_whole(first) and first.strip() == b"{":
        yield from _listed(_parse(b"[" + first + source.read() + b"]", name), name)
    else:
        for at, line in enumerate(_join(first, source), number):
            if line.strip():
                yield _object(_parse(line, f"{name}, line {at}"), f"{name}, line {at}")


def _join(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _listed(rows: Sequence[Any], name: str) -> Iterator[dict[str, Any]]:
    """Yields the objects of a list; lists of plain values of one length become objects too.

    Raises:
        DataError: an element is neither.
    """
    for number, row in enumerate(rows, 1):
        if isinstance(row, list) and len(row) == len(rows[0]) > 0:
            row = {f"column_{at}": value for at, value in enumerate(row, 1)}
        yield _object(row, f"{name}, object {number}")


def _rows_within(only: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yields the rows in the only object of a text: itself, its only list of rows, or those of its columns.

    Raises:
        DataError: it has several lists of rows.
    """
    values = list(only.values())
    if len(values) > 1 and all(isinstance(value, dict) and value.keys() == values[0].keys() for value in values):
        yield from ({key: only[key][row] for key in only} for row in values[0])  # as pandas writes a table
        return
    columns = only.get("columns")
    lists = [key for key, value in only.items() if _holds_rows(value)]
    if len(lists) > 1:
        raise DataError(
            f"{name} holds {len(lists)} lists of rows: {name_list(lists)}",
            where="data.path",
            fix="write each to a file of its own, an object a line",
        )
    if lists and isinstance(columns, list) and all(len(row) == len(columns) for row in only[lists[0]]):
        yield from (dict(zip(map(str, columns), row, strict=True)) for row in only[lists[0]])
    elif lists:
        yield from _listed(only[lists[0]], name)
    else:
        yield only


def _holds_rows(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(row, dict | list) for row in value)


def _parse(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the line is not JSON: {error}", where=where, fix=FIX) from None


def _object(record: Any, where: str) -> dict[str, Any]:
    """Returns a JSON object.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(record, dict):
        raise DataError("the line is not a JSON object", where=where, fix=FIX)
    return record


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Returns an object with plain values: those of an object within it have keys of their own."""
    if not any(isinstance(value, dict | list) for value in record.values()):
        return record
    plain: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            plain |= {f"{key}.{inner}": nested for inner, nested in _plain(value).items()}
        else:
            plain[key] = spell_nested(value)
    return plain


def spell_nested(value: Any) -> Any:
    """Returns a plain value as it is, a list of texts as `a|b`, and anything else as JSON."""
    if not isinstance(value, dict | list):
        return value
    if isinstance(value, list) and all(isinstance(text, str) and "|" not in text for text in value):
        return "|".join(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _without_mark(text: bytes) -> bytes:
    return text.removeprefix(BYTE_ORDER_MARKS[0][0])

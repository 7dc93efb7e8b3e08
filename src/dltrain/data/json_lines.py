"""Reads JSON: an object a line, a few rows at a time, or one list of objects."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import pandas as pd

from dltrain.data.text_encoding import BYTE_ORDER_MARKS
from dltrain.errors import DataError

FIX = 'write one object a line, such as {"age": 41, "city": "Ulm"}'


def is_json(head: bytes) -> bool:
    """Tells by its first bytes whether a text holds JSON objects."""
    start = _without_mark(head).lstrip()
    return start.startswith(b"{") or (start.startswith(b"[") and start[1:].lstrip().startswith((b"{", b"]")))


def read_json(data: bytes, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns the table in a text of JSON objects, and no notes.

    Raises:
        DataError: it holds anything else than objects of plain values, or no rows.
    """
    frames = list(stream_json_lines(io.BytesIO(data), name, 100_000))
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0], ()


def stream_json_lines(source: Any, name: str, rows: int) -> Iterator[pd.DataFrame]:
    """Yields frames of up to `rows` rows from text with a JSON object a line, or with one list of objects.

    Raises:
        DataError: a line is not an object of plain values, or there is no line.
    """
    records = _records(io.BufferedReader(source) if isinstance(source, io.RawIOBase) else source, name)
    start = 0
    while chunk := list(islice(records, rows)):
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
        yield from _listed(rest, name)
    elif not _is_whole(first) and first.strip() == b"{":
        yield from _listed(b"[" + first + source.read() + b"]", name)
    else:
        for at, line in enumerate(_chain(first, source), number):
            if line.strip():
                yield _object(_parse(line, f"{name}, line {at}"), f"{name}, line {at}")


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _listed(text: bytes, name: str) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(_parse(text, name), 1):
        yield _object(record, f"{name}, object {number}")


def _parse(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the line is not JSON: {error}", where=where, fix=FIX) from None


def _object(record: Any, where: str) -> dict[str, Any]:
    """Returns a JSON object, whose values must be plain."""
    if not isinstance(record, dict):
        raise DataError("the line is not a JSON object", where=where, fix=FIX)
    nested = [key for key, value in record.items() if isinstance(value, dict | list)]
    if nested:
        fix = f'write its values as keys of their own, such as "{nested[0]}_1", or leave it out'
        raise DataError(f"{nested[0]!r} holds a list or an object, not a plain value", where=where, fix=fix)
    return record


def _without_mark(text: bytes) -> bytes:
    return text.removeprefix(BYTE_ORDER_MARKS[0][0])

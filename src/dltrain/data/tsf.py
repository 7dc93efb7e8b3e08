"""Reads `.tsf` files, in which the Monash archive keeps series, a line each: its attributes and all of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

import numpy as np
import pandas as pd

from dltrain.data.text_encoding import decode
from dltrain.errors import DataError

MARK = re.compile(rb"^@(frequency|horizon|equallength)\b|^@attribute\s+start_timestamp\b", re.IGNORECASE | re.MULTILINE)
STEPS = {  # by the words of @frequency
    "yearly": pd.DateOffset(years=1),
    "quarterly": pd.DateOffset(months=3),
    "monthly": pd.DateOffset(months=1),
    "weekly": pd.DateOffset(days=7),
    "daily": pd.DateOffset(days=1),
    "hourly": pd.DateOffset(hours=1),
    "minutely": pd.DateOffset(minutes=1),
}
COUNTED = re.compile(r"(\d+|half)_(hour|minute|second)(?:s|ly)?")
MISSING = frozenset({"?", "", "nan", "na"})


def is_tsf(head: bytes) -> bool:
    """Tells by its first bytes whether a text is such a file."""
    return re.match(rb"(?:\s*#[^\n]*\n)*\s*@", head) is not None and MARK.search(head) is not None


def read_tsf(data: bytes, path: str, encoding: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns a table with a row for each value: the attributes of its series, `time` and `value`; and notes.

    Without a start or a frequency, times are the numbers from 1 on.

    Raises:
        DataError: a line is no series.
    """
    text, notes = decode(data, path, encoding)
    attributes: list[str] = []
    parts: list[pd.DataFrame] = []
    step: pd.DateOffset | None = None
    in_data = False
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if in_data:
            parts.append(_read_series(line, attributes, step, f"{path}, line {number}"))
        elif words[0].lower() == "@attribute" and len(words) > 1:
            attributes.append(words[1])
        elif words[0].lower() == "@frequency" and len(words) > 1:
            step = _step(words[1].lower())
        in_data = in_data or words[0].lower() == "@data"
    if not parts:
        raise DataError(f"{path} has no series below @data", where="data.path", fix="give a whole .tsf file")
    frame = pd.concat(parts, ignore_index=True)
    return frame, (*notes, f"a .tsf file of {len(parts):,} series")


def _step(word: str) -> pd.DateOffset | None:
    match = COUNTED.fullmatch(word)
    if match:
        size = 30 if match[1] == "half" else int(match[1])
        unit = "minute" if match[1] == "half" else match[2]
        return pd.DateOffset(**{f"{unit}s": size})  # type: ignore[arg-type]
    return STEPS.get(word)


def _read_series(line: str, attributes: Sequence[str], step: pd.DateOffset | None, where: str) -> pd.DataFrame:
    """Returns the rows of one series.

    Raises:
        DataError: it lacks an attribute, or a value is no number.
    """
    *cells, values = line.split(":")
    if len(cells) != len(attributes):
        raise DataError(
            f"the line has {len(cells)} attributes, and {len(attributes)} are declared",
            where=where,
            fix="correct that line",
        )
    texts = [text.strip() for text in values.split(",")]
    try:
        numbers = [np.nan if text.lower() in MISSING else float(text) for text in texts]
    except ValueError as error:
        raise DataError(f"a value is no number: {error}", where=where, fix="correct that line") from None
    given = dict(zip(attributes, cells, strict=True))
    begin = given.pop("start_timestamp", None)
    columns: dict[str, object] = dict(given)
    time, value = (next(free for at in count() if (free := name + "'" * at) not in given) for name in ("time", "value"))
    columns[time] = _times(begin, step, len(numbers), where)
    columns[value] = numbers
    return pd.DataFrame(columns)


def _times(begin: str | None, step: pd.DateOffset | None, length: int, where: str) -> list[str]:
    if begin is None or step is None:
        return list(map(str, range(1, length + 1)))
    try:
        first = pd.to_datetime(begin.strip(), format="%Y-%m-%d %H-%M-%S" if " " in begin.strip() else "%Y-%m-%d")
    except ValueError:
        raise DataError(
            f"{begin!r} is not the time at which a series starts", where=where, fix="write it as 2026-11-21 00-00-00"
        ) from None
    times = pd.date_range(first, periods=length, freq=step)
    days = bool((times == times.normalize()).all()) and "hours" not in step.kwds
    return list(times.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S"))

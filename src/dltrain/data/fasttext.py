"""Reads the lines of fastText, each with its labels: `__label__spam win a prize`."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pyarrow as pa

from dltrain.data.text_encoding import BYTE_ORDER_MARKS, decode
from dltrain.errors import DataError

PREFIX = "__label__"
BETWEEN = "|"  # several labels of a line, in its cell
TEXT: Any = pd.ArrowDtype(pa.string())


def is_fasttext(head: bytes) -> bool:
    """Tells by its first bytes whether a text holds lines of fastText."""
    return head.removeprefix(BYTE_ORDER_MARKS[0][0]).lstrip().startswith(PREFIX.encode())


def read_fasttext(data: bytes, path: str, encoding: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns a table of columns `label` and `text`, several labels as `a|b`, and notes on what was guessed.

    Raises:
        DataError: it is not text, or it has no lines.
    """
    text, notes = decode(data, path, encoding)
    labels: list[str | None] = []
    texts: list[str | None] = []
    for line in io.StringIO(text):
        words = line.split()
        if not words:
            continue
        count = next((at for at, word in enumerate(words) if not word.startswith(PREFIX)), len(words))
        labels.append(BETWEEN.join(word.removeprefix(PREFIX) for word in words[:count]) or None)
        texts.append(line.split(maxsplit=count)[count].strip() if count < len(words) else None)
    if not labels:
        raise DataError(f"{path} is empty", where="data.path", fix=f"give lines such as {PREFIX}spam win a prize")
    frame = pd.DataFrame({"label": pd.array(labels, dtype=TEXT), "text": pd.array(texts, dtype=TEXT)})
    return frame, (*notes, f"lines of fastText, whose labels begin with {PREFIX}")

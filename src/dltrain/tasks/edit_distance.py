"""How many characters must be changed to make one text of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 4096  # pairs


def edit_distances(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.int64]:
    """Returns the least number of characters `(N,)` to insert, delete or replace, of each pair (Levenshtein, 1966)."""
    parts = [
        _distances(texts[start : start + AT_ONCE], others[start : start + AT_ONCE])
        for start in range(0, len(texts), AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _distances(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.int64]:
    """Fills the table of distances between beginnings, of all pairs at once, row by row."""
    first, second = _numbered(texts, 0), _numbered(others, -1)  # so that padding equals nothing
    lengths, columns = np.array(list(map(len, texts))), np.array(list(map(len, others)))
    places = np.arange(second.shape[1] + 1)
    row = np.broadcast_to(places, (len(texts), len(places))).copy()
    result = row[np.arange(len(texts)), columns]
    for at in range(first.shape[1]):
        replaced = row[:, :-1] + (first[:, at, None] != second)
        row = row + 1
        row[:, 1:] = np.minimum(row[:, 1:], replaced)
        row = np.minimum.accumulate(row - places, axis=1) + places  # insertions
        result = np.where(lengths == at + 1, row[np.arange(len(texts)), columns], result)
    return result


def _numbered(texts: Sequence[str], padding: int) -> NDArray[np.int64]:
    """Returns the characters of texts as numbers `(N, T)`."""
    numbers = np.full((len(texts), max(map(len, texts), default=0)), padding, dtype=np.int64)
    for row, text in enumerate(texts):
        numbers[row, : len(text)] = list(map(ord, text))
    return numbers

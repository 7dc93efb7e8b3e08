"""Finds texts that are copies of each other, and leaves them out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from dltrain.data.cells import shorten
from dltrain.data.text_forms import normal_form
from dltrain.kinds.checks import Finding
from dltrain.kinds.copies import Copies, Rows
from dltrain.kinds.text.encoder import join_texts
from dltrain.kinds.text.source import Source
from dltrain.types import SPLITS, Data

SHOWN = 40  # characters of a text in a finding
CHANGED = "with other case, marks, blanks or links"
FIX = "data.duplicates=drop leaves out copies with the same label"


def check_copies(data: Data) -> Iterator[Finding]:
    """Yields findings about copies of texts: across splits, within training, and with different labels."""
    splits = [data.splits[name] for name in SPLITS if name in data.splits]
    texts = [text for split in splits for text in split.texts]
    ids = [name for split in splits for name in split.ids]

    def name(rows: Sequence[int]) -> str:
        return f"{' = '.join(ids[row] for row in rows)} {shorten(texts[rows[0]].strip(), SHOWN)}"

    group = number_copies([normal_form(text) for text in texts])
    yield from Copies(data, group, number_copies(texts), "text", CHANGED, name, fix=FIX).find()


def leave_out_copies(source: Source) -> Source:
    """Returns a source without texts that are copies of others with the same target and the same columns beside them;
    those of test and validation files stay."""
    order = [name for name in reversed(SPLITS) if name in source.frames]
    keys: list[tuple[str, ...]] = []
    for name in order:
        frame = source.frames[name]
        texts = map(normal_form, join_texts(frame[list(source.text)]))
        others = (frame[column].fillna("").astype(str).str.strip() for column in (*source.target, *source.use))
        keys += zip(texts, *others, strict=True)
    first = ~pd.Series(keys).duplicated().to_numpy() | np.array([not key[0] for key in keys])
    frames, start = {}, 0
    for name in order:
        frame = source.frames[name]
        frames[name] = frame[first[start : start + len(frame)]]
        start += len(frame)
    note = f"left out {int((~first).sum()):,} of {len(keys):,} texts that repeat another: data.duplicates=drop"
    ordered = {name: frames[name] for name in source.frames}
    return replace(source, frames=ordered, notes=(*source.notes, *[note] * (not first.all())))


def number_copies(keys: Sequence[str]) -> Rows:
    """Returns a number for each key `(N,)`, the same for equal ones; each empty key has its own."""
    numbers = pd.factorize(np.array(keys, dtype=object))[0].astype(np.int64)
    empty = np.array([not key.strip() for key in keys], dtype=bool)
    numbers[empty] = len(keys) + np.flatnonzero(empty)
    return numbers

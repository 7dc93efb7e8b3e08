"""Finds texts that are copies of each other, and leaves them out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, read_cells, shorten
from dltrain.data.splits import Indices
from dltrain.data.text_forms import normal_form
from dltrain.kinds.checks import Finding
from dltrain.kinds.copies import Copies, Rows
from dltrain.kinds.table.checks import find_known_ids
from dltrain.kinds.table.columns import looks_like_id
from dltrain.kinds.text.encoder import join_texts
from dltrain.kinds.text.source import Source
from dltrain.types import SPLITS, Data, SplitName

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


@dataclass(frozen=True)
class SharedIds:
    """Columns that name who or what several texts are about, where chance decides the split.

    Args:
        columns: the cells of all rows, by column.
        parts: the rows of each split.
    """

    columns: Mapping[str, Cells]
    parts: Mapping[SplitName, Indices]

    @classmethod
    def find(cls, frame: pd.DataFrame, taken: Collection[str], parts: Mapping[SplitName, Indices]) -> SharedIds:
        """Returns those of a table, but for columns that have another role."""
        names = [name for name in map(str, frame.columns) if name not in taken and looks_like_id(name)]
        return cls({name: read_cells(frame[name]) for name in names}, parts)

    def check(self) -> Iterator[Finding]:
        """Yields that most held-out texts have an id that is also in train, if they have."""
        held_out = next((name for name in reversed(SPLITS) if name != "train" and name in self.parts), None)
        if held_out is not None:
            for name, cells in self.columns.items():
                yield from find_known_ids(name, cells, self.parts["train"], self.parts[held_out], held_out)


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

"""New texts, as a model that was trained on others takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.data.cells import name_list, nearest
from dltrain.data.text_files import SUFFIXES, read_texts
from dltrain.data.tokens import Padded, Vocabulary, pad, split_text
from dltrain.errors import DataError
from dltrain.kinds.labels import target_of_files, target_of_rows
from dltrain.kinds.text.load import trim
from dltrain.types import BatchTransform, Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw


@dataclass(frozen=True)
class TextEncoder:
    """Encodes texts by the vocabulary that the training texts taught, and says what is odd of them."""

    facts: Facts
    vocabulary: Vocabulary
    length: int
    column: str
    suffixes: frozenset[str] = SUFFIXES
    takes_rows: bool = True
    apart: bool = True
    prepare: BatchTransform = trim

    @classmethod
    def of(cls, facts: Facts) -> TextEncoder:
        """The encoder that the facts describe.

        Raises:
            DataError: they do not say how texts became tokens.
        """
        said = facts.preprocessing
        try:
            vocabulary = Vocabulary.from_json(said)
            if vocabulary.tokens not in ("word", "character") or len(vocabulary) != facts.vocab_sizes[0]:
                raise ValueError
            return cls(facts, vocabulary, max(1, int(said["length"])), str(said["text"]))
        except (KeyError, TypeError, ValueError, IndexError):
            raise DataError("facts.json does not say how texts become tokens", fix="train again") from None

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the column of texts, or texts, or files that hold one each.

        Raises:
            DataError: it has no such column, or a file cannot be read.
        """
        texts, ids = self._texts(raw)
        padded = pad([split_text(text, self.vocabulary.tokens) for text in texts], self.vocabulary, self.length)
        inputs = (torch.from_numpy(padded.tokens), torch.from_numpy(padded.lengths))
        return Encoded(inputs, ids, tuple(self._remarks(padded, row) for row in range(len(texts))))

    def targets(self, raw: Raw, /) -> Tensor:
        """The column of labels, or the class of each file by its folder.

        Raises:
            DataError: there is neither.
        """
        if isinstance(raw, pd.DataFrame):
            return target_of_rows(self.facts, raw)
        if isinstance(raw, np.ndarray) or not all(map(_is_file, raw)):
            raise DataError(
                "texts alone do not say what is true of them", fix="give a table, or files in class folders"
            )
        return target_of_files(self.facts, [Path(path) for path in raw])

    def _texts(self, raw: Raw) -> tuple[list[str], tuple[str, ...]]:
        if isinstance(raw, pd.DataFrame):
            return self._column(raw), tuple(map(str, raw.index.tolist()))
        samples: Sequence[object] = raw.tolist() if isinstance(raw, np.ndarray) else raw
        if isinstance(samples, Sequence) and samples and all(map(_is_file, samples)):
            return read_texts([Path(str(path)) for path in samples], "auto")[0], tuple(map(str, samples))
        strange = [sample for sample in samples if not isinstance(sample, str)]
        if strange:
            raise DataError(
                f"{type(strange[0]).__name__} where texts are due: the model was trained on texts",
                fix="give a list of texts, a table, or files",
            )
        return list(map(str, samples)), tuple(map(str, range(len(samples))))

    def _column(self, frame: pd.DataFrame) -> list[str]:
        frame = frame.set_axis([str(name).strip() for name in frame.columns], axis="columns")
        others = [name for name in frame.columns if name != self.facts.target]
        if self.column in frame.columns:
            name = self.column
        elif len(others) == 1:  # whatever it is called, it is what is to be read
            name = others[0]
        else:
            close = nearest(self.column, frame.columns)
            raise DataError(
                f"the table has no column {self.column!r}, which holds the texts",
                fix=f"is {close[0]!r} meant? rename it in the file"
                if close
                else f"its columns are {name_list(frame.columns, 8)}",
            )
        return frame[name].fillna("").astype(str).tolist()

    def _remarks(self, padded: Padded, row: int) -> tuple[Remark, ...]:
        if padded.empty[row]:
            return (Remark("empty text"),)
        found = []
        if padded.cut[row]:
            found.append(Remark(f"cut at {self.length} {self.vocabulary.tokens}s"))
        if 2 * padded.unknown[row] > padded.lengths[row]:
            found.append(Remark(f"most {self.vocabulary.tokens}s unknown"))
        return tuple(found)


def _is_file(sample: object) -> bool:
    """Whether a sample names a file of text, and is no text itself."""
    if not isinstance(sample, str):
        return hasattr(sample, "__fspath__")
    if len(sample) > 1000 or Path(sample).suffix.lower() not in SUFFIXES:
        return False
    try:
        return Path(sample).is_file()
    except (OSError, ValueError):
        return False

"""The encoder of texts: the numbers of their tokens, and their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.data.cells import name_list, nearest
from dltrain.data.text_files import SUFFIXES, named_files, read_samples
from dltrain.data.tokens import SPECIAL, Padded, Tokens, Vocabulary, pad, split_text
from dltrain.errors import DataError
from dltrain.kinds.labels import TargetReader, target_of_files
from dltrain.types import BatchTransform, Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

MOST_TOKENS = 512  # per text, if the length is not given
SHARE_WHOLE = 95  # per cent of the training texts that are then not cut


def trim(inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]:
    """Returns a batch without common padding; on a GPU unchanged, since reading the lengths would cost time."""
    tokens, lengths = inputs
    if lengths.device.type != "cpu" or torch.compiler.is_compiling():  # an export has one shape
        return tokens, lengths
    return tokens[:, : int(lengths.max())], lengths


@dataclass(frozen=True)
class TextEncoder:
    """Encodes texts with the vocabulary of the training texts, with remarks about unusual ones.

    Args:
        vocabulary: the vocabulary of the training texts.
        length: the largest number of tokens of a text; later ones are cut.
        column: the column of texts in a table.
        reader: reads the target's column.
    """

    vocabulary: Vocabulary
    length: int
    column: str
    reader: TargetReader
    suffixes: frozenset[str] = SUFFIXES
    takes_rows: bool = True
    apart: bool = True
    prepare: BatchTransform = trim

    @classmethod
    def fit(
        cls,
        texts: Sequence[Sequence[str]],
        *,
        column: str,
        reader: TargetReader,
        tokens: Tokens,
        length: int | None = None,
        size: int,
        least: int,
    ) -> TextEncoder:
        """Returns an encoder with the vocabulary of the training texts.

        Args:
            texts: the tokens of each training text, from `split_text`.
            column: the column of texts in a table.
            reader: reads the target's column.
            tokens: the unit of a token.
            length: the largest number of tokens of a text; None for as many as 95 % of the texts have, at most 512.
            size: the maximum size of the vocabulary.
            least: how often a token must occur to be in the vocabulary.

        Raises:
            DataError: there are no tokens, or no token occurs so often.
        """
        counts = [len(text) for text in texts]
        if not any(counts):
            raise DataError("the training texts are all empty", where="data.text", fix="choose the column of texts")
        if length is None:
            length = min(MOST_TOKENS, max(1, int(np.percentile(counts, SHARE_WHOLE))))
        vocabulary = Vocabulary.learn(texts, tokens, size=size, least=least)
        if len(vocabulary) == len(SPECIAL):
            raise DataError(
                f"no {tokens} occurs {least} times in the training texts",
                where="data.least",
                fix="give more texts, or keep tokens that occur once",
                override="data.least=1",
            )
        return cls(vocabulary, length, column, reader)

    @classmethod
    def of(cls, facts: Facts) -> TextEncoder:
        """Returns the encoder that a run's facts describe.

        Raises:
            DataError: the facts do not say how texts become tokens.
        """
        vocabulary = Vocabulary.of(facts)
        try:
            length, column = facts.preprocessing["length"], facts.preprocessing["text"]
            return cls(vocabulary, max(1, int(length)), str(column), TargetReader.of(facts))
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how texts are encoded", fix="train again") from None

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts."""
        return self.vocabulary.to_json() | {"text": self.column, "length": self.length}

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the column of texts, or texts, or files with one text each.

        Raises:
            DataError: the column is missing, or a file cannot be read.
        """
        texts, ids = self._read(raw)
        padded = self.encode_tokens([split_text(text, self.vocabulary.tokens) for text in texts])
        return Encoded(inputs_of(padded), ids, tuple(self._remarks(padded, row) for row in range(len(texts))))

    def encode_tokens(self, texts: Sequence[Sequence[str]]) -> Padded:
        """Returns the numbers of tokens from `split_text`, cut and padded."""
        return pad(texts, self.vocabulary, self.length)

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the column of labels or numbers, or the class of each file from its folder.

        Raises:
            DataError: the samples have no targets.
        """
        if isinstance(raw, pd.DataFrame):
            return self.reader.targets(raw)
        if isinstance(raw, Sequence) and named_files(raw):
            return target_of_files(self.reader.classes, raw)
        raise DataError("texts alone have no targets", fix="give a table, or files in class folders")

    def _read(self, raw: Raw) -> tuple[Sequence[str], tuple[str, ...]]:
        """Returns the texts and their names."""
        if isinstance(raw, pd.DataFrame):
            return texts_of(self._column(raw)), tuple(map(str, raw.index.tolist()))
        samples = read_samples(raw.tolist() if isinstance(raw, np.ndarray) else raw)
        return samples.texts, samples.names

    def _column(self, frame: pd.DataFrame) -> pd.Series[Any]:
        frame = frame.set_axis([str(name).strip() for name in frame.columns], axis="columns")
        others = [name for name in frame.columns if name != self.reader.name]
        if self.column in frame.columns:
            return frame[self.column]
        if len(others) == 1:  # the only column must be the texts, whatever its name
            return frame[others[0]]
        close = nearest(self.column, frame.columns)
        raise DataError(
            f"the table has no column {self.column!r}, which contains the texts",
            fix=f"is it {close[0]!r}? rename it in the file"
            if close
            else f"rename one of its columns in the file: {name_list(frame.columns, 8)}",
        )

    def _remarks(self, padded: Padded, row: int) -> tuple[Remark, ...]:
        if padded.empty[row]:
            return (Remark("empty text"),)
        remarks = []
        if padded.cut[row]:
            remarks.append(Remark(f"cut at {self.length} {self.vocabulary.tokens}s"))
        if 2 * padded.unknown[row] > padded.lengths[row]:
            remarks.append(Remark(f"most {self.vocabulary.tokens}s unknown"))
        return tuple(remarks)


def texts_of(column: pd.Series[Any]) -> list[str]:
    """Returns the text of each cell; empty for a missing cell."""
    return column.fillna("").astype(str).tolist()


def inputs_of(padded: Padded) -> tuple[Tensor, Tensor]:
    """Returns a model's stored inputs: tokens `(N, T)` and lengths `(N,)`."""
    return torch.from_numpy(padded.tokens), torch.from_numpy(padded.lengths)

"""The encoder of pairs: the numbers of the tokens of a source, and those of its answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import name_list, nearest
from dltrain.data.subwords import learn_pieces
from dltrain.data.tokens import (
    END,
    IGNORED,
    PADDING,
    SPECIAL,
    UNKNOWN,
    Padded,
    Tokens,
    UnitChoice,
    Vocabulary,
    pad,
    split_pieces,
)
from dltrain.errors import DataError
from dltrain.types import BatchTransform, Encoded, Facts, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

MOST_TOKENS = 256  # of a source or an answer, if the length is not given


def plain(text: str) -> str:
    """Returns a text as models read and write it: in NFC form, without blanks around it."""
    return unicodedata.normalize("NFC", text).strip()


def trim(inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]:
    """Returns a batch without common padding; on a GPU unchanged, since reading the lengths would cost time."""
    source, lengths, answer = inputs
    if lengths.device.type != "cpu" or torch.compiler.is_compiling():  # an export has one shape
        return inputs
    longest = int((answer != PADDING).sum(dim=1).max())
    return source[:, : int(lengths.max())], lengths, answer[:, :longest]


@dataclass(frozen=True)
class PairsEncoder:
    """Encodes pairs with the vocabularies of the training pairs, with remarks about unusual sources.

    Args:
        source: the vocabulary of the sources.
        answer: the vocabulary of the answers.
        lengths: the largest number of tokens of a source, and of an answer without its end.
        text: the column of sources.
        target: the column of answers.
        has_header: whether the training table named its columns.
    """

    source: Vocabulary
    answer: Vocabulary
    lengths: tuple[int, int]
    text: str
    target: str
    has_header: bool = True
    suffixes: frozenset[str] = frozenset()
    takes_rows: bool = True
    apart: bool = True
    as_written: bool = True
    prepare: BatchTransform = trim

    @classmethod
    def fit(
        cls,
        sources: Sequence[str],
        answers: Sequence[str],
        *,
        tokens: UnitChoice,
        length: int | None,
        size: int,
        least: int,
        text: str,
        target: str,
        has_header: bool = True,
    ) -> PairsEncoder:
        """Returns an encoder with the vocabularies of the training pairs.

        Args:
            sources: of the training pairs.
            answers: to these, in the same order.
            tokens: the unit of a token, not `auto`; `bpe` for byte pairs learned from each side.
            length: the largest number of tokens of a source or an answer; None for as many as the longest training pair
                has, at most 256.
            size: the maximum size of a vocabulary.
            least: how often a token must occur to be in a vocabulary.
            text: as in the class.
            target: as in the class.
            has_header: as in the class.

        Raises:
            DataError: no token occurs so often, or a package is missing.
        """
        vocabularies, lengths = [], []
        for name, texts in (("sources", sources), ("answers", answers)):
            vocabulary = learn_vocabulary(list(map(plain, texts)), tokens, size=size, least=least)
            pieces = [split(vocabulary, one) for one in texts]
            vocabularies.append(vocabulary)
            if len(vocabulary) == len(SPECIAL):
                raise DataError(
                    f"no {tokens} occurs {least} times in the {name} of the training pairs",
                    where="data.least",
                    fix="give more pairs, or keep tokens that occur once",
                    override="data.least=1",
                )
            lengths.append(min(MOST_TOKENS, max(map(len, pieces))) if length is None else length)
        source, answer = vocabularies
        return cls(source, answer, (lengths[0], lengths[1]), text, target, has_header)

    @classmethod
    def of(cls, facts: Facts) -> PairsEncoder:
        """Returns the encoder that a run's facts describe.

        Raises:
            DataError: the facts do not say how pairs become tokens.
        """
        stored = facts.preprocessing
        try:
            source, answer = (Vocabulary.from_json(stored[name]) for name in ("source", "answer"))
            longest_source, longest_answer = facts.input_shape
            if facts.vocab_sizes != (len(source), len(answer)):
                raise ValueError
            return cls(
                source,
                answer,
                (longest_source, longest_answer - 1),
                str(stored["text"]),
                facts.target,
                bool(stored.get("has_header", True)),
            )
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how pairs become tokens", fix="train again") from None

    @property
    def input_shape(self) -> tuple[int, int]:
        """Returns the number of tokens of a stored source, and of a stored answer with one more for its end."""
        return self.lengths[0], self.lengths[1] + 1

    @property
    def vocab_sizes(self) -> tuple[int, int]:
        """Returns the sizes of the vocabularies of sources and answers."""
        return len(self.source), len(self.answer)

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts."""
        stored: dict[str, Any] = {"text": self.text, "source": self.source.to_json(), "answer": self.answer.to_json()}
        return stored | ({} if self.has_header else {"has_header": False})

    def is_sample(self, line: str) -> bool:
        """Tells whether the first line of a text is a source: it has no tabs, and does not name their column."""
        return "\t" not in line and self.text not in [cell.strip().strip('"') for cell in re.split("[,;|]", line)]

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the column of sources, and that of answers if it has one, or sources alone.

        Raises:
            DataError: the column is missing.
        """
        sources, ids = self._read(raw)
        answers = self._answers(raw)
        padded = self.encode_sources(sources)
        beginnings, _ = self.encode_answers([""] * len(sources) if answers is None else answers)
        inputs = (torch.from_numpy(padded.tokens), torch.from_numpy(padded.lengths), beginnings)
        return Encoded(inputs, ids, tuple(self._remarks(padded, row) for row in range(len(sources))))

    def encode_sources(self, sources: Sequence[str]) -> Padded:
        """Returns the numbers of the sources' tokens, cut and padded."""
        pieces = [split(self.source, source) for source in sources]
        return pad(pieces, self.source, self.lengths[0])

    def encode_answers(self, answers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Returns the beginnings of answers `(N, T)` and the tokens that follow them, the target; nothing follows in
        an empty answer, and an answer that is cut has no end."""
        longest = self.lengths[1]
        beginnings = np.full((len(answers), longest + 1), PADDING, dtype=np.int64)
        target = np.full((len(answers), longest + 1), IGNORED, dtype=np.int64)
        beginnings[:, 0] = END
        for row, answer in enumerate(answers):
            numbers = self.number_answer(answer)
            if len(numbers) == 1:
                continue
            target[row, : len(numbers)] = numbers
            beginnings[row, 1 : len(numbers)] = numbers[:-1]
        return torch.from_numpy(beginnings), torch.from_numpy(target)

    def number_answer(self, answer: str) -> NDArray[np.int64]:
        """Returns the numbers of an answer's tokens and its end; only the first tokens of one that is too long."""
        numbers = self.answer.number(split(self.answer, answer))
        return np.append(numbers, END)[: self.lengths[1] + 1]

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the answers, `(N, T)`; all ignored where one is missing.

        Raises:
            DataError: the samples have no answers.
        """
        answers = self._answers(raw)
        if answers is None:
            raise DataError(
                f"there are no answers, which are in the column {self.target!r}",
                fix="give a table with that column, or use dltrain predict",
            )
        return self.encode_answers(answers)[1]

    def _answers(self, raw: Raw) -> list[str] | None:
        """Returns the cells of the column of answers; None without it."""
        if not isinstance(raw, pd.DataFrame):
            return None
        names = [str(name).strip() for name in raw.columns]
        return cells_of(raw.iloc[:, names.index(self.target)]) if self.target in names else None

    def _read(self, raw: Raw) -> tuple[list[str], tuple[str, ...]]:
        """Returns the sources and their names."""
        if isinstance(raw, pd.DataFrame):
            return cells_of(self._select(raw)), tuple(map(str, raw.index.tolist()))
        texts: Sequence[Any] = raw.tolist() if isinstance(raw, np.ndarray) else raw
        if odd := next((text for text in texts if not isinstance(text, str)), None):
            what = f"a sample is of type {type(odd).__name__}, and the model was trained on texts"
            raise DataError(what, fix="give a list of texts, or a table")
        return list(texts), tuple(map(str, range(len(texts))))

    def _select(self, frame: pd.DataFrame) -> pd.Series[Any]:
        """Returns the column of sources."""
        names = [str(name).strip() for name in frame.columns]
        if self.text in names:
            return frame.iloc[:, names.index(self.text)]
        others = [at for at, name in enumerate(names) if name != self.target]
        if len(others) == 1:  # the only column must be the sources, whatever its name
            return frame.iloc[:, others[0]]
        close = nearest(self.text, names)
        raise DataError(
            f"the table has no column {self.text!r}, which contains the sources",
            fix=f"is it {close[0]!r}? rename it in the file"
            if close
            else f"rename one of its columns in the file: {name_list(names, 8)}",
        )

    def _remarks(self, padded: Padded, row: int) -> tuple[Remark, ...]:
        unit = self.source.tokens
        if padded.empty[row]:
            return (Remark("empty source"),)
        remarks = []
        if padded.cut[row]:
            remarks.append(Remark(f"cut at {self.lengths[0]} {unit}s"))
        if padded.unknown[row]:
            remarks.append(Remark(f"unknown {unit}s"))
        return tuple(remarks)

    def unknown_tokens(self, source: str) -> list[str]:
        """Returns the tokens of a source that are not in the vocabulary, each once."""
        pieces = split(self.source, source)
        numbers = self.source.number(pieces)
        return list(dict.fromkeys(piece for piece, number in zip(pieces, numbers, strict=True) if number == UNKNOWN))


def learn_vocabulary(texts: Sequence[str], tokens: UnitChoice, *, size: int, least: int) -> Vocabulary:
    """Returns the vocabulary of one side of the training pairs.

    Args:
        texts: as `plain` returns them.
        tokens: the unit of a token, not `auto`.
        size: the maximum size of the vocabulary.
        least: how often a token must occur to be in it.

    Raises:
        DataError: the package for byte pairs is missing.
    """
    if tokens == "bpe":
        return learn_pieces(texts, size=size, least=least, keeps_case=True)
    unit: Tokens = "character" if tokens == "character" else "word"
    return Vocabulary.learn((split_pieces(text, unit) for text in texts), unit, size=size, least=least)


def split(vocabulary: Vocabulary, text: str) -> list[str]:
    """Returns the tokens of a source or an answer."""
    return vocabulary.locate(plain(text))[0]


def cells_of(column: pd.Series[Any]) -> list[str]:
    """Returns the cells of a column as texts; empty where one is missing."""
    return ["" if missing else str(cell) for cell, missing in zip(column.tolist(), column.isna().tolist(), strict=True)]


def digests(sources: Tensor) -> NDArray[np.int64]:
    """Returns a number for each encoded source `(N, S)`, the same for the same tokens."""
    rows = np.ascontiguousarray(sources.numpy())
    return np.array(
        [int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "little", signed=True) for row in rows],
        dtype=np.int64,
    )

"""The encoder of language models: windows of tokens as inputs, the next tokens as targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dltrain.data.subwords import learn_pieces
from dltrain.data.text_files import SUFFIXES, TextSamples, read_samples
from dltrain.data.tokens import END, SPECIAL, UNKNOWN, UnitChoice, Vocabulary, split_pieces
from dltrain.errors import DataError
from dltrain.kinds.corpus.documents import Document, plain_lines
from dltrain.kinds.corpus.stream import Stream
from dltrain.types import Encoded, Facts, Remark, Split

if TYPE_CHECKING:
    from dltrain.types import Raw

TO_CONTINUE = "give text files or texts, or continue one: dltrain predict RUN --prompt TEXT"


@dataclass(frozen=True)
class CorpusEncoder:
    """Encodes text with the vocabulary of the training documents.

    Args:
        vocabulary: the vocabulary of the training documents.
        length: tokens per window.
    """

    vocabulary: Vocabulary
    length: int
    suffixes: frozenset[str] = SUFFIXES | {".py"}
    takes_rows: bool = False
    apart: bool = True
    prepare: None = None

    @classmethod
    def fit(cls, texts: Sequence[str], *, tokens: UnitChoice, length: int, size: int, least: int) -> CorpusEncoder:
        """Returns an encoder with the vocabulary of the training documents.

        Args:
            texts: the training documents.
            tokens: the unit of a token; `auto` is `character`.
            length: tokens per window.
            size: the maximum size of the vocabulary.
            least: how often a token must occur to be in the vocabulary.

        Raises:
            DataError: no token occurs so often, or a package is missing.
        """
        if tokens == "bpe":
            return cls(learn_pieces(texts, size=size, least=least, keeps_case=True), length)
        unit = "character" if tokens == "auto" else tokens
        vocabulary = Vocabulary.learn((split_pieces(text, unit) for text in texts), unit, size=size, least=least)
        if len(vocabulary) == len(SPECIAL):
            raise DataError(
                f"no {unit} occurs {least} times in the training texts",
                where="data.least",
                fix="give more text, or keep tokens that occur once",
                override="data.least=1",
            )
        return cls(vocabulary, length)

    @classmethod
    def of(cls, facts: Facts) -> CorpusEncoder:
        """Returns the encoder that a run's facts describe.

        Raises:
            DataError: the facts do not say how texts become tokens.
        """
        vocabulary = Vocabulary.of(facts)
        if len(facts.input_shape) != 1:
            raise DataError("facts.json does not say how long a window is", fix="train again")
        return cls(vocabulary, facts.input_shape[0])

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts."""
        return self.vocabulary.to_json() | {"length": self.length}

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes text: files as one stream, as in training, or each text separately.

        Windows of texts are no longer than the longest text.

        Raises:
            DataError: the input is not text, or a file cannot be read.
        """
        split = self._windows(raw)
        unknown = (split.tensors[0] == UNKNOWN).any(dim=1).tolist()
        return Encoded(split.tensors, split.ids, tuple((Remark("unknown tokens"),) if some else () for some in unknown))

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the next tokens, `(N, T)`; each is predicted in only one window."""
        return self._windows(raw).target

    def read(self, documents: Sequence[Document]) -> Stream:
        """Returns documents as one stream of tokens.

        Raises:
            DataError: the documents contain no text.
        """
        return Stream.of(documents, self.vocabulary)

    def training_windows(self, stream: Stream) -> Split:
        """Returns windows that do not overlap."""
        return stream.windows(self.length, self.length)

    def held_out_windows(self, stream: Stream) -> Split:
        """Returns windows that overlap by half, so that each token is predicted from at least half a window."""
        return stream.windows(self.length, max(1, self.length // 2))

    def encode_prompt(self, prompt: str) -> list[int]:
        """Returns the tokens of a prompt; an empty prompt is the beginning of a document."""
        return self.vocabulary.number(self.vocabulary.locate(prompt)[0]).tolist() or [END]

    def unknown_tokens(self, prompt: str) -> list[str]:
        """Returns the tokens of a prompt that are not in the vocabulary, each once."""
        pieces, _ = self.vocabulary.locate(prompt)
        numbers = self.vocabulary.number(pieces)
        return list(dict.fromkeys(piece for piece, number in zip(pieces, numbers, strict=True) if number == UNKNOWN))

    def _windows(self, raw: Raw) -> Split:
        samples = self._read(raw)
        texts = map(plain_lines, samples.texts)
        if samples.are_files:
            named = zip(samples.names, texts, strict=True)
            return self.held_out_windows(self.read([Document(name, text) for name, text in named if text]))
        if "" in samples.texts:
            raise DataError(f"text {samples.texts.index('')} is empty", fix="leave it out")
        streams = [self.read([Document(f"text {name}", text)]) for name, text in zip(samples.names, texts, strict=True)]
        length = min(self.length, max(len(stream.tokens) for stream in streams) - 1)
        parts = [stream.windows(length, max(1, self.length // 2)) for stream in streams]
        return Split(
            (torch.cat([part.tensors[0] for part in parts]),),
            torch.cat([part.target for part in parts]),
            tuple(name for part in parts for name in part.ids),
        )

    def _read(self, raw: Raw) -> TextSamples:
        """Returns the contents of files of any name, or texts.

        Raises:
            DataError: the input is neither, or a text looks like the name of a file that does not exist.
        """
        samples: Sequence[object] = raw.tolist() if isinstance(raw, np.ndarray) else raw  # type: ignore[assignment]
        if not isinstance(samples, Sequence) or isinstance(samples, str):
            raise DataError(f"{type(raw).__name__} instead of text: the model continues text", fix=TO_CONTINUE)
        for sample in samples:
            if _looks_like_file(sample, self.suffixes) and not Path(str(sample)).is_file():
                raise DataError(f"there is no file {sample}", fix=TO_CONTINUE)
        return read_samples(samples, suffixes=None)


def _looks_like_file(sample: object, suffixes: frozenset[str]) -> bool:
    """Tells whether a sample is a path, or a single word that ends like the name of a text file."""
    if not isinstance(sample, str):
        return hasattr(sample, "__fspath__")
    return len(sample.split()) == 1 and Path(sample).suffix.lower() in suffixes

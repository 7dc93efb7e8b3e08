"""A stream of tokens from several documents, and its windows, the inputs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.tokens import END, IGNORED, PADDING, Vocabulary
from dltrain.errors import DataError
from dltrain.kinds.corpus.documents import Document
from dltrain.memory import refuse_beyond
from dltrain.types import Split


@dataclass(frozen=True)
class Stream:
    """The tokens of documents, with an end token after each document.

    Args:
        tokens: `(S,)`.
        documents: `(S,)` the number of each token's document.
        offsets: `(S,)` where each token begins in its file, in characters.
        names: the names of the documents' files.
    """

    tokens: NDArray[np.int64]
    documents: NDArray[np.int64]
    offsets: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, documents: Sequence[Document], vocabulary: Vocabulary) -> Stream:
        """Returns documents as one stream.

        Raises:
            DataError: the documents contain no text.
        """
        tokens, offsets, sizes = [], [], []
        for document in documents:
            pieces, starts = vocabulary.locate(document.text)
            ends = document.start + np.array([*starts, len(document.text)])
            tokens += [vocabulary.number(pieces), np.full(int(document.whole), END)]
            offsets.append(ends if document.whole else ends[:-1])
            sizes.append(len(offsets[-1]))
        if sum(sizes) < 2:
            raise DataError("a split of the corpus contains no text", where="data.path", fix="give more text")
        return cls(
            np.concatenate(tokens),
            np.repeat(np.arange(len(documents)), sizes),
            np.concatenate(offsets),
            tuple(document.name for document in documents),
        )

    def windows(self, length: int, stride: int) -> Split:
        """Returns windows, each with its next tokens; every token but the first is predicted once.

        Args:
            length: tokens per window.
            stride: tokens from the beginning of a window to that of the next one.

        Raises:
            ConfigError: they do not fit into memory.
        """
        starts, tokens = [0], self.tokens
        while starts[-1] + length < len(tokens) - 1:
            starts.append(starts[-1] + stride)
        what = f"{len(starts):,} windows of {length:,} tokens"
        refuse_beyond(16 * len(starts) * length, what, where="data.length", fix="give a smaller number")
        inputs = np.full((len(starts), length), PADDING, dtype=np.int64)
        target = np.full((len(starts), length), IGNORED, dtype=np.int64)
        for row, start in enumerate(starts):
            window = tokens[start : start + length + 1]
            inputs[row, : len(window) - 1] = window[:-1]
            first = 0 if row == 0 else length - stride  # the previous window predicts those to the left
            target[row, first : len(window) - 1] = window[first + 1 :]
        return Split((torch.from_numpy(inputs),), torch.from_numpy(target), tuple(map(self._spell_place, starts)))

    def _spell_place(self, at: int) -> str:
        return f"{self.names[self.documents[at]]}:{self.offsets[at]}"

"""The encoder of words: each word of a text with those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.text_files import SUFFIXES, read_samples
from dltrain.data.tokens import LETTER, PADDING, UNKNOWN, Vocabulary, split_text
from dltrain.errors import DataError
from dltrain.memory import refuse_beyond
from dltrain.types import Encoded, Facts

if TYPE_CHECKING:
    from dltrain.types import Raw

Method = Literal["skipgram", "cbow"]
ENDS = frozenset(".!?。！？")


@dataclass(frozen=True)
class Sentences:
    """The words of sentences, one after another.

    Args:
        words: `(S,)` the number of each word.
        sentence: `(S,)` the number of each word's sentence.
    """

    words: NDArray[np.int64]
    sentence: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> Sentences:
        """Returns the chosen words, so that those around the others become neighbours."""
        return Sentences(self.words[chosen], self.sentence[chosen])


@dataclass(frozen=True)
class WordsEncoder:
    """Encodes texts as words, each with the words around it.

    Args:
        vocabulary: of the training text.
        counts: how often each word of the vocabulary, without the special ones, occurs in the training text.
        method: `skipgram` pairs a word with each word around it, `cbow` with all of them.
        window: the largest distance of two words.
        negatives: how many noise words weigh as much as all that a word is compared with.
    """

    vocabulary: Vocabulary
    counts: tuple[int, ...]
    method: Method
    window: int
    negatives: int
    suffixes: frozenset[str] = SUFFIXES
    takes_rows: bool = False
    apart: bool = False
    prepare: None = None

    @classmethod
    def of(cls, facts: Facts) -> WordsEncoder:
        """Returns the encoder that a run's facts describe.

        Raises:
            DataError: the facts do not say how words are encoded.
        """
        stored = facts.preprocessing
        try:
            vocabulary, counts = Vocabulary.of(facts), tuple(map(int, stored["counts"]))
            method: Method = stored["method"]
            if method not in ("skipgram", "cbow") or len(counts) != len(vocabulary.words):
                raise ValueError
            return cls(vocabulary, counts, method, int(stored["window"]), int(stored["negatives"]))
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how words are encoded", fix="train again") from None

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts."""
        own = {"method": self.method, "window": self.window, "negatives": self.negatives, "counts": list(self.counts)}
        return self.vocabulary.to_json() | own

    @property
    def places(self) -> int:
        """Returns the number of words around a word that a sample has."""
        return 1 if self.method == "skipgram" else 2 * self.window

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes texts or text files.

        Raises:
            DataError: they are no texts, or hold no known words.
        """
        if isinstance(raw, pd.DataFrame):
            raise DataError("a table instead of text", fix="give text files")
        samples = read_samples(raw.tolist() if isinstance(raw, np.ndarray) else raw, None)
        inputs = self.windows(self.number([split_sentences(text) for text in samples.texts]), None)
        names = tuple(self.vocabulary.entries[number] for number in inputs[1].tolist())
        return Encoded(inputs, names, ((),) * len(names))

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the words themselves."""
        return self.encode(raw).inputs[1]

    def number(self, texts: Sequence[Sequence[Sequence[str]]]) -> Sentences:
        """Returns the numbers of the words of texts, given as sentences; unknown words are left out."""
        sentences = [sentence for text in texts for sentence in text]
        words = [self.vocabulary.number(sentence) for sentence in sentences]
        numbers = np.concatenate([np.zeros(0, dtype=np.int64), *words])
        belongs = np.repeat(np.arange(len(words)), [len(part) for part in words])
        return Sentences(numbers, belongs).of(numbers != UNKNOWN)

    def windows(self, sentences: Sentences, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """Returns the words around each word, `(N, places)`, and the word, `(N,)`.

        Args:
            sentences: numbered words.
            rng: draws how far each word looks, as word2vec does, so that near words count more; None for all words of
                the window.

        Raises:
            ConfigError: the windows do not fit into memory.
            DataError: no word has a neighbour.
        """
        words, count = sentences.words, len(sentences.words)
        reach = np.full(count, self.window) if rng is None else rng.integers(1, self.window + 1, count)
        what = f"{2 * self.window:,} neighbours of each of {count:,} words"
        refuse_beyond(16 * count * self.window, what, where="data.window", fix="give a smaller number")
        around = np.full((count, 2 * self.window), PADDING, dtype=np.int64)
        for distance in range(1, self.window + 1):
            same = sentences.sentence[distance:] == sentences.sentence[:-distance]
            after, before = same & (reach[:-distance] >= distance), same & (reach[distance:] >= distance)
            around[: max(0, count - distance), 2 * distance - 2][after] = words[distance:][after]
            around[distance:, 2 * distance - 1][before] = words[:-distance][before]
        if not around.any():
            raise DataError("no word stands beside another that is known", where="data.path", fix="give more text")
        if self.method == "cbow":
            some = (around != PADDING).any(axis=1)
            return torch.from_numpy(around[some]), torch.from_numpy(words[some])
        row, place = np.nonzero(around)
        return torch.from_numpy(around[row, place][:, None]), torch.from_numpy(words[row])


def split_sentences(text: str) -> list[list[str]]:
    """Returns the words of each sentence of a text, in lower case, without punctuation and numbers."""
    sentences: list[list[str]] = [[]]
    for token in split_text(text, "word"):
        if token in ENDS:
            sentences.append([])
        elif LETTER.search(token):
            sentences[-1].append(token)
    return [sentence for sentence in sentences if sentence]


def read_word_lines(path: str, where: str) -> tuple[tuple[str, ...], ...]:
    """Returns the words of each line of a file, in lower case.

    Raises:
        DataError: there is no such file, or a line holds fewer than two words.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"there is no file {path}", where=where, fix="give a text file, words separated by blanks")
    lines = [tuple(line.lower().split()) for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if len(line) < 2:
            what = f"line {number} of {path} holds one word"
            raise DataError(what, where=where, fix="write at least two in each line, separated by blanks")
    return tuple(lines)

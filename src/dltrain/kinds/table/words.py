"""The encoder of columns of text: which of the words that matter a cell contains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.splits import Indices
from dltrain.data.tokens import Tokens, choose_tokens, split_text
from dltrain.drawing.section import listed, shown
from dltrain.kinds.table.column_encoder import ColumnEncoder, Floats, Oddity

MOST_WORDS = 64  # inputs of one column
MOST_CANDIDATES = 2_000
FEWEST_ROWS, LEAST_SHARE, LARGEST_SHARE = 5, 0.005, 0.95  # of the training rows with a word
SAMPLE = 2_000  # cells that decide whether a column is text


def has_words(values: Sequence[str]) -> bool:
    """Tells whether distinct texts share words, as prose does, and codes and hashes do not."""
    sample = [values[index] for index in np.linspace(0, len(values) - 1, min(SAMPLE, len(values))).astype(int)]
    counts = _count_words(sample, choose_tokens(sample))
    enough = max(FEWEST_ROWS, LEAST_SHARE * len(sample))
    return any(enough <= count <= LARGEST_SHARE * len(sample) for word, count in counts.items() if word.isalpha())


@dataclass(frozen=True)
class WordsEncoder(ColumnEncoder):
    """A column of text: for each of some words whether the cell contains it, and how long the text is.

    Args:
        name: the name of the column.
        words: the words, in lower case.
        tokens: the unit of a word; characters where the script has no spaces.
        mean: of the logarithm of the number of words, plus 1.
        std: of the same.
    """

    role: ClassVar[str] = "text"

    name: str
    words: tuple[str, ...]
    tokens: Tokens
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def fit(cls, name: str, cells: Cells, targets: Floats) -> WordsEncoder:
        """Returns an encoder with the words of training cells that tell most about the targets.

        Args:
            name: of the column.
            cells: `(N,)` of the training rows.
            targets: `(N, K)` of the training rows; of no use to choose by if they are empty.
        """
        rows = [cells.values[code] if code >= 0 else "" for code in cells.codes.tolist()]
        tokens = choose_tokens(rows)
        least = max(FEWEST_ROWS, LEAST_SHARE * len(rows))
        counts = _count_words(rows, tokens).most_common(MOST_CANDIDATES)
        candidates = [word for word, count in counts if least <= count <= LARGEST_SHARE * len(rows)]
        if len(candidates) > MOST_WORDS:
            scores = _association(rows, candidates, tokens, targets)
            candidates = [candidates[index] for index in np.argsort(-scores, kind="stable")[:MOST_WORDS]]
        lengths = np.log1p([len(split_text(text, tokens)) for text in rows])
        return cls(name, tuple(sorted(candidates)), tokens, float(lengths.mean()), float(lengths.std()) or 1.0)

    @property
    def features(self) -> tuple[str, ...]:
        return (*(f"{self.name} contains {word}" for word in self.words), f"{self.name} length")

    @property
    def measured(self) -> tuple[bool, ...]:
        return (*(False for _ in self.words), True)

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, words + 1)`; all words are 0 in a missing cell."""
        of_value = np.zeros((len(cells.values) + 1, len(self.words) + 1), dtype=np.float32)
        position = {word: index for index, word in enumerate(self.words)}
        lengths = np.zeros(len(cells.values) + 1)
        for row, value in enumerate(cells.values):
            split = split_text(value, self.tokens)
            lengths[row] = len(split)
            of_value[row, [position[word] for word in set(split) if word in position]] = 1
        of_value[:, -1] = (np.log1p(lengths) - self.mean) / self.std
        return of_value[cells.codes]

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields nothing: new texts are expected, and a missing one is a text without words."""
        yield from ()

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        return "text; words that count: " + listed([shown(word) for word in self.words], 12)


def _count_words(texts: Sequence[str], tokens: Tokens) -> Counter[str]:
    """Returns in how many texts each word occurs."""
    return Counter(word for text in texts for word in set(split_text(text, tokens)))


def _association(rows: Sequence[str], words: Sequence[str], tokens: Tokens, targets: Floats) -> NDArray[np.float64]:
    """Returns the largest squared correlation of each word's occurrence with a target."""
    from sklearn.feature_extraction.text import CountVectorizer

    split = partial(split_text, tokens=tokens)
    occurs = CountVectorizer(analyzer=split, vocabulary=list(words), binary=True).fit_transform(rows)
    y = np.nan_to_num(targets - np.nanmean(targets, axis=0))
    shares = np.asarray(occurs.mean(axis=0)).ravel()
    spread = np.sqrt(shares * (1 - shares))[:, None] * y.std(axis=0)
    covariance = np.asarray(occurs.T @ y) / len(rows)
    correlation = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
    return np.asarray((correlation**2).max(axis=1, initial=0.0))

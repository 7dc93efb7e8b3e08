"""Words by their vectors: the nearest ones, and how well known groups and pairs are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import nearest
from dltrain.data.tokens import SPECIAL, Vocabulary
from dltrain.errors import ConfigError

Floats = NDArray[np.float64]
ODD_QUESTIONS = 1000  # drawn for the score of odd ones
GROUP = 3  # words of one group in a question


class SimilarWords:
    """The words of a vocabulary by their vectors.

    Args:
        vocabulary: the words.
        vectors: `(V, width)`, with those of the special tokens.
    """

    def __init__(self, vocabulary: Vocabulary, vectors: NDArray[np.floating]) -> None:
        self.vectors = own = np.asarray(vectors[len(SPECIAL) :], dtype=np.float64)
        self.words = vocabulary.words
        self.units: Floats = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
        self._rows = {word: row for row, word in enumerate(self.words)}

    def rows(self, words: Sequence[str]) -> list[int]:
        """Returns the rows of words.

        Raises:
            ConfigError: one is not in the vocabulary.
        """
        for word in words:
            if word.lower() not in self._rows:
                near = nearest(word.lower(), self.words[:5000])
                what = f"the training text does not hold the word {word!r} often enough"
                raise ConfigError(
                    what, where="--likes", fix=f"did you mean {near[0]}?" if near else "give another word"
                )
        return [self._rows[word.lower()] for word in words]

    def nearest(self, words: Sequence[str], top: int) -> list[tuple[str, float]]:
        """Returns the words whose vectors have the largest cosines with the mean of those of some words, and these.

        Raises:
            ConfigError: one of them is not in the vocabulary.
        """
        given = self.rows(words)
        mean = self.units[given].mean(axis=0)
        cosines = self.units @ (mean / max(1e-12, float(np.linalg.norm(mean))))
        cosines[given] = -np.inf
        order = np.argsort(-cosines, kind="stable")[: min(top, len(self.words) - len(given))]
        return [(self.words[row], float(cosines[row])) for row in order]

    def score_odd_ones(self, groups: Sequence[Sequence[str]]) -> float | None:
        """Returns the share of questions that are answered right: three words of a group and one of another, of which
        the odd one has the smallest mean cosine with the others; None where there are not two groups that serve."""
        known = [[self._rows[word] for word in group if word in self._rows] for group in groups]
        large = [number for number, group in enumerate(known) if len(group) >= GROUP]
        if not large or sum(map(bool, known)) < 2:
            return None
        rng, right = np.random.default_rng(0), 0
        for _ in range(ODD_QUESTIONS):
            own = int(rng.choice(large))
            other = int(rng.choice([number for number, group in enumerate(known) if group and number != own]))
            asked = [*rng.choice(known[own], GROUP, replace=False), int(rng.choice(known[other]))]
            cosines = self.units[asked] @ self.units[asked].T
            right += int(cosines.sum(axis=1).argmin()) == GROUP
        return right / ODD_QUESTIONS

    def score_pairs(self, pairs: Sequence[Sequence[str]]) -> float | None:
        """Returns the share of questions "a is to b as c is to what?" whose answer d is nearest to b - a + c, over all
        two pairs; None where fewer than two are known."""
        known = [[self._rows[word] for word in pair[:2]] for pair in pairs if all(w in self._rows for w in pair[:2])]
        if len(known) < 2:
            return None
        right = []
        for a, b in known:
            for c, d in known:
                if a == c:
                    continue
                cosines = self.units @ (self.units[b] - self.units[a] + self.units[c])
                cosines[[a, b, c]] = -np.inf
                right.append(int(cosines.argmax()) == d)
        return float(np.mean(right))

    def spell(self) -> str:
        """Returns the vectors in the text format of word2vec: number and width, then a word and its vector a line."""
        lines = [f"{len(self.words)} {self.vectors.shape[1]}"]
        lines += [
            f"{word} {' '.join(f'{x:.6g}' for x in row)}" for word, row in zip(self.words, self.vectors, strict=True)
        ]
        return "\n".join(lines) + "\n"

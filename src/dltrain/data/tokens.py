"""Texts as tokens, words or characters, and back again, by the vocabulary of the training texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dltrain.errors import DataError
from dltrain.memory import refuse_beyond
from dltrain.types import Facts

Tokens = Literal["word", "character", "piece"]  # pieces of words are in subwords.py
UnitChoice = Literal["auto", "word", "character", "bpe"]

PADDING, UNKNOWN, END = 0, 1, 2  # fills up; was not in training; ends a document
IGNORED = -100  # the target of a position that is not predicted; what torch calls ignore_index
SPECIAL = ("<padding>", "<unknown>", "<end>")
# Scripts that write words without spaces between them: Chinese and Japanese, Thai, Lao, Burmese, Khmer.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*|[^\w\s]")
PIECE = re.compile(rf" ?[{UNSPACED}]| ?[^\W{UNSPACED}]+| ?[^\w\s]|\s")  # their sequence is the text, space for space
LETTER = re.compile(r"[^\W\d_]")
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
MAX_UNSPACED = 0.3  # share of the letters, above which tokens are characters
LOOKED_AT = 200_000  # characters that decide


def choose_tokens(texts: Iterable[str]) -> Tokens:
    """Returns `character` where the script has no spaces between words, else `word`; the first texts decide."""
    sample = ""
    for text in texts:
        sample += text[: LOOKED_AT - len(sample)]
        if len(sample) >= LOOKED_AT:
            break
    letters = len(LETTER.findall(sample))
    return "character" if len(UNSPACED_LETTER.findall(sample)) > MAX_UNSPACED * max(1, letters) else "word"


def split_text(text: str, tokens: Tokens) -> list[str]:
    """Returns the tokens of a text that is classified or scored: in lower case, in NFKC form, without extra spaces."""
    text = unicodedata.normalize("NFKC", text).lower()
    return WORD.findall(text) if tokens == "word" else list(" ".join(text.split()))


def split_pieces(text: str, tokens: Tokens) -> list[str]:
    """Returns the tokens of a text that is continued; joined, they are the text again, character for character."""
    return PIECE.findall(text) if tokens == "word" else list(text)


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that a model tells apart, each with its number.

    Args:
        tokens: what a token is.
        entries: every token at its own number: the special ones first, then the most frequent ones.

    Attributes:
        frame: how many tokens stand before and after those of every classified text.
    """

    frame: ClassVar[tuple[int, int]] = (0, 0)

    tokens: Tokens
    entries: tuple[str, ...]

    @classmethod
    def learn(cls, texts: Iterable[Sequence[str]], tokens: Tokens, *, size: int, least: int) -> Vocabulary:
        """Returns the most frequent tokens of the training texts.

        Args:
            texts: tokens of each text.
            tokens: what a token is.
            size: the largest number of tokens, special ones not counted.
            least: how often a token must occur.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        # Alphabetical among equally frequent ones, so that the order of the texts does not matter.
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(tokens, (*SPECIAL, *(token for token, count in ranked[:size] if count >= least)))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Vocabulary:
        """Returns the vocabulary that `to_json` wrote; other keys are ignored.

        Raises:
            KeyError: there is none.
        """
        tokens: Tokens = stored["tokens"]
        if tokens == "piece":
            from dltrain.data.subwords import Subwords

            return Subwords.from_json(stored)
        return Vocabulary(tokens, (*SPECIAL, *stored["vocabulary"]))

    @classmethod
    def of(cls, facts: Facts) -> Vocabulary:
        """Returns the vocabulary that a run's facts hold.

        Raises:
            DataError: they hold none, or another than the model was built for.
        """
        try:
            vocabulary = cls.from_json(facts.preprocessing)
            if vocabulary.tokens not in get_args(Tokens) or facts.vocab_sizes != (len(vocabulary),):
                raise ValueError
            if not all(isinstance(word, str) for word in vocabulary.words):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how texts become tokens", fix="train again") from None
        return vocabulary

    def to_json(self) -> dict[str, Any]:
        """Returns what `from_json` reads."""
        return {"tokens": self.tokens, "vocabulary": list(self.words)}

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def words(self) -> tuple[str, ...]:
        """Returns the tokens that stand in texts, the most frequent first, without the special ones."""
        return self.entries[len(SPECIAL) :]

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the tokens of `words` as a reader sees them."""
        return self.words

    @property
    def lengths(self) -> tuple[int, ...]:
        """Returns the number of characters of each of `words`."""
        return tuple(map(len, self.words))

    def split_texts(self, texts: Sequence[str]) -> list[list[str]]:
        """Returns the tokens of texts that are classified."""
        return [split_text(text, self.tokens) for text in texts]

    def locate(self, text: str) -> tuple[list[str], list[int]]:
        """Returns the tokens of a text that is continued, and where each begins in it, in characters."""
        pieces = split_pieces(text, self.tokens)
        return pieces, [0, *accumulate(map(len, pieces[:-1]))] if pieces else []

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.entries)}

    def number(self, text: Sequence[str]) -> NDArray[np.int64]:
        """Returns the number of each token of a text, `(T,)`."""
        numbers = self._numbers
        return np.array([numbers.get(token, UNKNOWN) for token in text], dtype=np.int64)

    def spell(self, numbers: Iterable[int]) -> str:
        """Returns the text of a continued text's tokens; an end is a blank line, an unknown token U+FFFD."""
        special = {PADDING: "", UNKNOWN: "\ufffd", END: "\n\n"}
        return "".join(special.get(number, self.entries[number]) for number in numbers)


@dataclass(frozen=True)
class Padded:
    """Texts as a rectangle of token numbers.

    Args:
        tokens: `(N, T)`, padding behind each text.
        lengths: `(N,)`, at least 1: an empty text is one unknown token.
        empty: `(N,)` which texts hold no token.
        cut: `(N,)` how many tokens were cut off each text.
        unknown: `(N,)` how many of the remaining tokens are not in the vocabulary.
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    empty: NDArray[np.bool_]
    cut: NDArray[np.int64]
    unknown: NDArray[np.int64]


def pad(texts: Sequence[Sequence[str]], vocabulary: Vocabulary, length: int) -> Padded:
    """Returns the numbers of the texts' tokens, each text cut before its frame's end, or filled up, to `length`.

    Raises:
        ConfigError: they do not fit into memory.
    """
    what = f"{len(texts):,} texts of {length:,} tokens"
    refuse_beyond(8 * len(texts) * length, what, where="data.length", fix="cut them at fewer tokens")
    tokens = np.full((len(texts), length), PADDING, dtype=np.int64)
    _, closing = vocabulary.frame
    for row, text in enumerate(texts):
        fitting = text if len(text) <= length else [*text[: length - closing], *text[len(text) - closing :]]
        tokens[row, : len(fitting)] = vocabulary.number(fitting)
    counts = np.array([len(text) for text in texts], dtype=np.int64)
    unknown = (tokens == UNKNOWN).sum(axis=1)
    tokens[counts == 0, 0] = UNKNOWN
    empty = counts == sum(vocabulary.frame)
    return Padded(tokens, counts.clip(1, length), empty, (counts - length).clip(0), unknown)

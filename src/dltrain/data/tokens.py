"""Texts to tokens and back: words or characters, and the vocabulary that the training texts teach."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Tokens = Literal["word", "character"]
Choice = Literal["auto", "word", "character"]

PADDING, UNKNOWN, END = 0, 1, 2  # fills up; was not in training; ends a document
IGNORED = -100  # a target of the next token where none is asked for; what torch calls ignore_index
SPECIAL = ("<padding>", "<unknown>", "<end>")
# Scripts that write words without spaces between them: Chinese and Japanese, Thai, Lao, Burmese, Khmer.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*|[^\w\s]")
PIECE = re.compile(rf" ?[{UNSPACED}]| ?[^\W{UNSPACED}]+| ?[^\w\s]|\s")  # their sequence is the text, space for space
LETTER = re.compile(r"[^\W\d_]")
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
MAX_UNSPACED = 0.3  # share of the letters, from which a text is read by its characters
LOOKED_AT = 200_000  # characters that this is judged by


def choose_tokens(texts: Iterable[str]) -> Tokens:
    """Characters where the script has no spaces between words, else words; by the first texts."""
    sample = ""
    for text in texts:
        sample += text[: LOOKED_AT - len(sample)]
        if len(sample) >= LOOKED_AT:
            break
    letters = len(LETTER.findall(sample))
    return "character" if len(UNSPACED_LETTER.findall(sample)) > MAX_UNSPACED * max(1, letters) else "word"


def split_text(text: str, tokens: Tokens) -> list[str]:
    """A text to be understood as a whole: in lower case, forms of the same character as one, spaces dropped."""
    text = unicodedata.normalize("NFKC", text).lower()
    return WORD.findall(text) if tokens == "word" else list(" ".join(text.split()))


def split_pieces(text: str, tokens: Tokens) -> list[str]:
    """A text to be continued: joined, the tokens are the text again, character for character."""
    return PIECE.findall(text) if tokens == "word" else list(text)


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that were learned, by their number; the first ones are no text but mean something.

    Args:
        tokens: what a token is.
        known: every token, the special ones first and then the most frequent ones.
    """

    tokens: Tokens
    known: tuple[str, ...]

    @classmethod
    def learn(cls, texts: Iterable[Sequence[str]], tokens: Tokens, *, size: int, least: int) -> Vocabulary:
        """The most frequent tokens of the training texts.

        Args:
            texts: tokens of each text.
            tokens: what a token is.
            size: most tokens, those that mean something apart.
            least: how often a token must occur.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        # By the alphabet among equals, so that the order of the texts does not matter.
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(tokens, (*SPECIAL, *(token for token, count in ranked[:size] if count >= least)))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_json` wrote.

        Raises:
            KeyError: it did not.
        """
        tokens: Tokens = stored["tokens"]
        return cls(tokens, (*SPECIAL, *stored["vocabulary"]))

    def to_json(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "vocabulary": list(self.known[len(SPECIAL) :])}

    def __len__(self) -> int:
        return len(self.known)

    def numbering(self) -> Callable[[Sequence[str]], NDArray[np.int64]]:
        """What numbers the tokens of a text."""
        index = {token: number for number, token in enumerate(self.known)}
        return lambda text: np.array([index.get(token, UNKNOWN) for token in text], dtype=np.int64)

    def spell(self, numbers: Iterable[int]) -> str:
        """The text of a continued text's tokens; an end is a blank line, an unknown one a replacement character."""
        special = {PADDING: "", UNKNOWN: "\ufffd", END: "\n\n"}
        return "".join(special.get(number, self.known[number]) for number in numbers)


@dataclass(frozen=True)
class Padded:
    """Texts as a rectangle of token numbers.

    Args:
        tokens: `(N, T)`, padding behind each text.
        lengths: `(N,)`, at least 1: an empty text is one unknown token.
        empty: `(N,)` which texts hold no token.
        cut: `(N,)` how many tokens of a text were too many.
        unknown: `(N,)` how many of the kept tokens were not in training.
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    empty: NDArray[np.bool_]
    cut: NDArray[np.int64]
    unknown: NDArray[np.int64]


def pad(texts: Sequence[Sequence[str]], vocabulary: Vocabulary, length: int) -> Padded:
    """Numbers the tokens of texts, cuts them at `length` and fills them up to it."""
    number = vocabulary.numbering()
    tokens = np.full((len(texts), length), PADDING, dtype=np.int64)
    for row, text in enumerate(texts):
        kept = text[:length]
        tokens[row, : len(kept)] = number(kept)
    counts = np.array([len(text) for text in texts], dtype=np.int64)
    unknown = (tokens == UNKNOWN).sum(axis=1)
    tokens[counts == 0, 0] = UNKNOWN
    return Padded(tokens, counts.clip(1, length), counts == 0, (counts - length).clip(0), unknown)

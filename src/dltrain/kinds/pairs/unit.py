"""Chooses whether the tokens of pairs are words or characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dltrain.data.tokens import Tokens, choose_tokens, split_pieces

NUMBERS = 0.1  # share of the words that hold digits, above which tokens are characters
SINGLE = 1.5  # words of a text on average
RARE = 0.2  # share of the words that occur once


def choose_unit(sources: Sequence[str], answers: Sequence[str]) -> tuple[Tokens, str]:
    """Returns the unit of a token for training pairs, and why: words only where both sides repeat their words."""
    for name, texts in (("sources", sources), ("answers", answers)):
        if choose_tokens(texts) == "character":
            return "character", f"the {name} have no spaces between words"
        pieces = [piece.strip() for text in texts for piece in split_pieces(text, "word")]
        words = [piece for piece in pieces if piece[:1].isalnum()]
        if sum(any(map(str.isdigit, word)) for word in words) > NUMBERS * len(words):
            return "character", f"the {name} hold numbers"
        if len(words) < SINGLE * len(texts):
            return "character", f"the {name} are single words"
        if sum(count == 1 for count in Counter(words).values()) > RARE * len(words):
            return "character", f"the {name} hardly repeat their words"
    return "word", "both sides repeat their words"

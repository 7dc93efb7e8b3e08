"""Chooses how labelled texts become tokens, and learns their vocabulary from the training texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dltrain.data.network_folder import read_tokenizer
from dltrain.data.subwords import Subwords, learn_pieces
from dltrain.data.tokens import SPECIAL, Tokens, UnitChoice, Vocabulary, choose_tokens, split_text
from dltrain.errors import DataError

MOST_IN_NAMES = 1.5  # words of a text on average
REPEATED = 0.5  # share of distinct words, above which they hardly repeat


@dataclass(frozen=True)
class Tokenisation:
    """How texts become tokens, as in `text`; `size` is the maximum size of the vocabulary."""

    tokens: UnitChoice
    tokenizer: str | None
    length: int | None
    size: int
    least: int

    def learn(self, texts: Sequence[str]) -> tuple[Vocabulary, list[list[str]]]:
        """Returns the vocabulary of the training texts, and the tokens of each.

        Raises:
            DataError: no token occurs often enough, there is no such tokenizer, or a package is missing.
        """
        vocabulary: Vocabulary
        if self.tokenizer is not None:
            if self.tokens != "auto":
                raise DataError(
                    "the tokens are those of a pretrained network's tokenizer",
                    where="data.tokens",
                    fix="leave it out, or choose a model that learns its own tokens",
                    override="data.tokens=auto",
                )
            vocabulary = Subwords.of_network(read_tokenizer(self.tokenizer))
        elif self.tokens == "bpe":
            vocabulary = learn_pieces(texts, size=self.size, least=self.least, keeps_case=False)
        else:
            unit = choose_unit(texts) if self.tokens == "auto" else self.tokens
            split = [split_text(text, unit) for text in texts]
            return self._learn_words(split, unit), split
        return vocabulary, vocabulary.split_texts(texts)

    def _learn_words(self, texts: Sequence[Sequence[str]], unit: Tokens) -> Vocabulary:
        vocabulary = Vocabulary.learn(texts, unit, size=self.size, least=self.least)
        if len(vocabulary) == len(SPECIAL) and any(texts):
            raise DataError(
                f"no {unit} occurs {self.least} times in the training texts",
                where="data.least",
                fix="give more texts, or take characters as tokens" if unit == "word" else "give more texts",
                override="data.tokens=character" if unit == "word" else "",
            )
        return vocabulary


def choose_unit(texts: Sequence[str]) -> Tokens:
    """Returns the unit of a token: characters also where texts are names, single words that hardly repeat."""
    tokens = choose_tokens(texts)
    words = Counter(word for text in texts for word in split_text(text, "word"))
    single = sum(words.values()) < MOST_IN_NAMES * len(texts)
    return "character" if single and len(words) > REPEATED * sum(words.values()) else tokens

"""Tokens that are pieces of words: byte pairs learned from the training texts, or those of a pretrained network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dltrain.data.tokens import SPECIAL, UNKNOWN, Vocabulary
from dltrain.errors import DataError, require

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PURPOSE = "reads and learns pieces of words"
# What stands for each byte in a piece: a printable character of Latin-1 for itself, another one for every other byte.
PRINTED = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
BYTES = {chr(byte): byte for byte in PRINTED} | {
    chr(256 + rank): byte for rank, byte in enumerate(byte for byte in range(256) if byte not in PRINTED)
}


@dataclass(frozen=True)
class Subwords(Vocabulary):
    """Pieces of words, each with its number, by a tokenizer of the package `tokenizers`.

    Args:
        tokens: `piece`.
        entries: every piece at its own number, the special ones first.
        tokenizer: the tokenizer, as a `tokenizer.json` holds it.
        learned: whether it was learned from the training texts: its pieces spell bytes, the most frequent come first.
    """

    tokenizer: str = ""
    learned: bool = True

    @classmethod
    def of_network(cls, tokenizer: str) -> Subwords:
        """Returns the pieces of a pretrained network, numbered as there, after the special ones.

        Args:
            tokenizer: the content of its `tokenizer.json`.

        Raises:
            DataError: it is no tokenizer, or the package is missing.
        """
        engine = _read(tokenizer, "encoder")
        pieces = {number: piece for piece, number in engine.get_vocab(with_added_tokens=True).items()}
        entries = (pieces.get(number, f"<{number}>") for number in range(max(pieces) + 1))
        return cls("piece", (*SPECIAL, *entries), engine.to_str(), learned=False)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Subwords:
        """Returns the pieces that `to_json` wrote.

        Raises:
            KeyError: there are none.
            DataError: the package `tokenizers` is missing.
        """
        if "vocabulary" not in stored:
            return cls.of_network(stored["tokenizer"])
        return cls("piece", (*SPECIAL, *stored["vocabulary"]), stored["tokenizer"])

    def to_json(self) -> dict[str, Any]:
        own = {"vocabulary": list(self.words)} if self.learned else {}
        return {"tokens": self.tokens, "tokenizer": self.tokenizer} | own

    @cached_property
    def frame(self) -> tuple[int, int]:  # type: ignore[override]
        mask = self._engine.encode("a").special_tokens_mask
        inner = mask.index(0) if 0 in mask else len(mask)
        return inner, mask[::-1].index(0) if 0 in mask else 0

    @property
    def unknown(self) -> int:
        """Returns the number that the tokenizer itself gives an unknown piece; 0 if there is none."""
        return self._numbers_of_network.get(self._unknown, 0)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(_bytes(word).decode("utf-8", "replace") for word in self.words) if self.learned else ()

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(sum(byte & 0xC0 != 0x80 for byte in _bytes(word)) for word in self.words)

    def split_texts(self, texts: Sequence[str]) -> list[list[str]]:
        return [encoding.tokens for encoding in self._engine.encode_batch(list(texts))]

    def locate(self, text: str) -> tuple[list[str], list[int]]:
        encoding = self._engine.encode(text, add_special_tokens=False)
        return encoding.tokens, [start for start, _ in encoding.offsets]

    def spell(self, numbers: Iterable[int]) -> str:
        """Returns the text of learned pieces; an end is a blank line, and bytes that are no character U+FFFD."""
        parts, special = bytearray(), ("", "\ufffd", "\n\n")
        for number in numbers:
            parts += special[number].encode() if number < len(SPECIAL) else _bytes(self.entries[number])
        return parts.decode("utf-8", "replace")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        numbers = {token: number for number, token in enumerate(self.entries)}
        return numbers | ({self._unknown: UNKNOWN} if self._unknown else {})

    @cached_property
    def _engine(self) -> Tokenizer:
        return _read(self.tokenizer, "bpe" if self.learned else "encoder")

    @cached_property
    def _numbers_of_network(self) -> dict[str, int]:
        return self._engine.get_vocab(with_added_tokens=True)

    @cached_property
    def _unknown(self) -> str:
        """Returns the piece that stands for what the tokenizer does not know; empty without one."""
        model = json.loads(self.tokenizer)["model"]
        if isinstance(number := model.get("unk_id"), int):  # Unigram
            return str(self.entries[number + len(SPECIAL)])
        return str(model.get("unk_token") or "")


def learn_pieces(texts: Sequence[str], *, size: int, least: int, keeps_case: bool) -> Subwords:
    """Returns byte pairs, merged in the order of their frequency in the training texts (Sennrich et al., 2016).

    Every text can be written with them, since each byte is a piece.

    Args:
        texts: the training texts.
        size: the largest number of pieces, at least the 256 bytes.
        least: how often a pair must occur to be merged.
        keeps_case: whether the pieces spell the texts exactly; else these are read in lower case and NFKC form.

    Raises:
        DataError: the package `tokenizers` is missing.
    """
    require("tokenizers", "bpe", PURPOSE, DataError, where="data.tokens")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    engine = Tokenizer(models.BPE())
    if not keeps_case:
        engine.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=not keeps_case)
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, len(BYTES)),
        min_frequency=least,
        initial_alphabet=sorted(BYTES),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    counts: Counter[str] = Counter(dict.fromkeys(engine.get_vocab(), 0))
    for encoding in engine.encode_batch(list(texts), add_special_tokens=False):
        counts.update(encoding.tokens)
    ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
    return Subwords("piece", (*SPECIAL, *ranked), engine.to_str())


def _read(tokenizer: str, extra: str) -> Tokenizer:
    """Returns a tokenizer that neither cuts nor pads; `extra` installs the package that reads it.

    Raises:
        DataError: this is none, or the package is missing.
    """
    require("tokenizers", extra, PURPOSE, DataError)
    from tokenizers import Tokenizer

    try:
        engine = Tokenizer.from_str(tokenizer)
    except Exception as error:  # the package raises this class itself
        reason = " ".join(str(error).split())
        raise DataError(f"the tokenizer cannot be read: {reason}", where="data.tokenizer") from None
    engine.no_truncation()
    engine.no_padding()
    return engine


def _bytes(piece: str) -> bytes:
    return bytes(BYTES[character] for character in piece)

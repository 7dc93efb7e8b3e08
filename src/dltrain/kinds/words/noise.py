"""Noise words: random words that the true word of a sample is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dltrain.data.seeding import seeded
from dltrain.data.tokens import PADDING, SPECIAL
from dltrain.kinds.words.encoder import WordsEncoder

POWER = 0.75  # of a word's frequency (Mikolov et al., 2013)


@dataclass(frozen=True)
class NoiseWords:
    """Draws noise words for each word: neighbours `(B, C)` and words `(B,)` become neighbours and `(B, 1 + count)`, the
    true word first; a noise word that equals it is padding.

    Args:
        count: the number of noise words for each word.
        frequencies: how often each word, without the special ones, occurs in the training text.
    """

    count: int
    frequencies: tuple[int, ...]

    @classmethod
    def of(cls, encoder: WordsEncoder) -> NoiseWords:
        """Returns the noise words of an encoder's training text."""
        return cls(encoder.negatives, encoder.counts)

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]:
        around, word = inputs
        draws = torch.rand(len(word), self.count, generator=seeded(seed, epoch, batch))
        noise = torch.searchsorted(self._shares, draws).clamp(max=len(self.frequencies) - 1) + len(SPECIAL)
        noise = noise.to(word.device)
        return around, torch.cat([word[:, None], noise.masked_fill(noise == word[:, None], PADDING)], dim=1)

    @cached_property
    def _shares(self) -> Tensor:
        weights = torch.tensor(self.frequencies, dtype=torch.float64) ** POWER
        return (weights.cumsum(0) / weights.sum()).float()

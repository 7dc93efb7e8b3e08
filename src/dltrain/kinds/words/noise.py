"""Noise words: random words that the true word of a sample is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dltrain.data.seeding import seeded
from dltrain.data.stored import to_device
from dltrain.data.tokens import SPECIAL
from dltrain.kinds.words.encoder import WordsEncoder

SHARED = 64  # noise words of a batch
POWER = 0.75  # of a word's frequency (Mikolov et al., 2013)


@dataclass(frozen=True)
class NoiseWords:
    """Draws noise words for a batch: neighbours `(B, C)` and words `(B,)` become neighbours and `(B, 1 + count)`, each
    word followed by the noise words, which are the same for all.

    So the scores of noise words are one product of matrices; to gather five for each word took twice the time.

    Args:
        count: the number of noise words of a batch.
        frequencies: how often each word, without the special ones, occurs in the training text.
        varies: whether every batch has noise words of its own.
    """

    count: int
    frequencies: tuple[int, ...]
    varies: bool = True

    @classmethod
    def of(cls, encoder: WordsEncoder) -> NoiseWords:
        """Returns the noise words of an encoder's training text."""
        return cls(SHARED, encoder.counts)

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]:
        around, word = inputs
        draws = torch.rand(self.count, generator=seeded(seed, epoch, batch if self.varies else 0))
        noise = torch.searchsorted(self._shares, draws).clamp(max=len(self.frequencies) - 1) + len(SPECIAL)
        shared = to_device(noise, word.device).expand(len(word), -1)
        return around, torch.cat([word[:, None], shared], dim=1)

    @cached_property
    def _shares(self) -> Tensor:
        weights = torch.tensor(self.frequencies, dtype=torch.float64) ** POWER
        return (weights.cumsum(0) / weights.sum()).float()

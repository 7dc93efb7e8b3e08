"""Random changes of training texts: tokens are hidden, deleted or swapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dltrain.data.seeding import seeded
from dltrain.data.stored import to_device
from dltrain.data.tokens import PADDING, UNKNOWN
from dltrain.kinds.augmentation import Augmentation
from dltrain.types import Range

Share = Annotated[float, Range(0, 0.9)]

DRAWS = 3  # random numbers per token; each change has its own


@dataclass(frozen=True)
class AugmentText(Augmentation):
    """Changes the training texts at random; labels stay.

    The random numbers depend on seed, epoch and batch alone and are drawn on the CPU.

    Args:
        dropout: probability that a token becomes the unknown token.
        deletion: probability that a token is deleted; one always stays.
        swap: probability that a token changes places with its right neighbour.
    """

    takes: ClassVar[tuple[str, ...]] = ("text",)

    dropout: Share = 0.1
    deletion: Share = 0.0
    swap: Share = 0.0

    def __bool__(self) -> bool:
        return bool(self.dropout or self.deletion or self.swap)

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int) -> tuple[Tensor, ...]:
        """Returns changed tokens `(B, T)` and lengths `(B,)`, and other inputs as they are."""
        tokens, lengths, *others = inputs
        draws = torch.rand(*tokens.shape, DRAWS, generator=seeded(seed, epoch, batch))
        draws = to_device(draws, tokens.device)
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        if self.swap:
            tokens = self._swap(tokens, lengths, steps, draws[:, :, 2])
        if self.dropout:
            hit = (draws[:, :, 0] < self.dropout) & (tokens != PADDING)
            tokens = tokens.masked_fill(hit, UNKNOWN)
        if self.deletion:
            tokens, lengths = self._delete(tokens, lengths, steps, draws[:, :, 1])
        return tokens, lengths, *others

    def _swap(self, tokens: Tensor, lengths: Tensor, steps: Tensor, draws: Tensor) -> Tensor:
        """Returns tokens with pairs of neighbours swapped.

        Pairs begin at even or at odd positions, drawn for each text, so that no token is in two of them.
        """
        offset = (draws[:, :1] * 1e4).long() % 2
        position = steps - offset  # (B, T)
        first = position - position % 2 + offset  # where a token's pair begins
        chosen = draws.gather(1, first.clamp(min=0)) < self.swap
        partner = torch.where(position % 2 == 0, steps + 1, steps - 1)
        inside = (first >= 0) & (first + 1 < lengths[:, None])
        return tokens.gather(1, torch.where(chosen & inside, partner, steps.expand_as(partner)))

    def _delete(self, tokens: Tensor, lengths: Tensor, steps: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Returns tokens and lengths after deletions; in every text at least the token with the largest draw stays."""
        real = steps < lengths[:, None]
        luckiest = draws.masked_fill(~real, -1.0).argmax(dim=1, keepdim=True)
        stays = (((draws >= self.deletion) & real) | (steps == luckiest)).to(torch.uint8)
        order = stays.argsort(dim=1, descending=True, stable=True)  # what stays, in its order, then the rest
        counts = stays.sum(dim=1)
        remaining = tokens.gather(1, order).masked_fill(steps >= counts[:, None], PADDING)
        return remaining, counts.to(lengths.dtype)

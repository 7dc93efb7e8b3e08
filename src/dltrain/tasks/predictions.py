"""What a model predicts of some samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Predictions:
    """What a model predicts of some samples, on the CPU.

    Args:
        values: `(N,)` int64 class indices, or `(N, K)` numbers in the targets' own unit, or `(N, K)` int64 0 and 1, or
            `(N, T)` int64 tokens.
        probabilities: `(N, K)` of each class or label, or `None` where there are none.
        losses: `(N, T)` of each position that an output is for, in nats, where the targets were known.
        ranks: `(N,)` where the true item stands among those that were put in order, the best at 1; else `None`.
    """

    values: Tensor
    probabilities: Tensor | None = None
    losses: Tensor | None = None
    ranks: Tensor | None = None

    def of(self, chosen: Tensor) -> Predictions:
        """Returns those of some of the samples, `(n,)` indices, without their probabilities."""
        losses, ranks = (None if part is None else part[chosen] for part in (self.losses, self.ranks))
        return Predictions(self.values[chosen], None, losses, ranks)


def join(parts: Sequence[Predictions]) -> Predictions:
    """Returns the predictions of several batches as one."""

    def joined(name: str) -> Tensor | None:
        found = [tensor for part in parts if (tensor := getattr(part, name)) is not None]
        return torch.cat(found) if found else None

    return Predictions(
        torch.cat([part.values for part in parts]), joined("probabilities"), joined("losses"), joined("ranks")
    )

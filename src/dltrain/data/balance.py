"""Classes of unlike sizes: an epoch that shows each of them equally often."""

from __future__ import annotations

import torch
from torch import Tensor

from dltrain.data.seeding import seeded


def balanced_order(target: Tensor, seed: int, epoch: int) -> Tensor:
    """As many samples as there are, `(N,)`, drawn so that every class is seen equally often.

    A sample of a class with too few is repeated, one of a class with too many is left out of some epochs: each comes
    up its expected number of times, rounded up or down at random (systematic sampling).

    Args:
        target: `(N,)` class indices, on the CPU.
        seed: with the epoch, decides what is drawn, and in which order.
        epoch: counted from 0.
    """
    count, generator = len(target), seeded(seed, epoch)
    order = torch.randperm(count, generator=generator)
    order = order[target[order].argsort(stable=True)]
    ends = (1 / target.bincount().double())[target[order]].cumsum(0)
    points = (torch.arange(count) + torch.rand((), generator=generator, dtype=torch.float64)) * (ends[-1] / count)
    drawn = order[torch.searchsorted(ends, points, right=True).clamp(max=count - 1)]
    return drawn[torch.randperm(count, generator=generator)]

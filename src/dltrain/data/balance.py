"""Draws an epoch that shows every class equally often, for classes of different sizes."""

from __future__ import annotations

import torch
from torch import Tensor

from dltrain.data.seeding import seeded


def balanced_order(target: Tensor, seed: int, epoch: int) -> Tensor:
    """Returns the indices of as many samples as there are, `(N,)`, in which every class occurs equally often.

    Samples of small classes are repeated, those of large classes left out of some epochs: each occurs its expected
    number of times, rounded up or down at random (systematic sampling).

    Args:
        target: `(N,)` class indices, on the CPU.
        seed: decides, with the epoch, what is drawn and in which order.
        epoch: counted from 0.
    """
    count, generator = len(target), seeded(seed, epoch)
    order = torch.randperm(count, generator=generator)
    order = order[target[order].argsort(stable=True)]
    ends = (1 / target.bincount().double())[target[order]].cumsum(0)
    points = (torch.arange(count) + torch.rand((), generator=generator, dtype=torch.float64)) * (ends[-1] / count)
    drawn = order[torch.searchsorted(ends, points, right=True).clamp(max=count - 1)]
    return drawn[torch.randperm(count, generator=generator)]

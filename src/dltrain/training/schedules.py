"""Learning-rate schedules that a config can name, made from torch's own schedulers.

A schedule is called as `schedule(optimizer, total_steps, steps_per_epoch, **config)`. The scheduler that it returns is
stepped after every optimizer step; that of `plateau` is stepped after every epoch, with the monitored value.
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from dltrain.types import Range

Fraction = Annotated[float, Range(0, 1)]


def constant(optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> LRScheduler | None:
    """Returns `None`: the learning rate stays as it is."""
    return None


def step(
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    every: Annotated[int, Range(1)] = 10,
    gamma: Annotated[float, Range(0, 1, open_low=True)] = 0.1,
) -> LRScheduler:
    """Multiplies the learning rate by `gamma` every `every` epochs."""
    return StepLR(optimizer, step_size=every * steps_per_epoch, gamma=gamma)


def cosine(
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    warmup: Fraction = 0.05,
    final: Fraction = 0.0,
) -> LRScheduler:
    """Rises linearly over the share `warmup` of all steps, then falls along half a cosine to `final` of the rate."""
    warmup_steps = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    warmup: Fraction = 0.2,
    start: Annotated[float, Range(1)] = 25.0,
    end: Annotated[float, Range(1)] = 10000.0,
) -> LRScheduler:
    """Rises from lr/`start` to `optimizer.lr`, then falls to lr/`start`/`end`, by torch's `OneCycleLR`.

    Momentum stays as it is.
    """
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=max(2, total_steps),
        # Where the rise or the fall has no steps, OneCycleLR divides by zero.
        pct_start=min(max(warmup, (1 + 1e-6) / max(2, total_steps)), 1 - 1e-6),
        div_factor=start,
        final_div_factor=end,
        cycle_momentum=False,
    )


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    patience: Annotated[int, Range(0)] = 5,
    factor: Annotated[float, Range(0, 0.99, open_low=True)] = 0.5,
    threshold: Annotated[float, Range(0)] = 1e-4,
) -> ReduceLROnPlateau:
    """Multiplies the learning rate by `factor` once the monitored value has not improved by `threshold` for `patience`
    epochs."""
    return ReduceLROnPlateau(optimizer, patience=patience, factor=factor, threshold=threshold, threshold_mode="abs")


def advance(scheduler: LRScheduler, steps: int) -> None:
    """Takes that many steps of a new schedule at once."""
    with warnings.catch_warnings():
        # torch misses the optimizer's steps, which an earlier process took.
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before")
        for _ in range(steps):
            scheduler.step()

"""Averages of a model's weights over the steps of its training, evaluated and stored instead of the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dltrain.training.settings import TrainerSettings

Tensors = tuple[Tensor, ...] | list[Tensor]
Share = Callable[[Tensor | int], Tensor]  # by the number of averaged steps, how far the average moves to the weights


class Average(AveragedModel):
    """An average of a model's weights and buffers, such as running means.

    Args:
        model: whose weights are averaged.
        share: how far the average moves to the weights of the next step, by the number of steps averaged so far.
        start: steps before which the average is the weights themselves.
    """

    def __init__(self, model: nn.Module, share: Share, start: int = 0) -> None:
        def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
            moves = share(count)
            for mean, value in zip(averaged, current, strict=True):
                if mean.is_floating_point():
                    moved = mean.lerp(value, moves.to(mean.dtype))
                    mean.copy_(torch.where(mean == value, value, moved))  # infinite bounds would become no number
                else:
                    mean.copy_(value)

        super().__init__(model, multi_avg_fn=update, use_buffers=True)
        self.start = start

    def after_step(self, model: nn.Module, step: int) -> None:
        """Takes in the model's weights after a step, counted from 1."""
        if step <= self.start + 1:
            self.n_averaged.zero_()  # so that the weights are copied
        self.update_parameters(model)


def average_of(model: nn.Module, settings: TrainerSettings, steps: int) -> Average | None:
    """Returns the average that the settings ask for, if any, in a training of so many steps."""
    if settings.ema is not None:
        return moving_average(model, settings.ema)
    return None if settings.swa is None else tail_average(model, first_averaged(settings.swa, steps) - 1)


def moving_average(model: nn.Module, decay: float) -> Average:
    """Returns an exponential moving average, which is faster in its first steps."""
    return Average(model, lambda count: 1 - torch.as_tensor((1 + count) / (10 + count)).clamp(max=decay))


def tail_average(model: nn.Module, start: int) -> Average:
    """Returns the mean over all steps after the first `start`: stochastic weight averaging (Izmailov et al., 2018)."""
    return Average(model, lambda count: torch.as_tensor(1 / (1 + count)), start)


def first_averaged(share: float, steps: int) -> int:
    """Returns the first step, counted from 1, of the last `share` of all steps."""
    return min(steps, steps - round(share * steps) + 1)

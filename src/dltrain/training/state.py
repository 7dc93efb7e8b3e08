"""What changes while a model trains, in one place: everything that a checkpoint must hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from dltrain.metrics import Better

Tensors = tuple[Tensor, ...] | list[Tensor]


@dataclass
class TrainState:
    """A model in training.

    Args:
        model: on its device.
        optimizer: of the model's parameters.
        scheduler: stepped after every optimizer step, a plateau schedule after every epoch; `None` for a constant rate.
        scaler: of the loss in float16; does nothing where it is disabled.
        average: of the model's weights over the steps; `None` where none is kept.
        epoch: epochs finished.
        step: optimizer steps taken.
        samples: seen in these steps.
        best: best monitored value so far.
        best_epoch: the epoch whose weights are kept, counted from 1: the one it belongs to, or the last; 0 for none.
        stale: epochs since the best value.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | ReduceLROnPlateau | None
    scaler: torch.amp.GradScaler
    average: AveragedModel | None = None
    epoch: int = 0
    step: int = 0
    samples: int = 0
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0

    @property
    def judged(self) -> nn.Module:
        """The model that is evaluated and kept: the average where there is one."""
        return self.model if self.average is None else self.average.module

    def judge(self, value: float, better: Better, min_delta: float, keep_last: bool = False) -> None:
        """Counts this epoch as the best so far, or as one more without improvement, such as any that is not finite.

        Its weights are kept where it is the best, or with `keep_last` whatever it is.
        """
        sign = 1 if better == "max" else -1
        improved = math.isfinite(value) and (self.best is None or sign * (value - self.best) > min_delta)
        if improved:
            self.best, self.stale = value, 0
        else:
            self.stale += 1
        if improved or keep_last:
            self.best_epoch = self.epoch

    @property
    def improved(self) -> bool:
        """Whether the weights of the epoch just finished are to be kept."""
        return self.best_epoch == self.epoch > 0

    def state_dict(self) -> dict[str, Any]:
        """Everything but the weights of the judged model, as tensors and primitives."""
        return {
            "model": None if self.average is None else self.model.state_dict(),
            "averaged": None if self.average is None else int(self.average.n_averaged),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "samples": self.samples,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stale": self.stale,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` returned; the judged model's weights are loaded apart."""
        if self.average is not None:
            self.model.load_state_dict(state["model"])
            self.average.n_averaged.fill_(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step, self.samples = state["epoch"], state["step"], state["samples"]
        self.best, self.best_epoch, self.stale = state["best"], state["best_epoch"], state["stale"]


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a model's weights and buffers, which follows faster in its first steps."""

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        share = 1 - torch.as_tensor((1 + count) / (10 + count)).clamp(max=decay)
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share.to(mean.dtype))
            else:
                mean.copy_(value)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)

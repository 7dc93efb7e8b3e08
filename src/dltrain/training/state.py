"""What changes while a model trains, in one place: everything that a checkpoint must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dltrain.metrics import Better


@dataclass
class TrainState:
    """A model in training.

    Args:
        model: on its device.
        optimizer: of the model's parameters.
        scheduler: stepped after every optimizer step, a plateau schedule after every epoch; `None` for a constant rate.
        scaler: of the loss in float16; does nothing where it is disabled.
        epoch: epochs finished.
        step: optimizer steps taken.
        best: best monitored value so far.
        best_epoch: the epoch whose weights are kept, counted from 1: the one it belongs to, or the last; 0 for none.
        stale: epochs since the best value.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | ReduceLROnPlateau | None
    scaler: torch.amp.GradScaler
    epoch: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0

    def judge(self, value: float, better: Better, min_delta: float, keep_last: bool = False) -> None:
        """Counts this epoch as the best so far, or as one more without improvement; NaN never improves.

        Its weights are kept where it is the best, or with `keep_last` whatever it is.
        """
        sign = 1 if better == "max" else -1
        improved = value == value and (self.best is None or sign * (value - self.best) > min_delta)
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
        """Everything but the model's weights, as tensors and primitives."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stale": self.stale,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` returned; the model's weights are loaded apart."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.best, self.best_epoch, self.stale = state["best"], state["best_epoch"], state["stale"]

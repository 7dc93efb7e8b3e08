"""How to train: the trainer's settings, and the device and threads that they ask for."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch

from dltrain.errors import ConfigError
from dltrain.tasks.precision import Precision
from dltrain.training.budget import Budget
from dltrain.types import Range


@dataclass(frozen=True)
class TrainerSettings:
    """The trainer's settings.

    Args:
        epochs: passes over the training split; none for as many as show 180,000 samples, at least 6 and at most 60;
            60,000 texts, at least 4; 19,000 windows of a corpus, at least 1; or 1,000 batches of a series, 8 to 200.
        batch_size: samples a step; `full` for the whole split, `auto` for the most that the memory holds, none for 32
            below 1,000 samples, 64 below 5,000, then 256, or 128 pictures or windows of a series, or 512 ratings; of
            texts 32 below 2,000, then 64.
        balance: `resample` shows every class equally often, `none` every sample once; for classification.
        accumulate: batches whose gradients are summed into one step.
        clip_norm: largest norm of all gradients together; none for no limit.
        l1: weight of the sum of absolute weights in the objective; biases and norms are left out.
        l2: weight of the sum of squared weights, likewise.
        monitor: what decides which epoch is best, `split/metric`; without a validation split, `train/loss`.
        keep: which epoch's weights the result is measured with and `checkpoints/best` holds: the best by `monitor`, or
            the last. The last suits a rate that falls to nothing: earlier epochs are noisier, and the validation
            split that would choose among them is smaller than their differences.
        patience: epochs without improvement before training stops; none for no early stop.
        min_delta: smallest change that counts as an improvement.
        save_epochs: after how many epochs a checkpoint is written, whatever the time; none to go by the time alone.
        save_minutes: between two checkpoints, in the middle of an epoch too; none for as often as it costs a twentieth
            of the time at most.
        on_divergence: what follows a loss that is no finite number: `stop`, or `rollback` to the last checkpoint, with
            half the learning rate.
        max_rollbacks: how often, before it stops after all.
        max_minutes: after which training ends, in the middle of an epoch too; none for no limit.
        ema: decay of an exponential moving average of the weights, which is then what is evaluated and kept;
            none for no average.
        device: `auto` is cuda where there is one, else cpu.
        threads: CPU threads; none to choose by the size of the work.
        precision: of the forward pass; weights stay float32.
        deterministic: whether to refuse operations that may differ from run to run.
        limit_batches: most batches of each split an epoch; none for all.
    """

    epochs: Annotated[int, Range(1)] | None = 50
    batch_size: Annotated[int, Range(1)] | Literal["full", "auto"] | None = None
    balance: Literal["none", "resample"] = "none"
    accumulate: Annotated[int, Range(1)] = 1
    clip_norm: Annotated[float, Range(0, open_low=True)] | None = None
    l1: Annotated[float, Range(0)] = 0.0
    l2: Annotated[float, Range(0)] = 0.0
    monitor: str = "val/loss"
    keep: Literal["best", "last"] = "best"
    patience: Annotated[int, Range(1)] | None = None
    min_delta: Annotated[float, Range(0)] = 0.0
    save_epochs: Annotated[int, Range(1)] | None = None
    save_minutes: Annotated[float, Range(0, open_low=True)] | None = None
    on_divergence: Literal["stop", "rollback"] = "stop"
    max_rollbacks: Annotated[int, Range(1)] = 3
    max_minutes: Annotated[float, Range(0, open_low=True)] | None = None
    ema: Annotated[float, Range(0, 0.99999)] | None = None
    device: str = "auto"
    threads: Annotated[int, Range(1)] | None = None
    precision: Precision = "float32"
    deterministic: bool = False
    limit_batches: Annotated[int, Range(1)] | None = None

    def settled(self, count: int, budget: Budget | None = None) -> TrainerSettings:
        """Returns the same settings with a number of epochs, for a training split of `count`."""
        if self.epochs is not None:
            return self
        budget = budget or Budget()
        return replace(self, epochs=budget.epochs(count, self.batch_size_for(count, budget)))

    @property
    def last_epoch(self) -> int:
        """The number of epochs, once it is settled."""
        assert self.epochs is not None
        return self.epochs

    def batch_size_for(self, count: int, budget: Budget) -> int:
        """Returns the samples a step for a training split of `count`."""
        if self.batch_size == "full":
            return count
        return self.batch_size if isinstance(self.batch_size, int) else budget.batch_size(count)


def choose_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if device.type not in available:
        raise ConfigError(
            f"{name!r} is no device",
            where="trainer.device",
            fix="one of auto, cpu, cuda, cuda:1, mps",
            override="trainer.device=auto",
        )
    if (device.index or 0) >= available[device.type]:
        here = [kind for kind, count in available.items() if count]
        raise ConfigError(
            f"there is no {name} here",
            where="trainer.device",
            fix=f"this machine has {', '.join(here)}",
            override="trainer.device=auto",
        )
    return device


def choose_threads(multiplications: int) -> int:
    """CPU threads for a step: a fixed function of the work and the cores, because sums differ in bits between counts.

    Below a few million multiplications a step, handing work to a second thread costs more than it saves.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if multiplications < 4_000_000 else cores

"""How to train: the trainer's settings, and the device, threads and precision that they ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch

from dltrain.errors import ConfigError
from dltrain.types import Kind, Range

Precision = Literal["float32", "bfloat16", "float16"]

SAMPLES_SEEN = 180_000
LARGE_BATCH: Mapping[Kind, int] = {"image": 128, "series": 128, "ratings": 512}  # from 5,000 samples on; else 256
SERIES_STEPS, SERIES_EPOCHS = 1000, (8, 200)  # optimizer steps, and the epochs that they may take
FEWEST_EPOCHS, MOST_EPOCHS = 6, 60


@dataclass(frozen=True)
class TrainerSettings:
    """The trainer's settings.

    Args:
        epochs: passes over the training split; none for as many as show 180,000 samples, at least 6 and at most 60; of
            windows of a series, as many as make 1,000 steps, at least 8 and at most 200.
        batch_size: samples a step; `full` for the whole split, none for 32 below 1,000 samples, 64 below 5,000, then
            256, or 128 pictures or windows, or 512 ratings.
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
    batch_size: Annotated[int, Range(1)] | Literal["full"] | None = None
    balance: Literal["none", "resample"] = "none"
    accumulate: Annotated[int, Range(1)] = 1
    clip_norm: Annotated[float, Range(0, open_low=True)] | None = None
    l1: Annotated[float, Range(0)] = 0.0
    l2: Annotated[float, Range(0)] = 0.0
    monitor: str = "val/loss"
    keep: Literal["best", "last"] = "best"
    patience: Annotated[int, Range(1)] | None = None
    min_delta: Annotated[float, Range(0)] = 0.0
    max_minutes: Annotated[float, Range(0, open_low=True)] | None = None
    ema: Annotated[float, Range(0, 0.99999)] | None = None
    device: str = "auto"
    threads: Annotated[int, Range(1)] | None = None
    precision: Precision = "float32"
    deterministic: bool = False
    limit_batches: Annotated[int, Range(1)] | None = None

    def settled(self, count: int, kind: Kind = "image") -> TrainerSettings:
        """The same settings with a number of epochs, for a training split of `count`."""
        if self.epochs is not None:
            return self
        if kind == "series":
            fewest, most = SERIES_EPOCHS
            steps = -(-count // self.batch_size_for(count, kind))
            return replace(self, epochs=min(most, max(fewest, SERIES_STEPS // steps)))
        return replace(self, epochs=min(MOST_EPOCHS, max(FEWEST_EPOCHS, SAMPLES_SEEN // count)))

    @property
    def last_epoch(self) -> int:
        """The number of epochs, once it is settled."""
        assert self.epochs is not None
        return self.epochs

    def batch_size_for(self, count: int, kind: Kind) -> int:
        """Samples a step for a training split of `count`."""
        if self.batch_size == "full":
            return count
        if self.batch_size is not None:
            return self.batch_size
        return 32 if count < 1000 else 64 if count < 5000 else LARGE_BATCH.get(kind, 256)


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


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context that a forward pass runs in."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))

"""The settings of the trainer, and the device and number of threads that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch

from dltrain.config.foreign_keys import translated
from dltrain.errors import ConfigError
from dltrain.tasks.precision import Precision
from dltrain.training.budget import Budget
from dltrain.types import Range
from dltrain.workers import count_cores

# Multiplications of a step's forward pass that each thread must have. Alone on two cores, a second thread makes steps
# of up to 50 million 1.0 to 1.4 times as fast, of 75 million or more 1.4 to 2 times (benchmarks/threads.py); beside
# other work it makes all of them slower, because the threads wait for each other in every layer.
WORTH_A_THREAD = 30_000_000


@dataclass(frozen=True)
class TrainerSettings:
    """The keys of `trainer` in a config.

    Args:
        epochs: passes over the training split; none to let the kind of data choose by the number of samples, as its
            `Budget` says: by default as many as show 180,000 samples, at least 6 and at most 60.
        batch_size: samples a step; `full` for the whole split, `auto` for as many as fit into memory, none to let the
            kind of data choose by the number of samples: by default 32 below 1,000, 64 below 5,000, else 256.
        balance: `resample` shows every class equally often, `none` every sample once; for classification.
        accumulate: batches whose gradients are summed into one step.
        clip_norm: largest norm of all gradients together; none for no limit.
        l1: weight of the sum of absolute weights in the objective; biases and norms are left out.
        l2: weight of the sum of squared weights, likewise.
        monitor: the metric that decides which epoch is best, `split/metric`; without a validation split, `train/loss`.
        keep: the epoch whose weights are evaluated and stored as `checkpoints/best`: the best by `monitor`, or the
            last. The last suits a learning rate that falls to zero: earlier epochs are noisier, and a small validation
            split cannot tell which of them is better.
        patience: epochs without improvement before training stops; none for no early stopping.
        min_delta: smallest change that counts as an improvement.
        save_epochs: epochs between two checkpoints, however long they take; none to go by time alone.
        save_minutes: minutes between two checkpoints, also within an epoch; none for as often as saving takes at most a
            twentieth of the time.
        on_divergence: what follows a loss that is not finite: `stop`, or `rollback` to the last checkpoint with half
            the learning rate.
        max_rollbacks: number of rollbacks after which training stops nevertheless.
        max_minutes: minutes after which training ends, also within an epoch; none for no limit.
        ema: decay of an exponential moving average of the weights, which is then evaluated and stored instead of the
            weights; none for no average.
        swa: share of all steps, the last ones, whose weights are averaged equally (stochastic weight averaging); their
            average is then evaluated and stored, until they begin the weights are. None for no average.
        device: `auto` is cuda if there is a GPU, else cpu.
        threads: CPU threads; none to choose by the size of a step.
        precision: of passes through the model; weights stay float32. `tf32` multiplies matrices of float32 with 10 bits
            of each number, on a GPU; in convolutions torch does so in float32 too. `auto` takes bfloat16, else tf32,
            where the device multiplies it faster, a step is large enough, and a batch has almost the same loss.
        compile: whether torch's compiler translates the passes of batches of the most usual shape, which takes about
            half a minute; the run says after how many steps that pays off. Where the shapes vary, nothing is compiled.
        cuda_graphs: whether the steps of a GPU are recorded once as CUDA graphs and then replayed, which spares small
            ones most of their time; where that is not possible, the run says why.
        deterministic: whether to refuse operations whose results may differ from run to run.
        limit_batches: most batches of each split an epoch; none for all.
        profile: whether to measure where the run's time goes, for its page.
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
    swa: Annotated[float, Range(0, 1, open_low=True)] | None = None
    device: str = "auto"
    threads: Annotated[int, Range(1)] | None = None
    precision: Precision = "float32"
    compile: bool = False
    cuda_graphs: bool = True
    deterministic: bool = False
    limit_batches: Annotated[int, Range(1)] | None = None
    profile: bool = False

    def settled(self, count: int, budget: Budget | None = None) -> TrainerSettings:
        """Returns the same settings with a number of epochs, for a training split of `count` samples."""
        if self.epochs is not None:
            return self
        budget = budget or Budget()
        return replace(self, epochs=budget.epochs(count, self.batch_size_for(count, budget)))

    @property
    def last_epoch(self) -> int:
        """Returns the number of epochs; only of settled settings."""
        assert self.epochs is not None
        return self.epochs

    def batch_size_for(self, count: int, budget: Budget) -> int:
        """Returns the number of samples a step, for a training split of `count` samples."""
        if self.batch_size == "full":
            return count
        return self.batch_size if isinstance(self.batch_size, int) else budget.batch_size(count)


def choose_device(name: str) -> torch.device:
    """Returns the device of that name; for `auto` the GPU if there is one.

    Raises:
        ConfigError: there is no such device on this machine.
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
        meant = translated("", "trainer.device", name)
        raise ConfigError(
            f"{name!r} is not a device",
            where="trainer.device",
            fix="use auto, cpu, cuda, cuda:1 or mps",
            override=f"trainer.device={meant}" if meant else "",
        )
    if (device.index or 0) >= available[device.type]:
        here = [kind for kind, count in available.items() if count]
        raise ConfigError(
            f"this machine has no device {name}",
            where="trainer.device",
            fix=f"use one that it has: {', '.join(here)}",
            override="trainer.device=auto",
        )
    return device


def choose_threads(multiplications: int) -> int:
    """Returns the number of CPU threads for a step with so many multiplications in its forward pass.

    It depends on the work and the number of cores alone, because floating-point sums differ between numbers of threads.
    """
    return max(1, min(count_cores(), multiplications // WORTH_A_THREAD))

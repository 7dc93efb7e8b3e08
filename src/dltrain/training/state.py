"""What changes while a model trains, in one place: everything that a checkpoint must hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dltrain.tasks.metric_table import Better
from dltrain.training.averaging import Average
from dltrain.training.checkpoint import under_present_names
from dltrain.training.random_state import restore_random_state, save_random_state
from dltrain.training.schedules import advance

MOST_TENSORS = 1000  # of one number each
RATES = ("lr", "initial_lr", "max_lr", "min_lr")  # what torch's schedules keep in a parameter group


@dataclass(frozen=True)
class Plan:
    """The settings of optimizer and schedule; if a resumed run has others, both are built again from them.

    Args:
        optimizer: its config, as JSON.
        scheduler: its config, as JSON.
        epochs: in all.
        steps_per_epoch: optimizer steps.
        batch_size: samples a batch.
    """

    optimizer: str = ""
    scheduler: str = ""
    epochs: int = 0
    steps_per_epoch: int = 0
    batch_size: int = 0


@dataclass
class Running:
    """Sums over the steps of an epoch under way.

    Losses of a GPU stay there until the sums are read: only then does anybody wait for it.

    Args:
        loss: of the samples of all steps that have been read.
        weight: what this sum is to be divided by.
        batches: shown so far.
        lr: that the last step was taken with.
        rates: of every step since the sums were last read.
        sizes: the number of batches of each of these steps.
        losses: of these batches, means; tensors of a GPU, or of several models, in one tensor or several.
        weights: what each of these means was divided by, likewise.
        seconds: that all steps took.
    """

    loss: float = 0.0
    weight: float = 0.0
    batches: int = 0
    lr: float = 0.0
    rates: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    losses: list[Tensor | float] = field(default_factory=list)
    weights: list[Tensor | float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, loss: Tensor, weight: Tensor | float) -> None:
        """Adds the mean loss of a batch, and what it was divided by."""
        for numbers, number in ((self.losses, loss), (self.weights, weight)):
            numbers.append(read_from_cpu(number))
            if len(numbers) == MOST_TENSORS and isinstance(numbers[-1], Tensor):
                numbers[:] = [torch.hstack([*map(torch.as_tensor, numbers)])]

    def count(self, lr: float, batches: int) -> None:
        """Counts a step with that learning rate, on so many batches."""
        self.lr = lr
        self.rates.append(lr)
        self.sizes.append(batches)
        self.batches += batches

    def read(self, beside: Tensor | None = None) -> tuple[int | None, float | None]:
        """Adds the losses since the last time to the sums.

        They are added one after the other in float64, so that the sums are the same whenever they are read.

        Args:
            beside: one number more that is read from the GPU at the same time.

        Returns:
            The first of these steps that makes the sum of losses not finite, and the number beside.
        """
        losses = read_at_once(self.losses if beside is None else [*self.losses, beside])
        number = None if beside is None else losses.pop()
        batches = zip(losses, read_at_once(self.weights), strict=True)
        bad = None
        for step, size in enumerate(self.sizes):
            for loss, weight in islice(batches, size):
                self.loss += loss * weight
                self.weight += weight
            if bad is None and not math.isfinite(self.loss):
                bad = step
        for pending in (self.losses, self.weights, self.sizes):
            pending.clear()
        return bad, number

    def saved(self) -> dict[str, float]:
        """Returns the sums as primitives, once they have been read."""
        return {name: getattr(self, name) for name in ("loss", "weight", "batches", "lr", "seconds")}


@dataclass
class TrainState:
    """A model in training.

    Args:
        model: on its device.
        optimizer: of the model's parameters.
        scheduler: stepped after every optimizer step, a plateau schedule after every epoch; `None` for a constant rate.
        scaler: of the loss in float16; does nothing where it is disabled.
        average: of the model's weights over the steps; `None` where none is kept.
        plan: what optimizer and schedule were made from.
        epoch: epochs finished.
        step: optimizer steps taken.
        samples: seen in these steps.
        seconds: since training began, without those between a run's end and its being resumed.
        running: sums of the epoch under way; `None` between epochs.
        best: best monitored value so far.
        best_epoch: the epoch whose weights are kept, counted from 1: the one it belongs to, or the last; 0 for none.
        best_step: the step that this epoch ended with.
        stale: epochs since the best value.
        rollbacks: how often the learning rate was halved because training diverged.
        pause_at: when `fit` is to pause in the middle of an epoch, on the clock of `perf_counter`; belongs to no
            checkpoint.
        stop_requested: whether the process was asked to end: `fit` then pauses after every step; belongs to no
            checkpoint.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | ReduceLROnPlateau | None
    scaler: torch.amp.GradScaler
    average: Average | None = None
    plan: Plan = Plan()
    epoch: int = 0
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    running: Running | None = None
    best: float | None = None
    best_epoch: int = 0
    best_step: int = 0
    stale: int = 0
    rollbacks: int = 0
    pause_at: float = math.inf
    stop_requested: bool = False

    @cached_property
    def numbers(self) -> list[Tensor]:
        """Returns the tensors of all models that must hold finite numbers: parameters and running statistics.

        Other buffers may hold infinities on purpose, such as masks.
        """
        models = [self.model] if self.average is None else [self.model, self.judged]
        tensors = [tensor for model in models for tensor in (*model.parameters(), *_running_statistics(model))]
        return [tensor for tensor in tensors if tensor.is_floating_point() and tensor.numel()]

    @property
    def judged(self) -> nn.Module:
        """Returns the model that is evaluated and stored: the average where there is one."""
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
            self.best_epoch, self.best_step = self.epoch, self.step

    @property
    def improved(self) -> bool:
        """Tells whether the weights of the epoch just finished are to be stored."""
        return self.best_epoch == self.epoch > 0

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the weights of the judged model, as tensors and primitives."""
        return {
            "model": None if self.average is None else self.model.state_dict(),
            "averaged": None if self.average is None else int(self.average.n_averaged),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "plan": asdict(self.plan),
            "running": None if self.running is None else self.running.saved(),
            "random": save_random_state(self._device),
            "threads": torch.get_num_threads(),
            **{name: getattr(self, name) for name in _COUNTS},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` returned; the judged model's weights are loaded apart.

        Where the plan is another one, rates and other settings of the optimizer are those of the new plan, and its
        schedule stands where it would stand had it been followed from the beginning.
        """
        if self.average is not None:
            self.model.load_state_dict(under_present_names(state["model"], self.model.state_dict()))
            self.average.n_averaged.fill_(state["averaged"])
        before = Plan(**state["plan"])
        kept = ("params", "foreach", "fused")  # how steps are computed is part of the saved state
        planned = [{name: group[name] for name in group if name not in kept} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        for name in _COUNTS:
            setattr(self, name, state[name])
        # Which batches remain of an epoch is only known while they are made in the same way.
        same = (self.plan.batch_size, self.plan.steps_per_epoch) == (before.batch_size, before.steps_per_epoch)
        saved = state["running"] if same else None
        self.running = None if saved is None else Running(**saved)
        if self.plan == before:
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
        else:
            self._follow_plan(before, planned, state["scheduler"])
        restore_random_state(state["random"], self._device)
        torch.set_num_threads(state["threads"])

    def _follow_plan(self, before: Plan, planned: list[dict[str, Any]], schedule: Mapping[str, Any] | None) -> None:
        """Takes the optimizer's settings from the new plan, and puts its schedule to where training stands."""
        for group, settings in zip(self.optimizer.param_groups, planned, strict=True):
            group.update(settings)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            if self.plan.scheduler == before.scheduler and schedule is not None:
                self.scheduler.load_state_dict(dict(schedule))
        elif self.scheduler is not None:
            same = self.plan.steps_per_epoch == before.steps_per_epoch
            taken = self.step if same else self.epoch * self.plan.steps_per_epoch
            advance(self.scheduler, min(taken, self.plan.epochs * self.plan.steps_per_epoch))
        self.scale_rates(0.5**self.rollbacks)

    def scale_rates(self, factor: float) -> None:
        """Multiplies the learning rate by `factor`, now and wherever its schedule goes."""
        for group in self.optimizer.param_groups:
            group.update({name: group[name] * factor for name in RATES if name in group})
        if self.scheduler is not None and hasattr(self.scheduler, "base_lrs"):
            self.scheduler.base_lrs = [lr * factor for lr in self.scheduler.base_lrs]

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


_COUNTS = ("epoch", "step", "samples", "seconds", "best", "best_epoch", "best_step", "stale", "rollbacks")


def read_from_cpu(number: Tensor | float) -> Tensor | float:
    """Returns the number in a tensor that is one number of the CPU; another tensor without its graph."""
    if not isinstance(number, Tensor):
        return number
    return number.item() if number.dim() == 0 and number.device.type == "cpu" else number.detach()


def read_at_once(numbers: Sequence[Tensor | float]) -> list[float]:
    """Returns the numbers in tensors, which are all read from a GPU at once."""
    plain = [number for number in numbers if not isinstance(number, Tensor)]
    if len(plain) == len(numbers):
        return plain
    read: list[float] = torch.hstack([*map(torch.as_tensor, numbers)]).double().tolist()
    return read


def _running_statistics(model: nn.Module) -> Iterator[Tensor]:
    """Yields the running means and variances of a model's batch norms."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            yield from module.buffers()

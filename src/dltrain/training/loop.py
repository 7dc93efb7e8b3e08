"""The training loop and the evaluation loop: every model family goes through these two functions."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from time import perf_counter
from typing import Protocol, TypeVar
from weakref import proxy

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dltrain.models.names import picked_models
from dltrain.tasks.evaluation import evaluate
from dltrain.tasks.metric_table import Better
from dltrain.tasks.precision import Precision, autocast, backward_pass
from dltrain.tasks.task import Task
from dltrain.training.blending import Blending, choose_blend
from dltrain.training.cuda_graphs import GraphRecorder, Losses, RecordedUpdate
from dltrain.training.device_rates import DeviceRates, basis_of, changed_by, why_not_recorded
from dltrain.training.divergence import check_finite
from dltrain.training.gradients import clip_norm, forget_gradients
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import Running, TrainState
from dltrain.types import Batch, Loader, Unfreezing

log = logging.getLogger("dltrain")

Row = dict[str, float]
Outcome = TypeVar("Outcome", covariant=True)


@dataclass(frozen=True)
class Pause:
    """A moment in the middle of an epoch at which the state may be saved.

    Args:
        step: optimizer steps taken so far.
    """

    step: int


class ValidationLeft(Exception):
    """A validation was left, because the training is asked to stop."""


def fit(
    state: TrainState, task: Task, train: Loader, val: Loader | None, settings: TrainerSettings
) -> Iterator[Row | Pause]:
    """Trains until all epochs are finished, `settings.max_minutes` are over, or the caller stops asking.

    Whenever it yields, the state is finite and may be saved; training goes on from it, bit for bit.

    Yields:
        After every epoch its row: `epoch`, `step`, `seconds` since the first epoch began, `lr`, `train/loss`, the
        validation split's metrics as `val/...`, and `train_seconds`, the time that this epoch's steps took.
        In the middle of an epoch a `Pause`, once the time `state.pause_at` has come, and after every step while
        `state.stop_requested`; then also in the middle of a validation, which begins again afterwards.

    Raises:
        Diverged: the training loss or a weight is no finite number.
    """
    return train_epochs(Learner(state, task, val, settings), train, settings)


def train_epochs(learner: Learning[Outcome], train: Loader, settings: TrainerSettings) -> Iterator[Outcome | Pause]:
    """Trains what learns, one model or several at once, as `fit` says; yields its result after every epoch."""
    state = learner.state
    started = perf_counter() - state.seconds
    deadline = math.inf if settings.max_minutes is None else started + 60 * settings.max_minutes

    while state.epoch < settings.last_epoch and (perf_counter() < deadline or state.epoch == 0):
        began = perf_counter()
        state.running = running = state.running or Running()
        train.set_epoch(state.epoch, running.batches)
        learner.begin_epoch()

        for micro_batches in grouped(train, settings.accumulate):
            learner.take_step(micro_batches)
            if (now := perf_counter()) >= deadline:
                break
            if (state.stop_requested or now >= state.pause_at) and running.batches < len(train):
                state.seconds = now - started
                learner.settle(began)
                yield Pause(state.step)
                began = perf_counter()

        learner.settle(began)  # the one synchronisation of an epoch's steps
        yield from learner.end_epoch(started)


class Learning(Protocol[Outcome]):
    """What `train_epochs` trains."""

    @property
    def state(self) -> TrainState:
        """Returns the state, whose epoch, step and running sums are those of the training."""
        ...

    def begin_epoch(self) -> None:
        """Prepares the model for the steps of an epoch."""
        ...

    def take_step(self, micro_batches: tuple[Batch, ...]) -> None:
        """Takes one step of the optimizer on a group of batches."""
        ...

    def settle(self, began: float) -> None:
        """Reads the sums of the steps since `began`, on the clock of `perf_counter`, and checks that all is finite."""
        ...

    def end_epoch(self, started: float) -> Iterator[Outcome | Pause]:
        """Validates and yields the epoch's result; `started` is when the first epoch began."""
        ...


@dataclass(frozen=True)
class Learner:
    """One model, and what it learns.

    Args:
        state: the model in training.
        task: the task.
        val: the batches of the validation split; `None` without one.
        settings: the trainer's.
    """

    state: TrainState
    task: Task
    val: Loader | None
    settings: TrainerSettings

    @cached_property
    def modules(self) -> list[nn.Module]:
        """Returns the model and all of its parts."""
        return list(self.state.model.modules())

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """Returns the parameters of the model."""
        return list(self.state.model.parameters())

    @cached_property
    def unfreezing(self) -> list[Unfreezing]:
        """Returns the models within the model that freeze other parameters in some epochs."""
        return [picked for picked in picked_models(self.state.model) if isinstance(picked, Unfreezing)]

    @cached_property
    def better(self) -> Better:
        """Returns whether smaller or larger values of what is monitored are better."""
        return self.task.describe_metric(self.settings.monitor).better

    def begin_epoch(self) -> None:
        """Puts the model into training mode, with those parameters frozen that are in this epoch."""
        for picked in self.unfreezing:
            picked.freeze_for(self.state.epoch)
        if self.unfreezing or not all(module.training for module in self.modules):
            self.state.model.train()
        if self.recorded is not None:
            self.recorded.check_attributes()

    def take_step(self, micro_batches: tuple[Batch, ...]) -> None:
        """Takes one step of the optimizer and its schedule on a group of batches."""
        state, running = self.state, self.state.running
        optimizer, scheduler = state.optimizer, state.scheduler
        assert running is not None
        losses = self.update(micro_batches) if self.recorded is None else self.recorded(micro_batches)
        for loss, weight in zip(*losses, strict=True):
            running.add(loss, weight)
        running.count(optimizer.param_groups[0]["lr"], len(micro_batches))
        if scheduler is not None and not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()
        state.step += 1
        if state.average is not None:
            state.average.after_step(state.model, state.step)
        state.samples += sum(len(batch.target) for batch in micro_batches)

    @cached_property
    def recorded(self) -> RecordedUpdate | None:
        """Returns what records the steps of a GPU; `None` on another device, or where they cannot be recorded."""
        optimizer, device = self.state.optimizer, self.parameters[0].device
        if device.type != "cuda" or not self.settings.cuda_graphs:
            return None
        others = {
            "trainer.profile measures parts of each": self.settings.profile,
            "trainer.compile compiles them": self.settings.compile,
            "float16 scales the loss anew in each": self.state.scaler.is_enabled(),
            "parameters are unfrozen on the way": bool(self.unfreezing),
        }
        reason = next((words for words, holds in others.items() if holds), "") or why_not_recorded(optimizer)
        if reason:
            log.info("steps   are not recorded as CUDA graphs: %s", reason)
            return None
        rates, model = DeviceRates(optimizer, device), self.state.model
        learner = proxy(self)  # which would be kept with all its memory by what it keeps
        return RecordedUpdate(
            lambda batches: learner.update(batches, rates),
            (model, self.task.loss),
            changed=lambda: changed_by(model, optimizer),
            forget=lambda: forget_gradients(optimizer),
            basis=lambda: basis_of(optimizer),
            prepare=rates.follow,
            record=GraphRecorder(device),
        )

    def update(self, micro_batches: tuple[Batch, ...], rates: DeviceRates | None = None) -> Losses:
        """Changes the weights by a group of batches, with learning rates on the GPU if they are given."""
        model, optimizer, scaler = self.state.model, self.state.optimizer, self.state.scaler
        task, settings = self.task, self.settings
        weights = [task.loss.weight(*batch.weighted_target) for batch in micro_batches]
        group_weight = sum(weights)
        means = []
        for batch, weight in zip(micro_batches, weights, strict=True):
            with autocast(settings.precision, batch.target.device):
                loss = loss_of(model, task, batch)
            means.append(loss.detach())
            # The gradient of a group of batches is that of one batch holding all their samples.
            with backward_pass(settings.precision):
                scaler.scale(loss if len(weights) == 1 else loss * (weight / group_weight)).backward()
        if settings.l1 or settings.l2:
            scaler.scale(penalty(self.parameters, settings.l1, settings.l2)).backward()
        if settings.clip_norm is not None:
            scaler.unscale_(optimizer)
            clip_norm(self.parameters, settings.clip_norm)
        with nullcontext() if rates is None else rates.in_place():
            scaler.step(optimizer)
        scaler.update()
        forget_gradients(optimizer)
        return Losses(means, weights)

    def settle(self, began: float) -> None:
        """Reads the sums of the steps.

        Raises:
            Diverged: the training loss or a weight is no finite number.
        """
        check_finite(self.state, self.settings.accumulate)
        assert self.state.running is not None
        self.state.running.seconds += perf_counter() - began

    def end_epoch(self, started: float) -> Iterator[Row | Pause]:
        """Validates, judges the epoch and yields its row; before that a `Pause` if training is to stop meanwhile."""
        state, val = self.state, self.val
        metrics = None
        if val is not None:
            try:
                metrics = self.validate(lambda: until_stopped(val, state))
            except ValidationLeft:
                state.seconds = perf_counter() - started
                yield Pause(state.step)
                metrics = self.validate()
        yield self.finish_epoch(metrics, perf_counter() - started)

    def validate(self, batches: Callable[[], Iterable[Batch]] | None = None) -> dict[str, float]:
        """Returns the metrics on the validation split, or on what yields its batches."""
        val = self.val
        assert val is not None
        return validate(self.state.judged, self.task, batches or (lambda: val), self.settings.precision)

    def finish_epoch(self, metrics: Mapping[str, float] | None, seconds: float) -> Row:
        """Judges the epoch, and returns its row.

        Args:
            metrics: on the validation split; `None` without one.
            seconds: since the first epoch began.
        """
        state, settings, running = self.state, self.settings, self.state.running
        assert running is not None
        row: Row = {"epoch": state.epoch + 1, "step": state.step, "seconds": seconds, "lr": running.lr}
        row |= {"train/loss": running.loss / running.weight, "train_seconds": running.seconds}
        row |= {f"val/{name}": value for name, value in (metrics or {}).items()}

        state.epoch, state.running, state.seconds = state.epoch + 1, None, seconds
        better = self.better
        state.judge(row[settings.monitor], better, settings.min_delta, settings.keep == "last")
        if isinstance(state.scheduler, ReduceLROnPlateau):
            state.scheduler.step(row[settings.monitor] if better == "min" else -row[settings.monitor])
        return row


def validate(
    model: nn.Module, task: Task, batches: Callable[[], Iterable[Batch]], precision: Precision
) -> dict[str, float]:
    """Returns the metrics on the batches of the validation split, of the best blend where a model is one."""
    if isinstance(model, Blending):
        choose_blend(model, task, batches(), precision)
    return evaluate(model, task, batches(), precision)


def loss_of(model: nn.Module, task: Task, batch: Batch) -> Tensor:
    """Returns the mean loss over a batch; of mixed samples the losses for both targets in the shares of the mixture."""
    output = batch.output_of(model)
    loss = task.objective(output, *batch.weighted_target)
    if batch.mixing is None:
        return loss
    partners, share = batch.mixing
    return share * loss + (1 - share) * task.objective(output, *(part[partners] for part in batch.weighted_target))


def epochs_of(moments: Iterable[Row | Pause]) -> Iterator[Row]:
    """Passes on the rows of the epochs, without the pauses between them."""
    return (moment for moment in moments if not isinstance(moment, Pause))


def until_stopped(loader: Loader, state: TrainState) -> Iterator[Batch]:
    """Passes on the loader's batches.

    Raises:
        ValidationLeft: meanwhile the training was asked to stop.
    """
    for batch in loader:
        if state.stop_requested:
            raise ValidationLeft
        yield batch


def penalty(parameters: Iterable[Tensor], l1: float, l2: float) -> Tensor:
    """Returns `l1` · Σ|w| + `l2` · Σw² over the weights, without biases and normalisation parameters (all vectors)."""
    weights = [parameter for parameter in parameters if parameter.dim() > 1]
    device = weights[0].device if weights else None
    nothing = torch.zeros((), requires_grad=True, device=device)  # a model of vectors alone has nothing to pull at
    return sum((l1 * weight.abs().sum() + l2 * weight.square().sum() for weight in weights), nothing)


def grouped(loader: Loader, size: int) -> Iterator[tuple[Batch, ...]]:
    """Yields batches in groups of `size`; the last group holds the remaining ones."""
    if size == 1:
        yield from zip(loader, strict=False)
        return
    batches = iter(loader)
    while group := tuple(islice(batches, size)):
        yield group

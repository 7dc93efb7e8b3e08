"""Several models of one structure that train at once: one state whose weights have a leading dimension of the models.

Each of them has a learner of its own, as if it trained alone: its state gets weights, sums and the optimizer's state
after every epoch, and is judged, saved and evaluated like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from time import perf_counter
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dltrain.errors import Diverged
from dltrain.tasks.task import Task
from dltrain.training.divergence import check_finite
from dltrain.training.loop import Learner, Pause, Row
from dltrain.training.stacked_optimizer import STACKED, Piece
from dltrain.training.state import Running, TrainState
from dltrain.types import Batch

Rows = tuple[Row | Diverged, ...]


class Stack:
    """K learners that take their steps together; `train_epochs` trains it like one, and gets the rows of all.

    Args:
        learners: of models that differ in values alone, before their first step.
        make_schedule: returns the schedule of an optimizer; the learning rates of all learners follow its shape.
    """

    def __init__(self, learners: Sequence[Learner], make_schedule: Callable[[Optimizer], LRScheduler | None]) -> None:
        self.learners = list(learners)
        first = learners[0].state
        self.model = with_rows_of_dropout(deepcopy(first.model))
        pace = SGD([torch.zeros(1)], lr=1.0)
        scheduler = make_schedule(pace)
        self.state = TrainState(self.model, pace, scheduler, torch.amp.GradScaler("cpu", enabled=False))
        start = pace.param_groups[0]["lr"]
        groups = zip(*(learner.state.optimizer.param_groups for learner in learners), strict=True)
        self.rates = [torch.tensor([one["lr"] / start for one in alike], dtype=torch.float64) for alike in groups]
        self._stack()

    def keep(self, chosen: Sequence[int]) -> None:
        """Leaves out all learners but the chosen ones, between two epochs."""
        self.learners = [self.learners[place] for place in chosen]
        self.rates = [rate[list(chosen)] for rate in self.rates]
        self._stack()

    def begin_epoch(self) -> None:
        """Puts the models into training mode."""
        self.model.train()

    def take_step(self, micro_batches: tuple[Batch, ...]) -> None:
        """Takes one step of all models on a group of batches `(K, B, ...)`."""
        state, pace = self.state, self.state.optimizer.param_groups[0]["lr"]
        assert state.running is not None
        weights = [self._divisor(batch) for batch in micro_batches]
        group_weight = sum(weights)
        for number, (batch, weight) in enumerate(zip(micro_batches, weights, strict=True)):
            losses = self.losses(batch)
            state.running.add(losses, weight)
            objectives = losses if len(weights) == 1 else losses * (weight / group_weight)
            if number == 0 and self.penalizes:
                objectives = objectives + self._penalties()
            # The models share no weight, so that the gradient of the sum holds that of each.
            objectives.sum().backward()
        pieces = self.optimizer.pieces()
        self._clip(pieces)
        self.optimizer.step(pieces, [rate * pace for rate in self.rates_on_device])
        self.optimizer.zero_grad()

        state.running.count(pace, len(micro_batches))
        if state.scheduler is not None:
            state.optimizer.step()  # of nothing; torch counts it
            state.scheduler.step()
        state.step += 1
        state.samples += sum(batch.target.shape[1] for batch in micro_batches)

    def settle(self, began: float) -> None:
        """Gives each learner its part of the sums and of the state; those that diverged are noted."""
        sums = self._unstack()
        seconds = (perf_counter() - began) / len(self.learners)  # each model's share
        for place, (learner, running) in enumerate(zip(self.learners, sums, strict=True)):
            running.seconds += seconds
            try:
                check_finite(learner.state, learner.settings.accumulate)
            except Diverged as error:
                self.failures[place] = self.failures[place] or error

    def end_epoch(self, started: float) -> Iterator[Rows | Pause]:
        """Validates and judges each model, and yields the rows of all, or why a model diverged."""
        rows: list[Row | Diverged] = []
        for learner, failure in zip(self.learners, self.failures, strict=True):
            own = [failure] if failure else [row for row in learner.end_epoch(started) if not isinstance(row, Pause)]
            rows += own
        self.state.epoch, self.state.running = self.state.epoch + 1, None
        self.state.seconds = perf_counter() - started
        yield tuple(rows)

    def losses(self, batch: Batch) -> Tensor:
        """Returns the loss of each model `(K,)` on its own batch."""

        def output_of(weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
            output: Tensor = functional_call(self.model, (weights, buffers), inputs)
            return output

        outputs = vmap(output_of, randomness="different")(self.weights, self.buffers, batch.inputs)
        if len(self.tasks) == 1:
            losses: Tensor = vmap(self.learners[0].task.objective)(outputs, *batch.weighted_target)
            return losses
        parts = [
            vmap(task.objective)(outputs[rows], *(part[rows] for part in batch.weighted_target))
            for task, rows in self.tasks
        ]
        places = torch.cat([rows for _, rows in self.tasks])
        return torch.cat(parts)[places.argsort()]

    def _stack(self) -> None:
        """Stacks weights and buffers of the models and the state of their optimizers."""
        states = [learner.state for learner in self.learners]
        models = [state.model for state in states]
        named = {id(parameter): name for name, parameter in models[0].named_parameters()}
        order = [named[id(one)] for group in states[0].optimizer.param_groups for one in group["params"]]
        parameters = [dict(model.named_parameters()) for model in models]
        together = [
            torch.stack([one[name].detach() for one in parameters]).requires_grad_(parameters[0][name].requires_grad)
            for name in order
        ]
        self.optimizer = STACKED[type(states[0].optimizer)]([state.optimizer for state in states], together)
        self.weights = dict(zip(order, self.optimizer.weights, strict=True))
        self.buffers = stacked_buffers(models)
        device = next(iter(self.weights.values())).device
        self.rates_on_device = [rate.to(device) for rate in self.rates]
        self.failures: list[Diverged | None] = [None] * len(models)
        by_task: dict[int, tuple[Task, list[int]]] = {}
        for place, learner in enumerate(self.learners):
            by_task.setdefault(id(learner.task), (learner.task, []))[1].append(place)
        self.tasks = [(task, torch.tensor(rows, device=device)) for task, rows in by_task.values()]

        def column(numbers: Sequence[float]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device)

        settings = [learner.settings for learner in self.learners]
        self.l1, self.l2 = column([one.l1 for one in settings]), column([one.l2 for one in settings])
        self.clip_norm = column([one.clip_norm or math.inf for one in settings])
        self.penalizes = any(one.l1 or one.l2 for one in settings)
        self.clips = any(one.clip_norm is not None for one in settings)

    @torch.no_grad()
    def _unstack(self) -> list[Running]:
        """Writes weights, sums, rates and the optimizer's state into each learner's own; returns their sums."""
        stacked, share = self.state.running, self.state.optimizer.param_groups[0]["lr"]
        assert stacked is not None
        self.optimizer.unstack()
        targets, sources = [], []
        for place, learner in enumerate(self.learners):
            own = dict(learner.state.model.named_parameters()) | dict(learner.state.model.named_buffers())
            for name, tensor in (self.weights | self.buffers).items():
                if name in own:
                    targets.append(own[name])
                    sources.append(tensor.detach()[place])
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source)
        count = len(self.learners)
        losses = (
            torch.hstack(cast(list[Tensor], stacked.losses)).view(-1, count)
            if stacked.losses
            else torch.zeros(0, count)
        )
        apart = bool(stacked.weights) and isinstance(stacked.weights[0], Tensor)
        divisors = torch.hstack(cast(list[Tensor], stacked.weights)).view(-1, count) if apart else None
        sums = []
        for place, learner in enumerate(self.learners):
            state = learner.state
            state.running = running = state.running or Running()
            rates = [float(rate[place]) for rate in self.rates]
            running.losses.append(losses[:, place])
            running.weights += stacked.weights if divisors is None else [divisors[:, place]]
            running.sizes += stacked.sizes
            running.rates += [rates[0] * pace for pace in stacked.rates]
            running.batches, running.lr = stacked.batches, rates[0] * stacked.lr
            state.step, state.samples, state.seconds = self.state.step, self.state.samples, self.state.seconds
            for group, rate in zip(state.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * share
            if state.scheduler is not None and self.state.scheduler is not None:
                follow(state.scheduler, self.state.scheduler)
            sums.append(running)
        for pending in (stacked.losses, stacked.weights, stacked.sizes, stacked.rates):
            pending.clear()
        return sums

    def _divisor(self, batch: Batch) -> Tensor | float:
        """Returns what the mean loss of each model's batch is divided by, one number if it counts samples alone."""
        firsts = [task.loss.weight(*(part[rows[0]] for part in batch.weighted_target)) for task, rows in self.tasks]
        if not any(isinstance(first, Tensor) for first in firsts):
            return firsts[0]
        divisors = [
            torch.as_tensor(learner.task.loss.weight(*(part[place] for part in batch.weighted_target)))
            for place, learner in enumerate(self.learners)
        ]
        return torch.stack([divisor.to(batch.target.device, torch.float32) for divisor in divisors])

    def _penalties(self) -> Tensor:
        """Returns the penalties `trainer.l1` and `trainer.l2` of each model `(K,)`, which leave vectors alone."""
        sizes = [weight.flatten(1) for weight in self.weights.values() if weight.dim() > 2]
        terms = [self.l1 * size.abs().sum(1) + self.l2 * size.square().sum(1) for size in sizes]
        return sum(terms, torch.zeros_like(self.l1))

    @torch.no_grad()
    def _clip(self, pieces: Sequence[Piece]) -> None:
        """Scales the gradients of each model whose norm exceeds its `trainer.clip_norm`."""
        if not self.clips:
            return
        norms = torch.stack([piece.gradient.norm(dim=1) for piece in pieces]).norm(dim=0)
        factors = (self.clip_norm / (norms + 1e-6)).clamp(max=1.0)
        for piece in pieces:
            piece.gradient.mul_(factors[:, None])


class DropoutOfRows(nn.Module):
    """Dropout whose probability is a tensor, so that it may differ from model to model.

    Args:
        probability: of dropping a value.
    """

    p: Tensor

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(probability))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p)


def with_rows_of_dropout(model: nn.Module) -> nn.Module:
    """Returns a model with `DropoutOfRows` in place of each dropout."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, DropoutOfRows(child.p))
    return model


def stacked_buffers(models: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Returns the buffers of models with a leading dimension; those that no checkpoint holds only where they differ.

    The probabilities of dropout are among them.
    """
    named = [dict(model.named_buffers()) for model in models]
    stored = models[0].state_dict().keys()
    buffers = {}
    for name, tensor in named[0].items():
        if name in stored or any(not torch.equal(other[name], tensor) for other in named):
            buffers[name] = torch.stack([other[name] for other in named])
    for name, module in models[0].named_modules():
        if type(module) is nn.Dropout:
            alike = [cast(nn.Dropout, model.get_submodule(name)) for model in models]
            device = next(models[0].parameters()).device
            buffers[f"{name}.p"] = torch.tensor([dropout.p for dropout in alike], device=device)
    return buffers


def follow(scheduler: LRScheduler, other: LRScheduler) -> None:
    """Puts a schedule where another one of the same shape stands; the rates of its optimizer are set already."""
    scheduler.last_epoch, scheduler._step_count = other.last_epoch, other._step_count
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]

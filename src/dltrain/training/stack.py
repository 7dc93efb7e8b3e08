"""Several models of one structure that train at once: one state whose weights have a leading dimension of the models.

Each of them has a learner of its own, as if it trained alone: after every epoch its state gets sums and is judged, and
before it is saved or goes on alone it gets weights and the optimizer's state.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from time import perf_counter
from typing import cast
from weakref import proxy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dltrain.errors import Diverged
from dltrain.tasks.task import Task
from dltrain.training.cuda_graphs import GraphRecorder, Losses, RecordedUpdate
from dltrain.training.device_rates import DeviceRates
from dltrain.training.divergence import check_finite
from dltrain.training.loop import Learner, Pause, Row
from dltrain.training.stacked_optimizer import STACKED, Piece
from dltrain.training.stacked_validation import StackedValidation
from dltrain.training.state import Running, TrainState
from dltrain.types import Batch

log = logging.getLogger("dltrain")

Rows = tuple[Row | Diverged, ...]
TOLERANCE = 1e-4  # relative, of the metrics of a model that is validated with others


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
        self.ties_weights = has_ties(self.model)
        pace = SGD([torch.zeros(1)], lr=1.0)
        scheduler = make_schedule(pace)
        self.state = TrainState(self.model, pace, scheduler, torch.amp.GradScaler("cpu", enabled=False))
        start = pace.param_groups[0]["lr"]
        groups = zip(*(learner.state.optimizer.param_groups for learner in learners), strict=True)
        self.rates = [torch.tensor([one["lr"] / start for one in alike], dtype=torch.float64) for alike in groups]
        self.validates_alone = False
        self.validation: StackedValidation | None = None
        self._stack()

    def keep(self, chosen: Sequence[int]) -> None:
        """Leaves out all learners but the chosen ones, between two epochs; all of them get what is theirs."""
        self.write_back()
        self.learners = [self.learners[place] for place in chosen]
        self.rates = [rate[list(chosen)] for rate in self.rates]
        self._stack()

    def begin_epoch(self) -> None:
        """Puts the models into training mode."""
        self.model.train()
        if self.recorded is not None:
            self.recorded.check_attributes()

    def take_step(self, micro_batches: tuple[Batch, ...]) -> None:
        """Takes one step of all models on a group of batches `(K, B, ...)`."""
        state, pace = self.state, self.state.optimizer.param_groups[0]["lr"]
        assert state.running is not None
        results = self.update(micro_batches) if self.recorded is None else self.recorded(micro_batches)
        for losses, weight in zip(*results, strict=True):
            state.running.add(losses, weight)

        state.running.count(pace, len(micro_batches))
        if state.scheduler is not None:
            state.optimizer.step()  # of nothing; torch counts it
            state.scheduler.step()
        state.step += 1
        state.samples += sum(batch.target.shape[1] for batch in micro_batches)

    def update(self, micro_batches: tuple[Batch, ...], pace: Tensor | None = None) -> Losses:
        """Changes the weights of all models by a group of batches, with the schedule's rate on the GPU if it is
        given."""
        weights = [self._divisor(batch) for batch in micro_batches]
        group_weight = sum(weights)
        means = []
        for number, (batch, weight) in enumerate(zip(micro_batches, weights, strict=True)):
            losses = self.losses(batch)
            means.append(losses.detach())
            objectives = losses if len(weights) == 1 else losses * (weight / group_weight)
            if number == 0 and self.penalizes:
                objectives = objectives + self._penalties()
            # The models share no weight, so that the gradient of the sum holds that of each.
            objectives.sum().backward()
        pieces = self.optimizer.pieces()
        self._clip(pieces)
        rate = self.state.optimizer.param_groups[0]["lr"] if pace is None else pace
        self.optimizer.step(pieces, [share * rate for share in self.rates_on_device])
        self.optimizer.zero_grad()
        return Losses(means, weights)

    def _recorded(self, device: torch.device) -> RecordedUpdate | None:
        """Returns what records the steps of a GPU; `None` on another device."""
        if device.type != "cuda" or not self.learners[0].settings.cuda_graphs:
            return None
        rates, optimizer, stack = DeviceRates(self.state.optimizer, device, torch.float64), self.optimizer, proxy(self)
        return RecordedUpdate(
            lambda batches: stack.update(batches, rates.rates[0]),
            (self.model, *(task.loss for task, _ in self.tasks)),
            changed=lambda: [*optimizer.tensors(), *stack.buffers.values()],
            forget=optimizer.zero_grad,
            basis=lambda: (optimizer, None),
            prepare=rates.follow,
            record=GraphRecorder(device),
        )

    def settle(self, began: float) -> None:
        """Gives each learner its part of the sums; those that diverged are noted."""
        seconds = (perf_counter() - began) / len(self.learners)  # each model's share
        finite = self._read_sums()
        for place, learner in enumerate(self.learners):
            assert learner.state.running is not None
            learner.state.running.seconds += seconds
            if not finite[place]:
                load_rows(learner, self.rows[place])
                try:
                    check_finite(learner.state, learner.settings.accumulate)
                except Diverged as error:
                    self.failures[place] = self.failures[place] or error

    def end_epoch(self, started: float) -> Iterator[Rows | Pause]:
        """Validates and judges each model, and yields the rows of all, or why a model diverged."""
        metrics = self._validate()
        seconds = perf_counter() - started
        rows = tuple(
            failure or learner.finish_epoch(measured, seconds)
            for learner, measured, failure in zip(self.learners, metrics, self.failures, strict=True)
        )
        self.state.epoch, self.state.running, self.state.seconds = self.state.epoch + 1, None, seconds
        yield rows

    @torch.no_grad()
    def write_back(self) -> None:
        """Gives each learner its weights, learning rates and state of the optimizer, so that it may be saved or go on
        alone."""
        share = self.state.optimizer.param_groups[0]["lr"]
        self.optimizer.unstack()
        for place, learner in enumerate(self.learners):
            state = learner.state
            load_rows(learner, self.rows[place])
            for group, rate in zip(state.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = float(rate[place]) * share
            if state.scheduler is not None and self.state.scheduler is not None:
                follow(state.scheduler, self.state.scheduler)

    def _validate(self) -> Sequence[Mapping[str, float] | None]:
        """Returns the metrics of each model on its validation split, `None` without one."""
        if self.learners[0].val is None:
            return [None] * len(self.learners)
        if not self.validates_alone:
            if self.validation is None:
                self.validation = StackedValidation(self.model, self.learners)
                if reason := self._why_not_validated_at_once():
                    log.info("fleet   each model is validated alone: %s", reason)
                    self.validates_alone = True
                    return self._validate()
            return self.validation.metrics(self.weights, self.buffers, self._lost)
        return [None if place in self._lost else self._validate_alone(place) for place in range(len(self.learners))]

    @torch.no_grad()
    def _validate_alone(self, place: int) -> Mapping[str, float]:
        """Returns the metrics of one model, and keeps what its validation sets, such as the votes of a blend."""
        learner, rows = self.learners[place], self.rows[place]
        load_rows(learner, rows)
        metrics = learner.validate()
        for name, tensor in learner.state.model.state_dict().items():
            rows[name].copy_(tensor)
        return metrics

    @property
    def _lost(self) -> set[int]:
        """Returns the places of the learners that diverged."""
        return {place for place, failure in enumerate(self.failures) if failure is not None}

    def _why_not_validated_at_once(self) -> str:
        """Returns why the models cannot be validated at once, tried on the first and the last; empty if they can."""
        assert self.validation is not None
        try:
            together = self.validation.metrics(self.weights, self.buffers, self._lost)
        except Exception as error:  # whatever a layer, a loss or a metric does that cannot be vectorised
            return " ".join(str(error).split())[:200]
        sound = [place for place in range(len(self.learners)) if place not in self._lost]
        for place in {*sound[:1], *sound[-1:]}:
            for name, value in self._validate_alone(place).items():
                if not math.isclose(together[place][name], value, rel_tol=TOLERANCE, abs_tol=TOLERANCE**2):
                    return f"at once, {name} is {together[place][name]:g} in place of {value:g}"
        return ""

    def losses(self, batch: Batch) -> Tensor:
        """Returns the loss of each model `(K,)` on its own batch."""

        def output_of(weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
            # to look for ties takes a tenth of the time of a small model
            output: Tensor = functional_call(self.model, (weights, buffers), inputs, tie_weights=self.ties_weights)
            return output

        if len(self.tasks) == 1:
            objective = self.learners[0].task.objective
            at_once = vmap(lambda *own: objective(output_of(*own[:3]), *own[3:]), randomness="different")
            losses: Tensor = at_once(self.weights, self.buffers, batch.inputs, *batch.weighted_target)
            return losses
        outputs = vmap(output_of, randomness="different")(self.weights, self.buffers, batch.inputs)
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
        transposed = transposed_in_memory(models[0])
        together = [
            stacked([one[name].detach() for one in parameters], transposed=name in transposed).requires_grad_(
                parameters[0][name].requires_grad
            )
            for name in order
        ]
        self.optimizer = STACKED[type(states[0].optimizer)]([state.optimizer for state in states], together)
        self.weights = dict(zip(order, self.optimizer.weights, strict=True))
        self.buffers = stacked_buffers(models)
        device = next(iter(self.weights.values())).device
        self.rates_on_device = [rate.to(device) for rate in self.rates]
        self.rows = [rows_of(model, self.weights | self.buffers, place) for place, model in enumerate(models)]
        self.validation = None
        self.failures: list[Diverged | None] = [None] * len(models)
        by_task: dict[int, tuple[Task, list[int]]] = {}
        for place, learner in enumerate(self.learners):
            by_task.setdefault(id(learner.task), (learner.task, []))[1].append(place)
        self.tasks = [(task, torch.tensor(rows, device=device)) for task, rows in by_task.values()]
        self.firsts = [(task, rows[0]) for task, rows in by_task.values()]
        self.recorded = self._recorded(device)

        def column(numbers: Sequence[float]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device)

        settings = [learner.settings for learner in self.learners]
        self.l1, self.l2 = column([one.l1 for one in settings]), column([one.l2 for one in settings])
        self.clip_norm = column([one.clip_norm or math.inf for one in settings])
        self.penalizes = any(one.l1 or one.l2 for one in settings)
        self.clips = any(one.clip_norm is not None for one in settings)

    def _read_sums(self) -> list[bool]:
        """Adds the losses since the last time to the sums of each learner; tells which losses and weights are finite.

        They are added one after the other in float64, as those of a model alone. Where one is not finite, the learner
        gets its losses themselves, to find the first such step.
        """
        stacked, count = self.state.running, len(self.learners)
        assert stacked is not None
        losses = as_rows(stacked.losses, count)
        divisors = as_rows(stacked.weights, count)
        runnings = [learner.state.running or Running() for learner in self.learners]
        starts = np.array([[running.loss for running in runnings], [running.weight for running in runnings]])
        sums = np.add.accumulate(np.vstack([starts[:1], losses * divisors]))[-1]
        divided_by = np.add.accumulate(np.vstack([starts[1:], divisors]))[-1]
        weights_are_finite = self._weights_sum().isfinite().tolist()
        finite = [bool(np.isfinite(total)) and weighs for total, weighs in zip(sums, weights_are_finite, strict=True)]
        first = self.rates[0].tolist()
        for place, (learner, running) in enumerate(zip(self.learners, runnings, strict=True)):
            state = learner.state
            state.running = running
            if finite[place]:
                running.loss, running.weight = float(sums[place]), float(divided_by[place])
            else:
                running.losses, running.weights = losses[:, place].tolist(), divisors[:, place].tolist()
                running.sizes = list(stacked.sizes)
                running.rates = [first[place] * pace for pace in stacked.rates]
            running.batches, running.lr = stacked.batches, first[place] * stacked.lr
            state.step, state.samples, state.seconds = self.state.step, self.state.samples, self.state.seconds
        for pending in (stacked.losses, stacked.weights, stacked.sizes, stacked.rates):
            pending.clear()
        return finite

    @torch.no_grad()
    def _weights_sum(self) -> Tensor:
        """Returns the sums of the weights and running statistics of each model `(K,)`."""
        numbers = {id(tensor) for tensor in self.learners[0].state.numbers}
        model = self.learners[0].state.model
        named = dict(model.named_parameters()) | dict(model.named_buffers())
        stacked = self.weights | self.buffers
        checked = [name for name, tensor in named.items() if id(tensor) in numbers and name in stacked]
        return torch.stack([stacked[name].flatten(1).sum(1).double() for name in checked]).sum(0)

    def _divisor(self, batch: Batch) -> Tensor | float:
        """Returns what the mean loss of each model's batch is divided by, one number if it counts samples alone."""
        firsts = [task.loss.weight(*(part[place] for part in batch.weighted_target)) for task, place in self.firsts]
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
        if factors.device.type == "cpu" and not bool((factors < 1).any()):
            return
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


def has_ties(model: nn.Module) -> bool:
    """Tells whether a tensor of a model has several names."""
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return len({id(tensor) for _, tensor in tensors}) < len(tensors)


def stacked(weights: Sequence[Tensor], *, transposed: bool) -> Tensor:
    """Returns the weights of models in one tensor `(K, ...)`; matrices may lie in memory transposed."""
    return torch.stack([weight.mT for weight in weights]).mT if transposed else torch.stack(list(weights))


def transposed_in_memory(model: nn.Module) -> set[str]:
    """Returns the names of matrices that are best transposed in memory: on a CPU those of linear layers, whose
    gradients are computed so and are copied otherwise."""
    return {
        f"{name}.weight".lstrip(".")
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.weight.device.type == "cpu"
    }


def rows_of(model: nn.Module, stacked: Mapping[str, Tensor], place: int) -> dict[str, Tensor]:
    """Returns what a checkpoint of a model holds, as parts of stacked weights and buffers.

    Args:
        model: one of the models.
        stacked: weights and buffers of all models, by their names.
        place: of the model.
    """
    names = {id(tensor): name for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    stored = model.state_dict(keep_vars=True)
    return {name: stacked[names[id(tensor)]].detach()[place] for name, tensor in stored.items()}


@torch.no_grad()
def load_rows(learner: Learner, rows: Mapping[str, Tensor]) -> None:
    """Writes its part of a stack into a learner's model."""
    for name, tensor in learner.state.model.state_dict().items():
        tensor.copy_(rows[name])


def as_rows(numbers: Sequence[Tensor | float], count: int) -> NDArray[np.float64]:
    """Returns numbers of each step, those of all models or one for all of them, as `(steps, count)`."""
    if not numbers or not isinstance(numbers[0], Tensor):
        return np.repeat(np.array(numbers, dtype=np.float64)[:, None], count, axis=1)
    read: NDArray[np.float64] = torch.hstack(cast(list[Tensor], numbers)).view(-1, count).double().cpu().numpy()
    return read


def follow(scheduler: LRScheduler, other: LRScheduler) -> None:
    """Puts a schedule where another one of the same shape stands; the rates of its optimizer are set already."""
    scheduler.last_epoch, scheduler._step_count = other.last_epoch, other._step_count
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]

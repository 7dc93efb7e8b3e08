"""Records a training step of a GPU as a CUDA graph, which one call replays.

A small step is a hundred kernels of a few microseconds each, and launching them one by one takes several times as long
as computing them. What is replayed are the same kernels, so that a resumed run, whose first steps are taken one by one,
computes the same.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from dltrain.training.random_state import generator_states
from dltrain.training.state import RATES
from dltrain.types import Batch, Mixing

log = logging.getLogger("dltrain")

WARM = 3  # steps that are taken one by one first, in which libraries choose their algorithms
MOST = 4  # graphs; batches of ever new shapes are not worth one each
TOLERANCE = 0.01  # of a tensor's change in a step, for kernels that add in any order
FOLLOWED = {"params", "capturable", *RATES}  # of an optimizer's groups, what a recording reads anew or never
Batches = tuple[Batch, ...]


class Losses(NamedTuple):
    """What a step reports of each of its batches.

    Args:
        means: the mean losses.
        weights: what each was divided by.
    """

    means: list[Tensor]
    weights: list[Tensor | float]


Update = Callable[[Batches], Losses]


class Held(NamedTuple):
    """A value that a part of a model holds.

    Args:
        by: the attributes of the part.
        name: of the attribute.
        value: at some time.
    """

    by: dict[str, Any]
    name: str
    value: Any

    def is_changed(self) -> bool:
        """Tells whether the attribute has another value now."""
        return self.name not in self.by or self.by[self.name] != self.value


class Recording(NamedTuple):
    """A recorded step.

    Args:
        inputs: the tensors that it reads.
        losses: the tensors that it writes.
        replay: takes the step.
    """

    inputs: list[Tensor]
    losses: Losses
    replay: Callable[[], None]


@dataclass
class Shape:
    """What is known of steps on batches of one shape.

    Args:
        steps: taken one by one.
        recording: of the step; `None` before.
        is_sound: whether the recording has been compared with a step.
    """

    steps: int = 0
    recording: Recording | None = None
    is_sound: bool = False


@dataclass
class RecordedUpdate:
    """An update of weights that is recorded once, and then replayed for batches of the same shape.

    It is not, and `reason` says why, where a step waits for the GPU, where Python decides or draws something in each
    step, and where what is replayed is not what the step computes.

    Args:
        update: changes the weights by a group of batches. What differs from step to step besides the batches, it must
            read from tensors that stay where they are.
        model: whose weights these are.
        changed: returns all tensors that a step changes.
        basis: returns an object that is another one once these tensors have been replaced, and what else of the
            optimizer a recording keeps as it was.
        prepare: writes those tensors, before each step.
        record: records what a function does, without doing it; returns what the function returned and its replay.
        reason: why steps are taken one by one; empty while they are not.
        shapes: what is known of the batches so far, by the shapes and types of their tensors.
        based_on: what `basis` returned last.
        held: what parts of the model held when the first shape of batches was new.
    """

    update: Update
    model: nn.Module
    changed: Callable[[], list[Tensor]]
    basis: Callable[[], tuple[object, object]]
    prepare: Callable[[], None]
    record: Callable[[Callable[[], Losses]], tuple[Losses, Callable[[], None]]] = field(
        default_factory=lambda: record_on_gpu
    )
    reason: str = ""
    shapes: dict[Any, Shape] = field(default_factory=dict)
    based_on: tuple[object, object] = (None, None)
    held: list[Held] = field(default_factory=list)

    def __call__(self, batches: Batches) -> Losses:
        """Changes the weights by a group of batches."""
        self.prepare()
        if self.reason:
            return self.update(batches)
        basis = self.basis()
        if basis[0] is not self.based_on[0] or basis[1] != self.based_on[1]:
            self.shapes, self.based_on = {}, basis
        tensors = tensors_of(batches)
        key = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        shape = self.shapes.get(key)
        if shape is None:
            if len(self.shapes) == MOST:
                return self.update(batches)
            shape = self.shapes[key] = Shape()
        if shape.is_sound and shape.recording is not None:
            return replayed(shape.recording, tensors)
        if shape.steps < WARM:
            return self._watched(shape, batches)
        if shape.recording is None:
            return self._recorded(shape, batches)
        return self._compared(shape, shape.recording, batches)

    def begin_epoch(self) -> None:
        """Forgets what is recorded if parts of the model hold other numbers than in the epoch before."""
        if any(held.is_changed() for held in self.held):
            self.shapes = {}
        if not self.shapes:
            self.held = held_by(self.model)

    def _watched(self, shape: Shape, batches: Batches) -> Losses:
        """Takes a step, and sees whether Python changes anything in it or waits for the GPU."""
        before, held = generator_states(on_devices=False), held_by(self.model)
        with noticing_waits(batches[0].target.device) as waits:
            losses = self.update(batches)
        shape.steps += 1
        if before != generator_states(on_devices=False):
            self._stop("the model draws random numbers on the CPU")
        elif shape.steps > 1 and any(one.is_changed() for one in held):  # the first step may make what is made once
            self._stop("the model keeps numbers of its own from step to step")
        elif shape.steps == WARM and waits:
            self._stop("a step waits for the GPU, to read a number or to choose rows")
        return losses

    def _recorded(self, shape: Shape, batches: Batches) -> Losses:
        """Records a step on batches of this shape, and takes it."""
        device = batches[0].target.device
        if device.type == "cuda" and 2 * memory_of_step(device) > memory_left(device):
            self._stop("the memory of a step is too much to be kept")
            return self.update(batches)
        static = mapped(batches, torch.clone)
        try:
            losses, replay = self.record(lambda: self.update(static))
            shape.recording = Recording(tensors_of(static), losses, replay)
        except Exception as error:  # whatever a step does that cannot be recorded
            for parameter in self.model.parameters():
                parameter.grad = None
            self._stop(" ".join(str(error.__context__ or error).split())[:200])
        return self.update(batches)

    def _compared(self, shape: Shape, recording: Recording, batches: Batches) -> Losses:
        """Takes a step both ways, and keeps what the plain one computes."""
        device, tensors = batches[0].target.device, self.changed()
        random = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        before = [tensor.detach().clone() for tensor in tensors]
        fast = replayed(recording, tensors_of(batches))
        after = [tensor.detach().clone() for tensor in tensors]
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
        if random is not None:
            torch.cuda.set_rng_state(random, device)
        losses = self.update(batches)
        pairs = list(zip(numbers_in(fast), numbers_in(losses), strict=True))
        if not all(math.isfinite(plain) for _, plain in pairs):
            return losses  # which says nothing, and ends the training
        alike = all(math.isclose(one, plain, rel_tol=TOLERANCE, abs_tol=1e-7) for one, plain in pairs)
        if not alike or any(map(differs, after, tensors, before)):
            self._stop("a recorded step computes something else")
        shape.is_sound = True
        return losses

    def _stop(self, reason: str) -> None:
        """Takes all further steps one by one."""
        self.reason, self.shapes = reason, {}
        log.info("steps   are not recorded as CUDA graphs: %s", reason)


def replayed(recording: Recording, tensors: Sequence[Tensor]) -> Losses:
    """Takes the recorded step on the tensors of batches."""
    for static, tensor in zip(recording.inputs, tensors, strict=True):
        static.copy_(tensor, non_blocking=True)
    recording.replay()
    means = [mean.clone() for mean in recording.losses.means]
    return Losses(means, [one.clone() if isinstance(one, Tensor) else one for one in recording.losses.weights])


def numbers_in(losses: Losses) -> list[float]:
    """Returns all numbers that a step reports."""
    return [number for part in (*losses.means, *losses.weights) for number in torch.as_tensor(part).flatten().tolist()]


def record_on_gpu(work: Callable[[], Losses]) -> tuple[Losses, Callable[[], None]]:
    """Records what a function does on the GPU as a CUDA graph; returns what it returned, and the replay.

    Raises:
        Exception: of the function; stream and generator of the GPU are as they were.
    """
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    whole = generator.clone_state()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
            losses = work()
    except BaseException:
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(whole)  # the present one waits for the end of the recording
        raise
    return losses, graph.replay


@contextmanager
def noticing_waits(device: torch.device) -> Iterator[list[str]]:
    """Yields a list that holds, after the block, a line for each time that Python waited for a GPU in it."""
    waits: list[str] = []
    if device.type != "cuda":
        yield waits
        return
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    waits += [str(one.message) for one in caught if "called a synchronizing" in str(one.message)]


def memory_of_step(device: torch.device) -> int:
    """Returns the most bytes that were taken at once on a GPU beyond those that are taken now."""
    return torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)


def memory_left(device: torch.device) -> int:
    """Returns the bytes of a GPU that are free or kept in reserve."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


class DeviceRates:
    """The learning rates of an optimizer as numbers on the GPU, from which a recorded step reads them.

    The optimizer's groups keep theirs, which a schedule sets.

    Args:
        optimizer: whose groups they are.
        device: of the parameters.
        dtype: of the numbers; torch's fused optimizers read float32.
    """

    def __init__(self, optimizer: Optimizer, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.optimizer = optimizer
        self.rates = [torch.zeros((), dtype=dtype, device=device) for _ in optimizer.param_groups]
        self.known = [math.nan for _ in self.rates]

    def follow(self) -> None:
        """Takes over the learning rates of the groups."""
        for place, (group, rate) in enumerate(zip(self.optimizer.param_groups, self.rates, strict=True)):
            if group["lr"] != self.known[place]:
                self.known[place] = group["lr"]
                rate.fill_(group["lr"])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Lets the optimizer read them in the steps that it takes inside the block."""
        groups = self.optimizer.param_groups
        before = [group["lr"] for group in groups]
        # torch refuses to record a step, and warns of one that is not recorded, unless the groups say which it is.
        capturing = self.rates[0].device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        switch = {"capturable": capturing} if "capturable" in groups[0] else {}
        try:
            for group, rate in zip(groups, self.rates, strict=True):
                group.update({"lr": rate, **switch})
            yield
        finally:
            for group, rate in zip(groups, before, strict=True):
                group.update({"lr": rate, **dict.fromkeys(switch, False)})


def why_not_recorded(optimizer: Optimizer) -> str:
    """Returns why the steps of an optimizer cannot be recorded, in words; empty if they can."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        return f"{type(optimizer).__name__} is none of the optimizers SGD, Adam and AdamW"
    if not all(group.get("fused") for group in optimizer.param_groups):
        return "they need optimizer.fused=true"
    if any(group.get("capturable") for group in optimizer.param_groups):
        return "optimizer.capturable is set"
    return ""


def changed_by(model: nn.Module, optimizer: Optimizer) -> list[Tensor]:
    """Returns all tensors that a step of an optimizer changes: weights, buffers and the optimizer's own."""
    stored = (value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor))
    return [*model.parameters(), *model.buffers(), *stored]


def basis_of(optimizer: Optimizer) -> tuple[object, object]:
    """Returns the state of an optimizer, and the numbers of its groups other than learning rates."""
    numbers = [value for group in optimizer.param_groups for name, value in group.items() if name not in FOLLOWED]
    return optimizer.state, numbers


def held_by(model: nn.Module) -> list[Held]:
    """Returns what the parts of a model hold now besides tensors and modules: numbers, switches and names, also in
    lists and dictionaries."""
    named = (Held(vars(part), name, value) for part in model.modules() for name, value in vars(part).items())
    return [held._replace(value=copy(held.value)) for held in named if is_plain(held.value)]


def is_plain(value: object) -> bool:
    """Tells whether a value is a number, a switch, a name or nothing, or a list or dictionary of them."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return all(isinstance(part, bool | int | float | str | None) for part in parts)


def tensors_of(batches: Iterable[Batch]) -> list[Tensor]:
    """Returns the tensors of batches, and their shares of mixed samples as tensors."""
    tensors: list[Tensor] = []
    for inputs, target, weights, mixing, fold in batches:
        tensors += inputs
        tensors.append(target)
        tensors += [part for part in (weights, fold) if part is not None]
        if mixing is not None:
            tensors += [mixing.partners, torch.as_tensor(mixing.share, dtype=torch.float32)]
    return tensors


def mapped(batches: Sequence[Batch], change: Callable[[Tensor], Tensor]) -> Batches:
    """Returns the same batches with changed tensors; shares of mixed samples become numbers on the device."""

    def of(part: Tensor | None) -> Tensor | None:
        return None if part is None else change(part)

    def mixed(mixing: Mixing, device: torch.device) -> Mixing:
        return Mixing(change(mixing.partners), torch.as_tensor(mixing.share, device=device))

    return tuple(
        Batch(
            tuple(map(change, batch.inputs)),
            change(batch.target),
            of(batch.weights),
            None if batch.mixing is None else mixed(batch.mixing, batch.target.device),
            of(batch.fold),
        )
        for batch in batches
    )


def differs(tensor: Tensor, other: Tensor, before: Tensor) -> bool:
    """Tells whether two results of a step are further apart than kernels that add in any order make them."""
    if torch.equal(tensor, other):
        return False
    finite = other.isfinite()  # bounds may be infinite
    if not other.is_floating_point() or not torch.equal(tensor.isfinite(), finite):
        return True
    apart, moved = ((tensor - one)[finite].double().norm() for one in (other, before))
    return not bool(apart <= TOLERANCE * moved + torch.finfo(tensor.dtype).eps * other[finite].double().norm())

"""Records a training step of a GPU as a CUDA graph, which one call replays.

A small step is a hundred kernels of a few microseconds each, and launching them one by one takes several times as long
as computing them. What is replayed are the same kernels, so that a resumed run, whose first steps are taken one by one,
computes the same where the kernels themselves are deterministic.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch import Tensor, nn

from dltrain.training.random_state import generator_states
from dltrain.training.step_watch import Attribute, attributes_of, noticing_waits
from dltrain.types import Batch, Mixing

log = logging.getLogger("dltrain")

PLAIN_STEPS = 3  # that are taken first, in which libraries choose their algorithms
MOST_SHAPES = 4  # of batches; ever new ones are not worth a recording each
MOST_CHANGES = 8  # of the optimizer's numbers, after which nothing is recorded any more
AHEAD = 8  # steps that Python may be ahead of the GPU, so that pauses and limits of time come in time
TOLERANCE = 0.01  # of a tensor's change in a step, for kernels that add in any order
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
Replay = Callable[[], None]


class Recording(NamedTuple):
    """A recorded step.

    Args:
        inputs: the tensors that it reads.
        losses: the tensors that it writes.
        replay: takes the step.
        shown: what the inputs hold, as the tensor that each was copied from and the number of its changes until then.
    """

    inputs: list[Tensor]
    losses: Losses
    replay: Replay
    shown: dict[int, tuple[ref[Tensor], int]]


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
        roots: the modules that a step calls: the model, and the loss.
        changed: returns all tensors that a step changes.
        forget: removes all gradients.
        basis: returns an object that is another one once these tensors have been replaced, and what else of the
            optimizer a recording keeps as it was.
        prepare: writes what a step reads besides the batches.
        record: records what a function does, without doing it; returns what the function returned and its replay.
        reason: why steps are taken one by one; empty while they are not.
        shapes: what is known of the batches so far, by the shapes and types of their tensors.
        based_on: what `basis` returned last.
        changes: of what `basis` returned.
        attributes: of the roots, when the first step was recorded.
        ahead: events of the last replayed steps.
    """

    update: Update
    roots: Sequence[nn.Module]
    changed: Callable[[], list[Tensor]]
    forget: Callable[[], None]
    basis: Callable[[], tuple[object, object]]
    prepare: Callable[[], None]
    record: Callable[[Callable[[], Losses]], tuple[Losses, Replay]]
    reason: str = ""
    shapes: dict[Any, Shape] = field(default_factory=dict)
    based_on: tuple[object, object] = (None, None)
    changes: int = 0
    attributes: list[Attribute] = field(default_factory=list)
    ahead: deque[torch.cuda.Event] = field(default_factory=deque)

    def __call__(self, batches: Batches) -> Losses:
        """Changes the weights by a group of batches."""
        self.prepare()
        if self.reason:
            return self.update(batches)
        basis = self.basis()
        if basis[0] is not self.based_on[0] or basis[1] != self.based_on[1]:
            self.shapes, self.based_on, self.changes = {}, basis, self.changes + 1
            if self.changes > MOST_CHANGES:
                self._stop("the optimizer's numbers change from step to step")
                return self.update(batches)
        tensors = tensors_of(batches)
        key = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        shape = self.shapes.get(key)
        if shape is not None and shape.is_sound and shape.recording is not None:
            self._wait_for_earlier(batches[0].target.device)
            return replayed(shape.recording, tensors)
        losses = self._plain(key, batches)
        self.check_attributes()
        return losses

    def check_attributes(self) -> None:
        """Forgets what is recorded if the modules hold anything else than when it was."""
        if any(attribute.is_changed() for attribute in self.attributes):
            self.shapes, self.attributes = {}, []

    def _plain(self, key: Any, batches: Batches) -> Losses:
        """Takes a plain step, on batches of which no recording is sound yet."""
        shape = self.shapes.get(key)
        if shape is None:
            if len(self.shapes) == MOST_SHAPES:
                return self.update(batches)
            shape = self.shapes[key] = Shape()
        if shape.steps < PLAIN_STEPS:
            return self._watched(shape, batches)
        if shape.recording is None:
            return self._recorded(shape, batches)
        return self._compared(shape, shape.recording, batches)

    def _watched(self, shape: Shape, batches: Batches) -> Losses:
        """Takes a step, and sees whether Python changes anything in it or waits for the GPU."""
        device = batches[0].target.device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        before, attributes = generator_states(on_devices=False), attributes_of(self.roots)
        with noticing_waits(device) as waits:
            losses = self.update(batches)
        shape.steps += 1
        if before != generator_states(on_devices=False):
            self._stop("the model draws random numbers on the CPU")
        elif shape.steps > 1 and any(attribute.is_changed() for attribute in attributes):  # the first may make some
            self._stop("the model or the loss keeps something of its own from step to step")
        elif shape.steps == PLAIN_STEPS and waits:
            self._stop("a step waits for the GPU, to read a number or to choose rows")
        return losses

    def _recorded(self, shape: Shape, batches: Batches) -> Losses:
        """Records a step on batches of this shape, and takes it."""
        device, tensors = batches[0].target.device, self.changed()
        if any(tensor.layout is not torch.strided for tensor in tensors):
            self._stop("the model has sparse tensors")
        elif device.type == "cuda" and not fits(device, tensors):
            self._stop("the memory of a step is too much to be kept")
        else:
            static, attributes = copies_of(batches), attributes_of(self.roots)
            try:
                losses, replay = self.record(lambda: self.update(static))
                shape.recording = Recording(tensors_of(static), losses, replay, {})
            except Exception as error:  # whatever a step does that cannot be recorded
                self._stop(" ".join(str(error.__context__ or error).split())[:200])
            self.forget()
            for attribute in attributes:
                attribute.restore()  # no kernel has written what a recording made
            self.attributes = self.attributes or attributes
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
        alike = all(map(is_close, numbers_in(fast), numbers_in(losses)))
        if not alike or any(map(differs, after, tensors, before)):
            self._stop("a recorded step computes something else")
        shape.is_sound = True
        return losses

    def _wait_for_earlier(self, device: torch.device) -> None:
        """Waits for the step some steps ago."""
        if device.type == "cuda":
            event = self.ahead.popleft() if len(self.ahead) == AHEAD else torch.cuda.Event()
            event.synchronize()
            event.record(torch.cuda.current_stream(device))
            self.ahead.append(event)

    def _stop(self, reason: str) -> None:
        """Takes all further steps one by one."""
        self.reason, self.shapes, self.attributes = reason, {}, []
        log.info("steps   are not recorded as CUDA graphs: %s", reason)


def replayed(recording: Recording, tensors: Sequence[Tensor]) -> Losses:
    """Takes the recorded step on the tensors of batches, which are copied unless they are those of the last step."""
    for place, (static, tensor) in enumerate(zip(recording.inputs, tensors, strict=True)):
        last, version = recording.shown.get(place, (None, 0))
        if last is None or last() is not tensor or version != tensor._version:
            static.copy_(tensor, non_blocking=True)
            recording.shown[place] = ref(tensor), tensor._version
    recording.replay()
    means = [mean.clone() for mean in recording.losses.means]
    return Losses(means, [one.clone() if isinstance(one, Tensor) else one for one in recording.losses.weights])


def numbers_in(losses: Losses) -> list[float]:
    """Returns all numbers that a step reports."""
    return [number for part in (*losses.means, *losses.weights) for number in torch.as_tensor(part).flatten().tolist()]


class GraphRecorder:
    """Records CUDA graphs, which take their memory from a pool that they share.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.index = torch.cuda.current_device() if device.index is None else device.index
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], Losses]) -> tuple[Losses, Replay]:
        """Records what a function does on the GPU; returns what it returned, and the replay.

        Raises:
            Exception: of the function; streams and generator of the GPU are as they were.
        """
        with torch.cuda.device(self.index):
            graph, stream, own = torch.cuda.CUDAGraph(), torch.cuda.current_stream(), torch.cuda.Stream()
            generator = torch.cuda.default_generators[self.index]
            whole = generator.clone_state()
            try:
                # Other threads may use the GPU meanwhile.
                with torch.cuda.graph(graph, pool=self.pool, stream=own, capture_error_mode="thread_local"):
                    losses = work()
            except BaseException:
                torch.cuda.set_stream(stream)
                generator.graphsafe_set_state(whole)  # the present one waits for the end of the recording
                raise
        return losses, graph.replay


def fits(device: torch.device, changed: Sequence[Tensor]) -> bool:
    """Tells whether a GPU has room for a recorded step, and for comparing it with a plain one.

    Args:
        device: the GPU, whose memory at most was counted from before a step.
        changed: the tensors that a step changes, which the comparison copies.
    """
    taken = torch.cuda.memory_allocated(device)
    step = torch.cuda.max_memory_allocated(device) - taken
    free, _ = torch.cuda.mem_get_info(device)
    left = free + torch.cuda.memory_reserved(device) - taken
    return 2 * step + 4 * sum(tensor.nbytes for tensor in changed) <= left


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


def copies_of(batches: Sequence[Batch]) -> Batches:
    """Returns copies of batches; shares of mixed samples become numbers on the device."""

    def copied(part: Tensor | None) -> Tensor | None:
        return None if part is None else part.clone()

    def mixed(mixing: Mixing, device: torch.device) -> Mixing:
        return Mixing(mixing.partners.clone(), torch.as_tensor(mixing.share, device=device))

    return tuple(
        Batch(
            tuple(tensor.clone() for tensor in batch.inputs),
            batch.target.clone(),
            copied(batch.weights),
            None if batch.mixing is None else mixed(batch.mixing, batch.target.device),
            copied(batch.fold),
        )
        for batch in batches
    )


def is_close(one: float, other: float) -> bool:
    """Tells whether two numbers that a step reports are as good as the same; all that are not finite are."""
    if not math.isfinite(one):
        return not math.isfinite(other)
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-7)


def differs(tensor: Tensor, other: Tensor, before: Tensor) -> bool:
    """Tells whether two results of a step are further apart than kernels that add in any order make them."""
    if torch.equal(tensor, other):
        return False
    finite = other.isfinite()  # bounds may be infinite
    if not other.is_floating_point() or not torch.equal(tensor.isfinite(), finite):
        return True
    apart, moved = ((tensor - one)[finite].double().norm() for one in (other, before))
    return not bool(apart <= TOLERANCE * moved + torch.finfo(tensor.dtype).eps * other[finite].double().norm())

"""Lets torch's compiler translate the passes of a model for the time of its training (`trainer.compile`).

Batches of one shape take the compiled passes in training, all others the model's own. All code is compiled before the
first step, on a copy of the model, and none later: which code a batch takes depends on the batch alone, so that a
resumed run computes the same.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from statistics import median
from time import perf_counter
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.models.names import name_of, picked_models
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.training.loop import loss_of
from dltrain.training.random_state import undisturbed
from dltrain.types import Batch, Unfreezing

WARM_UP = 2  # passes; the first compiles, and the second does where a model stores what the first one has left
REPEATS = 10  # measured passes, after one more

Shapes = tuple[tuple[int, ...], ...]


class Gain(NamedTuple):
    """What the compiler gains.

    Args:
        compiling: seconds that it took, with the import of the compiler.
        plain: seconds of a forward and a backward pass without it.
        compiled: seconds with it.
    """

    compiling: float
    plain: float
    compiled: float

    @property
    def break_even(self) -> float:
        """Returns the number of steps after which it has saved as much time as it took; infinite if it saves none."""
        saved = self.plain - self.compiled
        return self.compiling / saved if saved > 0 else math.inf

    def describe(self, steps: int) -> str:
        """Returns it as a sentence, for a run of so many steps."""
        passes = (
            f"compiling took {self.compiling:.1f} s; forward and backward take {1000 * self.compiled:.3g} ms a step, "
            f"and {1000 * self.plain:.3g} ms without"
        )
        if self.break_even == math.inf:
            return f"{passes}: trainer.compile=false is faster"
        return f"{passes}: it pays off after {math.ceil(self.break_even):,} steps, and this run has {steps:,}"


def check_compiler(device: torch.device) -> None:
    """Makes sure that the compiler finds the program that it hands its code to on this device.

    Raises:
        ConfigError: there is none, or the device has none.
    """
    if device.type == "cpu":
        program = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        missing = f"there is no {program}" if shutil.which(program) is None else ""
        need = "needs a C++ compiler on a CPU"
    elif device.type == "cuda":
        missing = "triton is not installed" if importlib.util.find_spec("triton") is None else ""
        need = "needs the package triton on a GPU"
    else:
        missing, need = f"the device is {device.type}", "works on a CPU or with CUDA"
    if missing:
        raise ConfigError(
            f"torch's compiler {need}, and {missing}",
            where="trainer.compile",
            fix="install it, or do not compile",
            override="trainer.compile=false",
        )


def shapes_of(inputs: Sequence[Tensor]) -> Shapes:
    """Returns the shape of each input of a batch."""
    return tuple(tuple(tensor.shape) for tensor in inputs)


@contextmanager
def compiled(model: nn.Module, task: Task, batch: Batch, precision: Precision) -> Iterator[Gain]:
    """Compiles the passes of a model in training for the block, on copies of it that share the code with it.

    Args:
        model: on its device.
        task: of the model.
        batch: of training; batches of other shapes are not compiled.
        precision: of the forward pass.

    Raises:
        ConfigError: the compiler fails, or its code serves no other copy of the model.
    """
    began = perf_counter()
    torch.compiler.reset()  # what other models of this process have left; imports the compiler
    compiling = perf_counter() - began
    shapes, epochs = shapes_of(batch.inputs), _epochs_of_freezing(model)
    with undisturbed(batch.target.device):
        first, other = deepcopy(model), deepcopy(model)
        _freeze_for(other, epochs[-1])
        plain = median(_seconds_of_passes(other, task, batch, precision, 1 + REPEATS)[1:])
        _translate(first, shapes, "default")
        _translate(other, shapes, "fail_on_recompile")
        try:
            with _quiet_torch():
                for epoch in epochs:
                    _freeze_for(first, epoch)
                    _freeze_for(other, epoch)
                    warming = _seconds_of_passes(first, task, batch, precision, WARM_UP)
                    later = median(_seconds_of_passes(other, task, batch, precision, 1 + REPEATS)[1:])
                    compiling += max(0.0, sum(warming) - WARM_UP * later)
        except Exception as error:  # of torch's compiler, or of the one that it calls
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"torch cannot compile {name_of(model)}: {type(error).__name__}: {reason}",
                where="trainer.compile",
                fix="do not compile",
                override="trainer.compile=false",
            ) from error
    _translate(model, shapes, "eager_on_recompile")
    try:
        yield Gain(compiling, plain, later)
    finally:
        del model.forward


def _translate(
    model: nn.Module, shapes: Shapes, stance: Literal["default", "fail_on_recompile", "eager_on_recompile"]
) -> None:
    """Gives a model compiled passes for batches of those shapes in training.

    Args:
        model: to be changed.
        shapes: of the inputs.
        stance: of torch's compiler, where it has no code yet that serves a batch.
    """
    plain = model.forward
    fast = torch.compile(plain, dynamic=False)

    def forward(*inputs: Tensor, **options: Any) -> Any:
        if not model.training or shapes_of(inputs) != shapes:
            return plain(*inputs, **options)
        with torch.compiler.set_stance(stance):
            return fast(*inputs, **options)

    model.forward = forward


def _epochs_of_freezing(model: nn.Module) -> list[int]:
    """Returns the first epoch of each set of parameters that the model trains, counted from 0."""
    unfreezing = [picked.unfreeze_epoch for picked in picked_models(model) if isinstance(picked, Unfreezing)]
    return sorted({0, *(epoch for epoch in unfreezing if epoch is not None)})


def _freeze_for(model: nn.Module, epoch: int) -> None:
    """Puts a model into training mode, with those parameters frozen that are in an epoch."""
    for picked in picked_models(model):
        if isinstance(picked, Unfreezing):
            picked.freeze_for(epoch)
    model.train()


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Keeps torch's warnings from the console, which are about its compiler and not about the run."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return record.levelno != logging.WARNING

    loggers = [each for name, each in logging.root.manager.loggerDict.items() if name.partition(".")[0] == "torch"]
    handlers = [handler for each in loggers if isinstance(each, logging.Logger) for handler in each.handlers]
    for handler in handlers:
        handler.addFilter(is_wanted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_wanted)


def _seconds_of_passes(model: nn.Module, task: Task, batch: Batch, precision: Precision, count: int) -> list[float]:
    """Returns the seconds of each of so many forward and backward passes in training."""
    model.train()
    taken = []
    for _ in range(count):
        began = perf_counter()
        with autocast(precision, batch.target.device):
            loss = loss_of(model, task, batch)
        loss.backward()
        if batch.target.device.type == "cuda":
            torch.cuda.synchronize(batch.target.device)
        taken.append(perf_counter() - began)
    return taken

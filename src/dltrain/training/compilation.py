"""Lets torch's compiler translate the passes of a model for the time of its training (`trainer.compile`).

Full batches of training take the compiled passes, all others the model's own, so that one translation is enough and
what is computed depends on the batch alone: a resumed run computes the same.
"""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.models.names import name_of
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.training.loop import loss_of
from dltrain.training.random_state import undisturbed
from dltrain.types import Batch

REPEATS = 10  # measured passes, after one that warms up


class Gain(NamedTuple):
    """What the compiler gains.

    Args:
        compiling: seconds that it took.
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


@contextmanager
def compiled(model: nn.Module, task: Task, batch: Batch, precision: Precision) -> Iterator[Gain]:
    """Compiles the passes of a model in training for the block, measured on a copy of it.

    Args:
        model: on its device.
        task: of the model.
        batch: a full batch of training; batches of another size are not compiled.
        precision: of the forward pass.

    Raises:
        ConfigError: the compiler fails.
    """
    torch.compiler.reset()  # what other models of this process have left
    with undisturbed(batch.target.device):
        plain = _seconds_of_passes(deepcopy(model), task, batch, precision)[1]
        twin = deepcopy(model)
        _translate(twin, len(batch.target))
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="TensorFloat32")  # trainer.precision=tf32 is for that
                first, later = _seconds_of_passes(twin, task, batch, precision)
        except Exception as error:  # of torch's compiler, or of the one that it calls
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"torch cannot compile {name_of(model)}: {type(error).__name__}: {reason}",
                where="trainer.compile",
                fix="do not compile",
                override="trainer.compile=false",
            ) from error
    _translate(model, len(batch.target))
    try:
        yield Gain(max(0.0, first - later), plain, later)
    finally:
        del model.forward


def _translate(model: nn.Module, size: int) -> None:
    """Gives a model compiled passes for batches of that size in training."""
    plain = model.forward
    # Each shape has code of its own: code for several shapes would depend on the order in which they came.
    fast = torch.compile(plain, dynamic=False)

    def forward(*inputs: Tensor, **options: Any) -> Any:
        return (fast if model.training and len(inputs[0]) == size else plain)(*inputs, **options)

    model.forward = forward


def _seconds_of_passes(model: nn.Module, task: Task, batch: Batch, precision: Precision) -> tuple[float, float]:
    """Returns the seconds of the first forward and backward pass in training, and the median of later ones."""
    model.train()
    taken = []
    for _ in range(2 + REPEATS):
        began = perf_counter()
        with autocast(precision, batch.target.device):
            loss = loss_of(model, task, batch)
        loss.backward()
        if batch.target.device.type == "cuda":
            torch.cuda.synchronize(batch.target.device)
        taken.append(perf_counter() - began)
    return taken[0], median(taken[2:])

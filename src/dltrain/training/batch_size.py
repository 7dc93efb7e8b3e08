"""`trainer.batch_size=auto`: the most samples a step that the memory holds, found by taking steps."""

from __future__ import annotations

import gc
import os
import resource
import sys
from copy import deepcopy

import torch
from torch import nn

from dltrain.errors import OutOfMemory, explained
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.training.random_state import restore_random_state, save_random_state
from dltrain.types import BatchTransform, Split

SMALLEST = 16
LARGEST_ON_CPU = 1024  # beyond it a step only takes longer, and a CPU that runs out of memory kills without a word
SHARE_OF_MEMORY = 0.5  # of what is free, on the CPU


def find_batch_size(
    model: nn.Module,
    task: Task,
    split: Split,
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> int:
    """The largest power of two, at most the split, whose step fits; the model and all random numbers stay as they are.

    Raises:
        OutOfMemory: not even the smallest one does.
    """
    before = save_random_state(device)
    most = len(split) if device.type != "cpu" else min(len(split), LARGEST_ON_CPU)
    free = _free_memory()
    found, size = 0, min(SMALLEST, most)
    try:
        while size <= most:
            at_start = _peak_memory()
            _take_step(model, task, split, size, prepare, precision, device)
            found, size = size, 2 * size
            if device.type == "cpu" and 2 * (_peak_memory() - at_start) > SHARE_OF_MEMORY * free:
                break  # twice as many samples take about twice as much
    except Exception as error:
        if not isinstance(known := explained(error), OutOfMemory):
            raise
        if not found:
            raise known from error
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        restore_random_state(before, device)
    return found


def _take_step(
    model: nn.Module,
    task: Task,
    split: Split,
    size: int,
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> None:
    """One step of a copy of the model, with an optimizer that keeps two more values a weight, as most do."""
    twin = deepcopy(model).train()
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.0)
    inputs = tuple(tensor[:size].to(device) for tensor in split.inputs)
    with autocast(precision, device):
        output = twin(*(inputs if prepare is None else prepare(inputs)))
        loss = task.objective(output, split.target[:size].to(device))
    loss.backward()
    optimizer.step()


def _peak_memory() -> int:
    """The most bytes that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _free_memory() -> int:
    """Bytes of memory that nobody uses."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

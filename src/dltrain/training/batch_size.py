"""Finds the largest batch that fits into memory, for `trainer.batch_size=auto`, by taking steps of growing batches."""

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
LARGEST_ON_CPU = 1024  # larger batches only take longer, and Linux kills a process that runs out of memory
SHARE_OF_MEMORY = 0.5  # of what is free, on the CPU


def find_batch_size(
    model: nn.Module,
    task: Task,
    split: Split,
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> int:
    """Returns the largest power of two, at most the size of the split, whose step fits into memory.

    The model and all random number generators stay as they are.

    Raises:
        OutOfMemory: not even the smallest batch fits.
    """
    before = save_random_state(device)
    most = len(split) if device.type != "cpu" else min(len(split), LARGEST_ON_CPU)
    free = _free_memory()
    largest, size = 0, min(SMALLEST, most)
    try:
        while size <= most:
            at_start = _peak_memory()
            _take_step(model, task, split, size, prepare, precision, device)
            largest, size = size, 2 * size
            if device.type == "cpu" and 2 * (_peak_memory() - at_start) > SHARE_OF_MEMORY * free:
                break  # twice as many samples take about twice as much
    except Exception as error:
        if not isinstance(explanation := explained(error), OutOfMemory):
            raise
        if not largest:
            raise explanation from error
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        restore_random_state(before, device)
    return largest


def _take_step(
    model: nn.Module,
    task: Task,
    split: Split,
    size: int,
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> None:
    """Takes one step with a copy of the model and Adam, which stores two values a weight, like most optimizers."""
    twin = deepcopy(model).train()
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.0)
    inputs = tuple(tensor[:size].to(device) for tensor in split.inputs)
    with autocast(precision, device):
        output = twin(*(inputs if prepare is None else prepare(inputs)))
        loss = task.objective(output, *(part[:size].to(device) for part in split.weighted_target))
    loss.backward()
    optimizer.step()


def _peak_memory() -> int:
    """Returns the largest number of bytes that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _free_memory() -> int:
    """Returns the number of free bytes of memory on this machine."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

"""The recorded examples of a run and its model's outputs on them, with which a loaded model is compared."""

from __future__ import annotations

import csv
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import CheckpointError
from dltrain.runs.folder import RunDir
from dltrain.storage import write_bytes
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.training.checkpoint import read_tensors
from dltrain.types import BatchTransform

INPUTS, OUTPUTS = "inputs.safetensors", "outputs.safetensors"
LARGEST, FEWEST = 2**16, 8  # input numbers that loading a model predicts again, and the least number of samples
AT_ONCE = 16  # samples per batch of a language model, whose outputs are large
MOST_NUMBERS = 64  # per sample, evenly spread over its output
# Relative to the largest output. Kernels of other devices and machines add in another order, and some round more.
TOLERANCE: Mapping[Precision, float] = {"float32": 1e-3, "tf32": 5e-3, "bfloat16": 0.05, "float16": 0.02}


def record_outputs(
    run: RunDir,
    model: nn.Module,
    task: Task,
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> None:
    """Writes the model's raw outputs on the run's examples next to them."""
    inputs = read_inputs(run)
    if inputs is not None:
        outputs = outputs_of(model, task, inputs, prepare, precision, device)
        write_bytes(run.examples / OUTPUTS, safetensors_bytes({"output": outputs}))


def read_inputs(run: RunDir, *, every: bool = False) -> tuple[Tensor, ...] | None:
    """Returns the stored inputs of the examples, `(N, ...)` each, fewer of large ones; None if the run has none.

    Args:
        run: the run's folder.
        every: whether to return all of them, whatever their size.

    Raises:
        CheckpointError: the file is damaged.
    """
    tensors = _read(run, INPUTS)
    names = [f"input_{number}" for number in range(len(tensors))]
    if any(name not in tensors for name in names):
        raise CheckpointError(
            f"{run.examples / INPUTS} is damaged: it contains {', '.join(tensors)}", fix="train again"
        )
    if not names:
        return None
    size = sum(tensor[0].numel() for tensor in tensors.values() if len(tensor))
    count = len(tensors[names[0]]) if every else max(FEWEST, LARGEST // max(1, size))
    return tuple(tensors[name][:count] for name in names)


def read_errors(run: RunDir) -> NDArray[np.float64]:
    """Returns the error of each example, `(N,)`, from examples.csv."""
    with (run.examples / "examples.csv").open(newline="", encoding="utf-8") as file:
        return np.array([float(row["error"]) for row in csv.DictReader(file)])


def read_outputs(run: RunDir) -> Tensor | None:
    """Returns the recorded outputs on the examples, `(N, numbers)`; None in folders of older versions.

    Raises:
        CheckpointError: the file is damaged.
    """
    return _read(run, OUTPUTS).get("output")


@torch.no_grad()
def outputs_of(
    model: nn.Module,
    task: Task,
    inputs: tuple[Tensor, ...],
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> Tensor:
    """Returns a model's outputs on stored inputs, members combined, `(N, numbers)` float32 on the CPU.

    Of long outputs, such as those of a language model, only some numbers are returned.
    """
    model.eval()
    parts = []
    size = AT_ONCE if task.causal else len(inputs[0])
    for start in range(0, len(inputs[0]), size):
        stored = tuple(tensor[start : start + size].to(device) for tensor in inputs)
        with autocast(precision, device):
            output = model(*(stored if prepare is None else prepare(stored)))
            output = task.computed(task.combine_members(output))
        flat = output.flatten(1)
        chosen = torch.linspace(0, flat.shape[1] - 1, min(MOST_NUMBERS, flat.shape[1])).long()
        parts.append(flat[:, chosen.to(flat.device)].float().cpu())
    width = max(part.shape[1] for part in parts)  # batches of short answers may have fewer numbers
    return torch.cat([functional.pad(part, (0, width - part.shape[1])) for part in parts])


def _read(run: RunDir, name: str) -> Mapping[str, Tensor]:
    """Returns the tensors of a file of examples; empty if there is no such file."""
    path = run.own(run.examples / name)
    if not path.exists():
        return {}
    return read_tensors(path, fix="delete it, to load the model without a comparison, or train again")

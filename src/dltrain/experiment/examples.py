"""The recorded examples of a run, and what its model said of them, so that a loaded model can be held against it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from dltrain.errors import CheckpointError
from dltrain.runs.folder import RunDir
from dltrain.storage import write_bytes
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.types import BatchTransform

INPUTS, OUTPUTS = "inputs.safetensors", "outputs.safetensors"
LARGEST, FEWEST = 2**16, 8  # numbers that are predicted again whenever a model is loaded, and samples in any case
AT_ONCE = 16  # samples, where an output for each position and each token is large
MOST_NUMBERS = 64  # of each sample, evenly spread over its output


def record_outputs(
    run: RunDir,
    model: nn.Module,
    task: Task,
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> None:
    """Writes what the model says of the run's examples beside them, before it becomes predictions."""
    inputs = read_inputs(run)
    if inputs is not None:
        said = outputs_of(model, task, inputs, prepare, precision, device)
        write_bytes(run.examples / OUTPUTS, safetensors_bytes({"output": said}))


def read_inputs(run: RunDir) -> tuple[Tensor, ...] | None:
    """Returns the stored inputs of the examples, `(N, ...)` each, of large ones fewer; nothing where the run has none.

    Raises:
        CheckpointError: the file is damaged.
    """
    tensors = _read(run, INPUTS)
    names = [f"input_{number}" for number in range(len(tensors))]
    if any(name not in tensors for name in names):
        raise CheckpointError(f"{run.examples / INPUTS} is damaged: it holds {', '.join(tensors)}", fix="train again")
    if not names:
        return None
    size = sum(tensor[0].numel() for tensor in tensors.values() if len(tensor))
    count = max(FEWEST, LARGEST // max(1, size))
    return tuple(tensors[name][:count] for name in names)


def read_outputs(run: RunDir) -> Tensor | None:
    """Returns what was recorded of the examples, `(N, numbers)`; nothing in folders of older versions.

    Raises:
        CheckpointError: the file is damaged.
    """
    return _read(run, OUTPUTS).get("output")


@torch.inference_mode()
def outputs_of(
    model: nn.Module,
    task: Task,
    inputs: tuple[Tensor, ...],
    prepare: BatchTransform | None,
    precision: Precision,
    device: torch.device,
) -> Tensor:
    """Returns what a model says of stored inputs, members merged, `(N, numbers)` float32 on the CPU.

    Of long outputs, such as those of a language model, some numbers stand for all.
    """
    model.eval()
    parts = []
    size = AT_ONCE if task.causal else len(inputs[0])
    for start in range(0, len(inputs[0]), size):
        stored = tuple(tensor[start : start + size].to(device) for tensor in inputs)
        with autocast(precision, device):
            output = task.combine_members(model(*(stored if prepare is None else prepare(stored))))
        flat = output.flatten(1)
        chosen = torch.linspace(0, flat.shape[1] - 1, min(MOST_NUMBERS, flat.shape[1])).long()
        parts.append(flat[:, chosen.to(flat.device)].float().cpu())
    return torch.cat(parts)


def _read(run: RunDir, name: str) -> Mapping[str, Tensor]:
    """The tensors of a file of examples; none where there is no such file."""
    path = run.own(run.examples / name)
    if not path.exists():
        return {}
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error}", fix="delete it: then nothing is compared with it, or train again"
        ) from None

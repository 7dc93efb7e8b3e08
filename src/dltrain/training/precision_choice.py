"""Chooses the precision of forward passes (`trainer.precision=auto`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

import torch
from torch import nn

from dltrain.tasks.evaluation import evaluate
from dltrain.tasks.precision import Precision
from dltrain.tasks.task import Task
from dltrain.types import Loader

# Multiplications of a training step's forward pass. Measured on one core with AMX: a multilayer perceptron with 1
# million takes twice as long in bfloat16, one with 34 million and a convolutional network with 500 million two thirds
# of the time; on one with AVX-512 alone, a step of a transformer with 10 billion takes a quarter.
WORTH = 50_000_000
LARGEST_DIFFERENCE = 0.01  # of the loss
INSTRUCTIONS = "_is_amx_tile_supported", "_is_avx512_bf16_supported"  # torch.cpu tells whether the processor has them


def choose_precision(
    model: nn.Module, task: Task, loader: Loader, device: torch.device, multiplications: int
) -> tuple[Precision, str]:
    """Returns the fastest precision in which the first batch has almost the same loss, and the reason: bfloat16, on a
    GPU else TF32, else float32.

    It depends on the machine and the size of a step, never on a timing.

    Args:
        model: on its device, before training.
        task: what it learns.
        loader: of the validation split, or of the training split in its order.
        device: of the model.
        multiplications: of a training step's forward pass.
    """
    able: Mapping[Precision, bool] = {"bfloat16": multiplies_bfloat16(device), "tf32": multiplies_tf32(device)}
    fast = [precision for precision, is_fast in able.items() if is_fast]
    if not fast:
        return "float32", f"{device} does not multiply shorter numbers faster"
    if multiplications < WORTH:
        return "float32", f"a step of {multiplications / 1e6:,.1f} million multiplications is too small to gain"
    batch = list(islice(loader, 1))
    plain = evaluate(model, task, batch)["loss"]
    losses: dict[Precision, float] = {}
    for precision in fast:
        losses[precision] = short = evaluate(model, task, batch, precision)["loss"]
        if math.isfinite(short) and abs(short - plain) <= LARGEST_DIFFERENCE * abs(plain):
            return (
                precision,
                f"{device} multiplies it faster, and a batch has the loss {short:.4g}, in float32 {plain:.4g}",
            )
    others = " and ".join(f"{loss:.4g} in {precision}" for precision, loss in losses.items())
    return "float32", f"the loss of a batch is {others}, and {plain:.4g} in float32"


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tells whether a device multiplies bfloat16 in one instruction: a GPU's units, or a processor's AMX or AVX-512."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in INSTRUCTIONS)


def multiplies_tf32(device: torch.device) -> bool:
    """Tells whether a device multiplies numbers of TF32: a GPU of Nvidia's from compute capability 8.0 on."""
    return device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)

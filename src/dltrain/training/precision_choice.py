"""Chooses the precision of forward passes (`trainer.precision=auto`)."""

from __future__ import annotations

import math
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
    """Returns bfloat16 where it is fast and the first batch has almost the same loss, else float32; and the reason.

    It depends on the machine and the size of a step, never on a timing.

    Args:
        model: on its device, before training.
        task: what it learns.
        loader: of the validation split, or of the training split in its order.
        device: of the model.
        multiplications: of a training step's forward pass.
    """
    if not multiplies_bfloat16(device):
        return "float32", f"{device} does not multiply bfloat16 faster"
    if multiplications < WORTH:
        return "float32", f"a step of {multiplications / 1e6:,.1f} million multiplications is too small to gain"
    plain, short = (
        evaluate(model, task, list(islice(loader, 1)), precision)["loss"] for precision in ("float32", "bfloat16")
    )
    if not math.isfinite(short) or abs(short - plain) > LARGEST_DIFFERENCE * abs(plain):
        return "float32", f"the loss of a batch is {short:.4g} in bfloat16 and {plain:.4g} in float32"
    return "bfloat16", f"{device} multiplies it faster, and a batch has the loss {short:.4g}, in float32 {plain:.4g}"


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tells whether a device multiplies bfloat16 in one instruction: a GPU's units, or a processor's AMX or AVX-512."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in INSTRUCTIONS)

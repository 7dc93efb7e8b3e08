"""The precision of a forward pass, as `trainer.precision` names it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass runs with that precision; float32 until `auto` has been settled."""
    if precision in ("auto", "float32"):
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))

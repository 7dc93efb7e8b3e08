"""The precision of passes through a model, as `trainer.precision` names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "float32", "tf32", "bfloat16", "float16"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass runs with that precision; float32 until `auto` has been settled."""
    if precision in ("auto", "float32"):
        return nullcontext()
    return tf32_products() if precision == "tf32" else torch.autocast(device.type, dtype=getattr(torch, precision))


def backward_pass(precision: Precision) -> AbstractContextManager[object]:
    """Returns the context in which a backward pass runs, whose operations take the types of the forward pass."""
    return tf32_products() if precision == "tf32" else nullcontext()


@contextmanager
def tf32_products() -> Iterator[None]:
    """Lets a GPU multiply matrices of float32 in TF32 inside the block, which has 10 bits of a number instead of 23."""
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32"
    try:
        yield
    finally:
        products.fp32_precision = before

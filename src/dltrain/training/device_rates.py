"""The learning rates of an optimizer on a GPU, and what else of it a recorded step depends on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from dltrain.training.state import RATES

READ_ANEW = {"params", "capturable", *RATES}  # in an optimizer's groups: what a recorded step does not hold as it was


class DeviceRates:
    """The learning rates of an optimizer as numbers on the GPU, from which a recorded step reads them.

    The optimizer's groups keep theirs, which a schedule sets.

    Args:
        optimizer: whose groups they are.
        device: of the parameters.
        dtype: of the numbers; torch's fused optimizers read float32.
    """

    def __init__(self, optimizer: Optimizer, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.optimizer = optimizer
        self.rates = [torch.zeros((), dtype=dtype, device=device) for _ in optimizer.param_groups]
        self.written = [math.nan for _ in self.rates]

    def follow(self) -> None:
        """Takes over the learning rates of the groups."""
        for place, (group, rate) in enumerate(zip(self.optimizer.param_groups, self.rates, strict=True)):
            if group["lr"] != self.written[place]:
                self.written[place] = group["lr"]
                rate.fill_(group["lr"])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Lets the optimizer read them in the steps that it takes inside the block."""
        groups = self.optimizer.param_groups
        before = [group["lr"] for group in groups]
        # torch refuses to record a step, and warns of one that is not recorded, unless the groups say which it is.
        capturing = self.rates[0].device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        switch = {"capturable": capturing} if "capturable" in groups[0] else {}
        try:
            for group, rate in zip(groups, self.rates, strict=True):
                group.update({"lr": rate, **switch})
            yield
        finally:
            for group, rate in zip(groups, before, strict=True):
                group.update({"lr": rate, **dict.fromkeys(switch, False)})


def why_not_recorded(optimizer: Optimizer) -> str:
    """Returns why the steps of an optimizer cannot be recorded, in words; empty if they can."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        return f"{type(optimizer).__name__} is none of the optimizers SGD, Adam and AdamW"
    if not all(group.get("fused") for group in optimizer.param_groups):
        return "they need optimizer.fused=true"
    if any(group.get("capturable") for group in optimizer.param_groups):
        return "optimizer.capturable is set"
    return ""


def changed_by(model: nn.Module, optimizer: Optimizer) -> list[Tensor]:
    """Returns all tensors that a step of an optimizer changes: weights, buffers and the optimizer's own."""
    stored = (value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor))
    return [*model.parameters(), *model.buffers(), *stored]


def basis_of(optimizer: Optimizer) -> tuple[object, object]:
    """Returns the state of an optimizer, and the numbers of its groups other than learning rates."""
    numbers = [value for group in optimizer.param_groups for name, value in group.items() if name not in READ_ANEW]
    return optimizer.state, numbers

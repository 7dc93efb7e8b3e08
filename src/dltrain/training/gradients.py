"""Limits and forgets gradients, as torch does to the last digit, but in fewer calls a step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@torch.no_grad()
def clip_norm(parameters: Sequence[Tensor], largest: float) -> None:
    """Scales the gradients of all parameters together so that their norm is at most `largest`.

    On a GPU `torch.nn.utils.clip_grad_norm_` does it in few kernels. A CPU waits for nobody, so that there gradients
    are only scaled where their norm is too large, or no number.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients or any(gradient.device.type != "cpu" for gradient in gradients):
        nn.utils.clip_grad_norm_(parameters, largest)
        return
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    share = torch.clamp(largest / (norm + 1e-6), max=1.0)
    if share.item() != 1.0:
        for gradient in gradients:
            gradient.mul_(share)


def forget_gradients(optimizer: Optimizer) -> None:
    """Sets the gradients of an optimizer's parameters to none, by its own `zero_grad` where it has one."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad or "zero_grad" in vars(optimizer):
        optimizer.zero_grad(set_to_none=True)
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None

"""Warnings about a model that can be trained, and probably not as its author wants."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dltrain.tasks.losses import Loss

FEW = 5  # layers that are named
# Steps after which the numbers of an output are still the same.
SAME_NUMBERS = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "Permute", "ToCopy", "Clone")


def untrained_layers(model: nn.Module, name: str) -> list[str]:
    """Returns a warning if some parameters got no gradient from a backward pass, else nothing.

    Args:
        model: the model, after a backward pass.
        name: its name in the config.
    """
    lacking = [
        parameter_name
        for parameter_name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    if not lacking:
        return []
    layers = list(dict.fromkeys(one.rpartition(".")[0] or one for one in lacking))
    more = f" and {len(layers) - FEW} more" if len(layers) > FEW else ""
    verb = "is" if len(layers) == 1 else "are"
    return [
        f"{', '.join(layers[:FEW])}{more} of {name} {verb} not trained, because no gradient reaches the parameters: "
        "look for detach() and torch.no_grad() after them, or leave them out if forward does not use them"
    ]


def squashed_output(output: Tensor, loss: Loss, name: str) -> list[str]:
    """Returns a warning if a model ends with a softmax or a sigmoid and the loss applies one itself, else nothing.

    Args:
        output: the model's output `(..., out_features)`, with its graph.
        loss: the loss.
        name: the name of the model in the config.
    """
    if not loss.takes_logits:
        return []
    step = _last_step(output)
    values = output.detach().float()
    sums = values.sum(dim=-1)
    are_shares = output.shape[-1] > 1 and bool((values >= 0).all()) and torch.allclose(sums, torch.ones_like(sums))
    function = "softmax" if are_shares or step.startswith("Softmax") else "sigmoid" * step.startswith("Sigmoid")
    if not function:
        return []
    return [
        f"{name} ends with a {function}, and {type(loss).__name__} applies one itself, so that training is slow and "
        "the probabilities are wrong: return the scores before it"
    ]


def _last_step(output: Tensor) -> str:
    """Returns the name of the operation that computed an output's numbers; empty if it has no graph."""
    node = output.grad_fn
    while node is not None and node.name().startswith(SAME_NUMBERS) and node.next_functions:
        node = node.next_functions[0][0]
    return node.name() if node is not None else ""

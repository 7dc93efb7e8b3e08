"""A first look at a model: does it take the data, and what does a sample cost?"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from dltrain.errors import DataError
from dltrain.types import Data, Spec


def try_model(model: nn.Module, data: Data, spec: Spec, name: str) -> int:
    """Runs two samples through the model, on the CPU, without a trace in its state.

    Returns:
        The multiplications that one sample costs in linear and convolutional layers.

    Raises:
        DataError: the model fails on them, or its output has another shape than the task asks for.
    """
    counts: list[int] = []

    def count(layer: nn.Module, inputs: Any, output: Any) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(layer, nn.Embedding):  # looks up
            return
        if isinstance(weight, torch.Tensor) and weight.dim() > 1 and isinstance(output, torch.Tensor):
            counts.append(output[0].numel() // weight.shape[0] * weight.numel())

    hooks = [layer.register_forward_hook(count) for layer in model.modules()]
    inputs = tuple(tensor[:2] for tensor in data.splits["train"].inputs)
    samples = len(inputs[0])
    model.eval()
    try:
        with torch.no_grad():
            output = model(*(inputs if data.prepare is None else data.prepare(inputs)))
    except Exception as error:
        shape = "×".join(map(str, spec.input_shape))
        raise DataError(f"{name} fails on an input of shape {shape}: {error}", where="model") from error
    finally:
        for hook in hooks:
            hook.remove()
    length = inputs[0].shape[1:2] if spec.causal else ()
    wanted = (samples, *length, spec.out_features)
    members = () if spec.causal else output.shape[1:-1][:1]  # of a model that is several
    if tuple(output.shape) not in (wanted, (samples, *members, spec.out_features)):
        raise DataError(
            f"{name} gives an output of shape {tuple(output.shape)}, where {wanted} is asked for",
            where="model",
            fix="let its last layer have spec.out_features outputs",
        )
    return sum(counts)

"""The inputs of a model's last linear layer: what it has made of a sample before it answers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dltrain.types import BatchTransform


@torch.no_grad()
def last_layer_inputs(
    model: nn.Module, inputs: tuple[Tensor, ...], prepare: BatchTransform | None, batch: int
) -> Iterator[Tensor]:
    """Yields the inputs `(B, F)` of the linear layer that is called last, batch by batch; nothing if there is none.

    Args:
        model: is set to evaluation.
        inputs: `(N, ...)`, on the model's device.
        prepare: what loaders do to a batch.
        batch: samples at once.
    """
    last_input: list[Tensor] = []

    def remember(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        last_input[:] = [arguments[0].detach()]  # overwritten until the last layer is called

    hooks = [layer.register_forward_pre_hook(remember) for layer in model.modules() if isinstance(layer, nn.Linear)]
    model.eval()
    try:
        for start in range(0, len(inputs[0]), batch):
            part = tuple(tensor[start : start + batch] for tensor in inputs)
            model(*(part if prepare is None else prepare(part)))
            if not last_input:
                return
            yield last_input[0].reshape(len(part[0]), -1)
    finally:
        for hook in hooks:
            hook.remove()

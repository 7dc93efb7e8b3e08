"""How much memory the outputs of a model's layers take."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerOutputs:
    """Adds up, inside a `with` block, the bytes of what layers without layers in them put out: of those with gradients
    what a step keeps.

    Args:
        model: the model.
    """

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0
        self.layers = [
            layer
            for layer in model.modules()
            if not isinstance(layer, torch.jit.ScriptModule) and not [*layer.children()]
        ]

    def __enter__(self) -> LayerOutputs:
        self.hooks = [layer.register_forward_hook(self._add) for layer in self.layers]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _add(self, _: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor) and (output.requires_grad or not torch.is_grad_enabled()):
            places = [one.data_ptr() for one in inputs if isinstance(one, Tensor)]
            if output.data_ptr() not in places:
                self.bytes += output.numel() * output.element_size()

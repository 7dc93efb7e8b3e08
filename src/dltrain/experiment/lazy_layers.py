"""Lazy layers, such as `nn.LazyLinear`, which take their shapes from the first samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.experiment.outputs import refusal_of


def materialise(model: nn.Module, inputs: tuple[Tensor, ...], name: str) -> None:
    """Sets the shapes of lazy layers by passing samples through the model; leaves other models unchanged.

    Args:
        model: the model, on the CPU; it is in training mode afterwards.
        inputs: at least two samples.
        name: the name of the model in the config.

    Raises:
        ConfigError: the model fails on the samples, or does not use one of its lazy layers.
    """
    for training in (False, True):  # some layers are used only in training
        if not lazy_parts(model):
            return
        model.train(training)
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._NormBase):
                layer.eval()  # keeps these samples out of its statistics
        try:
            with torch.no_grad():
                model(*inputs)
        except Exception as error:
            what = f"{name} fails on the first samples, which give its lazy layers their shapes"
            raise refusal_of(error, what) from error
        finally:
            model.train()
    if unused := lazy_parts(model):
        raise ConfigError(
            f"{name} never uses {', '.join(unused[:3])}, so that the shapes of these lazy layers are unknown",
            where="model",
            fix="leave them out, or give their sizes, with nn.Linear instead of nn.LazyLinear",
        )


def lazy_parts(model: nn.Module) -> list[str]:
    """Returns the names of the parameters and buffers that have no shape yet."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [name for name, tensor in tensors if nn.parameter.is_lazy(tensor)]

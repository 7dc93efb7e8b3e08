"""Layers that learn their shapes from the first samples they see, `nn.LazyLinear` and its like."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.experiment.outputs import refusal_of


def materialise(model: nn.Module, inputs: tuple[Tensor, ...], name: str) -> None:
    """Gives lazy layers their shapes, by a look at samples as the model takes them; other models are left alone.

    Args:
        model: on the CPU; it is in training mode afterwards.
        inputs: two samples at least.
        name: of the model, in the config's words.

    Raises:
        ConfigError: the model fails on the samples, or never uses some lazy layer.
    """
    for training in (False, True):  # some layers are used in training alone
        if not lazy_parts(model):
            return
        model.train(training)
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._NormBase):
                layer.eval()  # these samples are no part of its statistics
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
            f"{name} never uses {', '.join(unused[:3])}, so that nothing tells the shape of these lazy layers",
            where="model",
            fix="leave them out, or give them their sizes, as nn.Linear in place of nn.LazyLinear",
        )


def lazy_parts(model: nn.Module) -> list[str]:
    """Returns the names of the parameters and buffers that have no shape yet."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [name for name, tensor in tensors if nn.parameter.is_lazy(tensor)]

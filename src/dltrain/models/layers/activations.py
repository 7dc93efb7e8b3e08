"""Activations, by the names that configs use."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["relu", "gelu", "silu", "leaky_relu", "elu", "tanh", "sigmoid"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activation_layer(name: Activation) -> nn.Module:
    """Returns the activation of that name, with torch's own defaults."""
    return _ACTIVATIONS[name]()

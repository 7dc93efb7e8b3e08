"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from torch import Tensor, nn

from dltrain.models.layers import Activation, activation_layer
from dltrain.types import Range, Spec

Initialization = Literal["default", "xavier", "kaiming", "normal"]


class MLP(nn.Module):
    """Linear layers with an activation between them; pictures are flattened.

    Args:
        spec: of the data.
        hidden: width of each hidden layer.
        activation: between the layers.
        dropout: probability of dropping a hidden unit.
        batch_norm: whether to normalise each hidden layer over the batch, before the activation.
        initialization: of the weights; `default` is torch's own, `normal` has a standard deviation of 0.01,
            and all but `default` set biases to 0.
    """

    takes = ("table", "image")

    def __init__(
        self,
        spec: Spec,
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 128),
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
        batch_norm: bool = False,
        initialization: Initialization = "default",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = prod(spec.input_shape)
        for next_width in hidden:
            layers.append(nn.Linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(activation_layer(activation))
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = next_width
        layers.append(nn.Linear(width, spec.out_features))
        self.layers = nn.Sequential(*layers)
        initialize(self, initialization)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))  # (B, out_features)


def initialize(model: nn.Module, initialization: Initialization) -> None:
    """Draws the weights of every linear layer anew, biases at 0; `default` leaves them."""
    if initialization == "default":
        return
    for layer in model.modules():
        if not isinstance(layer, nn.Linear):
            continue
        if initialization == "xavier":
            nn.init.xavier_uniform_(layer.weight)
        elif initialization == "kaiming":
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        else:
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(layer.bias)

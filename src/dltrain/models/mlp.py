"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from torch import Tensor, nn

from dltrain.models.layers.activations import Activation, activation_layer
from dltrain.models.layers.piecewise import Embedding, PiecewiseEmbedding
from dltrain.types import Range, Spec

Initialization = Literal["default", "xavier", "kaiming", "normal"]


class MLP(nn.Module):
    """Linear layers with activations between them; images and the windows of series are flattened.

    Args:
        spec: of the data.
        hidden: width of each hidden layer.
        activation: between the layers.
        dropout: probability of dropping a hidden unit.
        batch_norm: whether to normalise each hidden layer over the batch, before the activation.
        initialization: of the weights; `default` is torch's own, `normal` has a standard deviation of 0.01, and all but
            `default` set biases to 0.
        embed: `piecewise` for piecewise-linear embeddings of numbers whose bins are known, `residual` for a linear
            embedding plus a piecewise-linear one that starts at 0; none to take them as they are.
        embed_width: width of each number's embedding.
    """

    takes = ("table", "image", "series")

    def __init__(
        self,
        spec: Spec,
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 128),
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
        batch_norm: bool = False,
        initialization: Initialization = "default",
        embed: Embedding | None = "piecewise",
        embed_width: Annotated[int, Range(1)] = 12,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = prod(spec.input_shape)
        self.embedding = PiecewiseEmbedding.of(spec.bins, embed_width, embed)
        if self.embedding is not None:
            width = self.embedding.out_features
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
        self.no_decay = without_decay(self) if self.embedding is not None else frozenset()

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1) if self.embedding is None else self.embedding(x)
        return self.layers(x)  # (B, out_features)


def without_decay(model: nn.Module) -> frozenset[str]:
    """Returns the names of all parameters but weight matrices: weight decay would only pull biases, embeddings and
    scales away from the scale of the data."""
    return frozenset(
        name
        for name, parameter in model.named_parameters()
        if parameter.dim() < 2 or name.rsplit(".", 1)[-1] != "weight"
    )


def initialize(model: nn.Module, initialization: Initialization) -> None:
    """Initializes the weights of every linear layer, and its biases at 0; `default` changes nothing."""
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

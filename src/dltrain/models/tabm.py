"""An ensemble of multilayer perceptrons in one model, for tables (TabM: Gorishniy et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.models.layers.activations import Activation, activation_layer
from dltrain.models.layers.piecewise import Embedding, PiecewiseEmbedding
from dltrain.models.mlp import without_decay
from dltrain.types import Range, Spec


class TabM(nn.Module):
    """An ensemble of MLPs that share weight matrices and differ in the vectors that scale each layer's inputs and
    outputs.

    Outputs are `(B, members, out_features)`: in training each member has a loss of its own, and the prediction is the
    mean of the members' predictions.

    Args:
        spec: of the data.
        members: number of MLPs in the ensemble.
        sharing: `full` gives each member its own scales of inputs and outputs, and biases, in every layer; `mini` its
            own scales of the first layer's inputs alone. Each member has its own last layer.
        hidden: width of each hidden layer.
        activation: between the layers.
        dropout: probability of dropping a hidden unit, for each member separately.
        embed: `piecewise` for piecewise-linear embeddings of numbers whose bins are known, `residual` for a linear
            embedding plus a piecewise-linear one that starts at 0; none to take them as they are.
        embed_width: width of each number's embedding.
    """

    takes = ("table",)

    def __init__(
        self,
        spec: Spec,
        members: Annotated[int, Range(1, 1000)] = 8,
        sharing: Literal["full", "mini"] = "full",
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 128),
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
        embed: Embedding | None = "piecewise",
        embed_width: Annotated[int, Range(1)] = 12,
    ) -> None:
        super().__init__()
        self.members = members
        width = prod(spec.input_shape)
        self.embedding = PiecewiseEmbedding.of(spec.bins, embed_width, embed)
        if self.embedding is not None:
            width = self.embedding.out_features
        # As in the paper: the members start different by random signs of their inputs, and all later scales start at 1.
        self.signs = nn.Parameter(torch.randint(0, 2, (members, width)) * 2.0 - 1.0)
        layers: list[nn.Module] = []
        for number, next_width in enumerate(hidden):
            if sharing == "mini":
                layers.append(nn.Linear(width, next_width))
            else:
                layers.append(SharedLinear(members, width, next_width, scale_inputs=number > 0))
            layers.append(activation_layer(activation))
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = next_width
        self.layers = nn.Sequential(*layers)
        self.heads = MemberLinear(members, width, spec.out_features)
        self.no_decay = without_decay(self)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1) if self.embedding is None else self.embedding(x)
        x = self.layers(x[:, None] * self.signs)  # (B, members, width)
        return self.heads(x)  # (B, members, out_features)


class SharedLinear(nn.Module):
    """A linear map `(B, members, inputs)` to `(B, members, outputs)` with one weight matrix for all members.

    Each member has its own scales of inputs and outputs, and its own biases.

    Args:
        members: of the ensemble.
        inputs: width of the input.
        outputs: width of the output.
        scale_inputs: whether to scale the inputs; false where they have been scaled before.
    """

    def __init__(self, members: int, inputs: int, outputs: int, scale_inputs: bool) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.input_scale = nn.Parameter(torch.ones(members, inputs)) if scale_inputs else None
        self.output_scale = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound).repeat(members, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.input_scale is None else x * self.input_scale
        return torch.addcmul(self.bias, nn.functional.linear(x, self.weight), self.output_scale)


class MemberLinear(nn.Module):
    """A linear map of its own for each member, `(B, members, inputs)` to `(B, members, outputs)`."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x.transpose(0, 1), self.weight).transpose(0, 1)

"""Many multilayer perceptrons as one, for tables (TabM: Gorishniy et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.models.layers.activations import Activation, activation_layer
from dltrain.models.layers.piecewise import PiecewiseEmbedding
from dltrain.models.mlp import without_decay
from dltrain.types import Range, Spec


class TabM(nn.Module):
    """An ensemble of MLPs that share their weights and differ in what scales each layer's inputs and outputs.

    Outputs are `(B, members, out_features)`: the task trains every member by itself and averages what they predict.

    Args:
        spec: of the data.
        members: MLPs in the ensemble.
        sharing: `full` scales inputs and outputs of every layer by each member's own vectors and gives it its own
            biases; `mini` scales the first layer's inputs alone. Each member has its own last layer.
        hidden: width of each hidden layer.
        activation: between the layers.
        dropout: probability of dropping a hidden unit, for each member apart.
        embed: how numbers whose bins are known enter: through `piecewise` linear embeddings, or as they are.
        embed_width: what each embedded number becomes.
    """

    takes = ("table",)

    def __init__(
        self,
        spec: Spec,
        members: Annotated[int, Range(1)] = 8,
        sharing: Literal["full", "mini"] = "full",
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 128),
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
        embed: Literal["piecewise"] | None = "piecewise",
        embed_width: Annotated[int, Range(1)] = 12,
    ) -> None:
        super().__init__()
        self.members = members
        width = prod(spec.input_shape)
        self.embedding = PiecewiseEmbedding(spec.bins, embed_width) if embed and any(spec.bins) else None
        if self.embedding is not None:
            width = self.embedding.out_features
        # The members begin apart by the signs of their inputs; a layer that only kept what the one before has told
        # apart begins with ones, as the authors do.
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
    """One weight matrix for all members, whose inputs and outputs each member scales; biases are each member's own.

    Args:
        members: of the ensemble.
        inputs: width of the input.
        outputs: width of the output.
        scale_inputs: whether the inputs are scaled here, and not already before.
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
    """A linear map of each member's own, `(B, members, inputs)` to `(B, members, outputs)`."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x.transpose(0, 1), self.weight).transpose(0, 1)

"""TiDE: an encoder and a decoder of dense residual blocks, for each column alike (Das et al., 2023)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.models.layers.windows import WindowShape
from dltrain.types import Depth, Range, Spec


class ResidualBlock(nn.Module):
    """A hidden layer with ReLU, a linear layer and dropout, beside a linear connection; a layer norm over the sum."""

    def __init__(self, inputs: int, hidden: int, outputs: int, dropout: float, norm: bool) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs), nn.Dropout(dropout)
        )
        self.skip = nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.dense(x) + self.skip(x))


class TiDE(nn.Module):
    """Encodes a window and what is known with it by dense layers, decodes a vector for each step of the horizon, and
    makes a forecast of it and of what is known of that step; a linear layer of the window is added.

    Args:
        spec: of the data.
        hidden: width of all hidden layers.
        layers: residual blocks of the encoder, and of the decoder.
        decoded: width of the vector of each step of the horizon.
        temporal: width of the hidden layer of the temporal decoder.
        projected: width to which what is beside the values is reduced at each step.
        dropout: in every block.
        norm: whether each block ends with a layer norm.
    """

    takes = ("series",)

    def __init__(
        self,
        spec: Spec,
        hidden: Annotated[int, Range(1)] = 128,
        layers: Depth = 1,
        decoded: Annotated[int, Range(1)] = 8,
        temporal: Annotated[int, Range(1)] = 64,
        projected: Annotated[int, Range(1)] = 4,
        dropout: Annotated[float, Range(0, 0.99)] = 0.3,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.shape = shape = WindowShape.of(spec)
        self.project = ResidualBlock(shape.beside, temporal, projected, dropout, norm) if shape.beside else None
        wide = projected if shape.beside else 0
        self.ahead = wide if shape.length > shape.steps else 0  # width of what is known of a step to forecast
        widths = [shape.steps + shape.length * wide, *[hidden] * layers]
        self.encoder = nn.Sequential(*(ResidualBlock(width, hidden, hidden, dropout, norm) for width in widths[:-1]))
        outputs = [*[hidden] * (layers - 1), decoded * shape.horizon]
        self.decoder = nn.Sequential(*(ResidualBlock(hidden, hidden, width, dropout, norm) for width in outputs))
        self.temporal = ResidualBlock(decoded + self.ahead, temporal, 1, dropout, norm=False)
        self.linear = nn.Linear(shape.steps, shape.horizon)

    def forward(self, window: Tensor) -> Tensor:
        values = self.shape.values(window)  # (B, C, T)
        parts, ahead = [values], []
        if self.project is not None:
            others = self.project(self.shape.others(window))  # (B, C, L, projected)
            parts.append(others.flatten(2))
            ahead = [self.shape.for_outputs(others[:, :, self.shape.steps :])] if self.ahead else []
        steps = self.decoder(self.encoder(torch.cat(parts, dim=2))).unflatten(2, (self.shape.horizon, -1))
        forecast = self.temporal(torch.cat([steps, *ahead], dim=3))[..., 0]
        return self.shape.join(forecast + self.linear(values))

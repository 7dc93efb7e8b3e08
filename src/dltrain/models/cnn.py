"""The convolutional network for images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.models.layers.activations import Activation, activation_layer
from dltrain.types import Range, Spec


class CNN(nn.Module):
    """Stages of convolution, normalisation, activation and pooling, then a head.

    A stage leaves the pooling out once height or width is too small to halve, so images may be of any size.

    Args:
        spec: of the data; inputs are `(C, H, W)`.
        channels: output channels of each stage.
        convolutions: convolutions in each stage.
        kernel_size: of every convolution; odd, so that the padding keeps the size.
        norm: normalisation after each convolution; `batch` or `none`.
        activation: after each convolution or its normalisation, and after each hidden layer.
        pool: pooling by which a stage halves height and width.
        head: `average` pools each channel to one number; `flatten` keeps every position; `auto` averages, unless the
            outputs depend on where something stands, as with the characters of a string.
        hidden: width of each hidden layer of the head.
        dropout: before each linear layer of the head.
    """

    takes = ("image",)

    def __init__(
        self,
        spec: Spec,
        channels: Sequence[Annotated[int, Range(1)]] = (32, 64, 128, 256),
        convolutions: Annotated[int, Range(1, 1000)] = 1,
        kernel_size: Literal[1, 3, 5, 7] = 3,
        norm: Literal["batch", "none"] = "batch",
        activation: Activation = "relu",
        pool: Literal["max", "average"] = "max",
        head: Literal["auto", "average", "flatten"] = "auto",
        hidden: Sequence[Annotated[int, Range(1)]] = (),
        dropout: Annotated[float, Range(0, 0.99)] = 0.2,
    ) -> None:
        super().__init__()
        width, height, breadth = spec.input_shape
        layers: list[nn.Module] = []
        for next_width in channels:
            for _ in range(convolutions):
                layers.append(nn.Conv2d(width, next_width, kernel_size, padding=kernel_size // 2, bias=norm == "none"))
                if norm == "batch":
                    layers.append(nn.BatchNorm2d(next_width))
                layers.append(activation_layer(activation))
                width = next_width
            if min(height, breadth) >= 2:
                layers.append(nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2))
                height, breadth = height // 2, breadth // 2
        self.stages = nn.Sequential(*layers)

        top: list[nn.Module] = []
        if head == "average" or (head == "auto" and not spec.positional):
            top.append(nn.AdaptiveAvgPool2d(1))
        else:
            width *= height * breadth
        top.append(nn.Flatten())
        for next_width in hidden:
            top += [*_dropout(dropout), nn.Linear(width, next_width), activation_layer(activation)]
            width = next_width
        top += [*_dropout(dropout), nn.Linear(width, spec.out_features)]
        self.head = nn.Sequential(*top)
        self.to(memory_format=torch.channels_last)  # convolutions take three quarters of the time on a CPU

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(x))  # (B, C, H, W) to (B, out_features)


def _dropout(probability: float) -> list[nn.Module]:
    return [nn.Dropout(probability)] if probability else []

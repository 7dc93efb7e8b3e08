"""The residual network for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.types import Depth, Range, Spec

FEWEST_STRIDED = 8  # input channels of a strided 1×1 convolution


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al., 2016); before training it is the shortcut alone.

    Args:
        width: input channels.
        next_width: output channels.
        stride: of the first convolution; 2 halves height and width.
    """

    def __init__(self, width: int, next_width: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(width, next_width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(next_width),
            nn.ReLU(),
            nn.Conv2d(next_width, next_width, 3, padding=1, bias=False),
            last_norm := nn.BatchNorm2d(next_width),
        )
        nn.init.zeros_(last_norm.weight)  # networks of identities learn faster at first (Goyal et al., 2017)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or width != next_width:
            self.shortcut = Shortcut(width, next_width, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.residual(x))


class Shortcut(nn.Sequential):
    """A 1×1 convolution, and batch norm.

    Of fewer than 8 channels, pixels are left out before the convolution, not by it: passing back through that, torch
    2.15 writes beyond its memory on processors without AVX-512.

    Args:
        width: input channels.
        next_width: output channels.
        stride: by which pixels are left out.
    """

    def __init__(self, width: int, next_width: int, stride: int) -> None:
        every = stride if width < FEWEST_STRIDED else 1
        super().__init__(nn.Conv2d(width, next_width, 1, stride // every, bias=False), nn.BatchNorm2d(next_width))
        self.every = every

    def forward(self, x: Tensor) -> Tensor:
        kept: Tensor = super().forward(x if self.every == 1 else x[:, :, :: self.every, :: self.every])
        return kept


class ResNet(nn.Module):
    """A 3×3 convolution at full size, stages of residual blocks, and one linear layer on the pooled channels.

    Every stage but the first halves height and width, as long as both are above 1.

    Args:
        spec: of the data; inputs are `(C, H, W)`.
        channels: output channels of each stage.
        blocks: residual blocks in each stage.
        dropout: before the last layer.
    """

    takes = ("image",)

    def __init__(
        self,
        spec: Spec,
        channels: Sequence[Annotated[int, Range(1)]] = (32, 64, 128),
        blocks: Depth = 1,
        dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    ) -> None:
        super().__init__()
        depth, height, breadth = spec.input_shape
        width = channels[0] if channels else depth
        self.stem = nn.Sequential(nn.Conv2d(depth, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        stages: list[nn.Module] = []
        for number, next_width in enumerate(channels):
            for block in range(blocks):
                stride = 2 if number and block == 0 and min(height, breadth) > 1 else 1
                height, breadth = -(-height // stride), -(-breadth // stride)
                stages.append(Block(width, next_width, stride))
                width = next_width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, spec.out_features)
        )
        self.to(memory_format=torch.channels_last)  # convolutions take three quarters of the time on a CPU

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))  # (B, C, H, W) to (B, out_features)

"""Pooling of maps of features to one position."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AverageMaxPool(nn.Module):
    """The mean and the maximum of each channel, `(B, C, H, W)` to `(B, 2C, 1, 1)`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)], dim=1)

"""Piecewise-linear embeddings of numbers (Gorishniy et al., 2022, "On Embeddings for Numerical Features")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PiecewiseEmbedding(nn.Module):
    """Piecewise-linear encodings of numbers, each mapped linearly to `width` values; inputs without bins pass through.

    The encoding of a number is 1 in every bin below it, 0 in every bin above it, and in its own bin the share of the
    way through; the first and the last bin extend beyond their outer edges. A linear map of it is a piecewise-linear
    function of the number.

    Args:
        bins: ascending edges for each input; empty for one that passes through.
        width: of each number's embedding.
    """

    numbers: Tensor
    others: Tensor
    slope: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, bins: Sequence[Sequence[float]], width: int) -> None:
        super().__init__()
        numbers = [position for position, edges in enumerate(bins) if edges]
        others = [position for position, edges in enumerate(bins) if not edges]
        most = max(len(bins[position]) for position in numbers) - 1
        slope, offset = torch.zeros(len(numbers), most), torch.zeros(len(numbers), most)  # 0 where there are fewer bins
        low, high = torch.zeros(len(numbers), most), torch.ones(len(numbers), most)
        for row, position in enumerate(numbers):
            edges = torch.tensor(bins[position], dtype=torch.float64)
            count = len(edges) - 1
            steepness = 1 / edges.diff()
            slope[row, :count], offset[row, :count] = steepness.float(), (-edges[:-1] * steepness).float()
            low[row, 0], high[row, count - 1] = -torch.inf, torch.inf
        # Not persistent: they are rebuilt from the spec, not learned.
        for name, tensor in (("slope", slope), ("offset", offset), ("low", low), ("high", high)):
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("numbers", torch.tensor(numbers), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.int64), persistent=False)
        bound = most**-0.5
        self.maps = nn.Parameter(torch.empty(len(numbers), most, width).uniform_(-bound, bound))
        self.shifts = nn.Parameter(torch.empty(len(numbers), 1, width).uniform_(-bound, bound))
        self.out_features = len(numbers) * width + len(others)

    def forward(self, x: Tensor) -> Tensor:
        reach = torch.addcmul(self.offset, self.slope, x[:, self.numbers, None])  # (B, numbers, bins)
        reach = torch.clamp(reach, self.low, self.high).transpose(0, 1)
        embedded = torch.baddbmm(self.shifts, reach, self.maps)  # (numbers, B, width)
        return torch.cat([embedded.transpose(0, 1).flatten(1), x[:, self.others]], dim=1)

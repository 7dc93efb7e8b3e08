"""Piecewise-linear embeddings of numbers (Gorishniy et al., 2022, "On Embeddings for Numerical Features")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Embedding = Literal["piecewise", "residual"]


class PiecewiseEmbedding(nn.Module):
    """Piecewise-linear encodings of numbers, each mapped linearly to `width` values; inputs without bins pass through.

    The encoding of a number is 1 in every bin below it, 0 in every bin above it, and in its own bin the share of the
    way through; the first and the last bin extend beyond their outer edges. A linear map of it is a piecewise-linear
    function of the number.

    Args:
        bins: ascending edges for each input; empty for one that passes through.
        width: of each number's embedding.
        linear: whether the embedding is a linear function of the number, plus a piecewise-linear one that starts at 0
            (version B of Gorishniy et al., 2025, "TabM").
    """

    numbers: Tensor
    others: Tensor
    slope: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, bins: Sequence[Sequence[float]], width: int, *, linear: bool = False) -> None:
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
        bound = 1.0 if linear else most**-0.5
        weights = torch.zeros(len(numbers), most, width)
        self.maps = nn.Parameter(weights if linear else weights.uniform_(-bound, bound))
        self.shifts = nn.Parameter(torch.empty(len(numbers), 1, width).uniform_(-bound, bound))
        self.linear = nn.Parameter(torch.empty(len(numbers), 1, width).uniform_(-1, 1)) if linear else None
        self.out_features = len(numbers) * width + len(others)

    @classmethod
    def of(cls, bins: Sequence[Sequence[float]], width: int, embed: Embedding | None) -> PiecewiseEmbedding | None:
        """Returns the embedding that a model's config names; `None` without one, or without a number to embed."""
        return cls(bins, width, linear=embed == "residual") if embed and any(bins) else None

    def forward(self, x: Tensor) -> Tensor:
        reach = torch.addcmul(self.offset, self.slope, x[:, self.numbers, None])  # (B, numbers, bins)
        reach = torch.clamp(reach, self.low, self.high).transpose(0, 1)
        embedded = torch.baddbmm(self.shifts, reach, self.maps)  # (numbers, B, width)
        if self.linear is not None:
            embedded = torch.addcmul(embedded, x[:, self.numbers].t()[:, :, None], self.linear)
        return torch.cat([embedded.transpose(0, 1).flatten(1), x[:, self.others]], dim=1)

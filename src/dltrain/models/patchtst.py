"""PatchTST: a transformer over patches of a window, for each column alike (Nie et al., 2023)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.models.layers.heads import check_heads
from dltrain.models.layers.windows import WindowShape, notes_beyond
from dltrain.types import Depth, Range, Spec


class Block(nn.Module):
    """Self-attention and two dense layers with GELU, each beside the identity, and a batch norm over each sum."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=0.0, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)
        self.norms = nn.ModuleList([nn.BatchNorm1d(width), nn.BatchNorm1d(width)])

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attention(x, x, x, need_weights=False)[0]
        x = self._normed(x + self.dropout(attended), 0)
        return self._normed(x + self.dropout(self.dense(x)), 1)

    def _normed(self, x: Tensor, number: int) -> Tensor:
        return self.norms[number](x.transpose(1, 2)).transpose(1, 2)


class PatchTST(nn.Module):
    """Cuts each column's window into overlapping patches, encodes these by a transformer, and forecasts by a linear
    layer of all of them. Columns share everything, and no column sees another.

    What is given beside the values belongs to the patches of every column. The last step is repeated so that the end of
    a window has a patch of its own.

    Args:
        spec: of the data.
        patch_steps: of a patch; a shorter window is one patch.
        stride: steps from one patch to the next.
        width: of a patch's vector.
        heads: of the attention.
        layers: of the transformer.
        hidden: width of the dense layers.
        dropout: in every layer.
        head_dropout: before the last layer.
    """

    takes = ("series",)

    def __init__(
        self,
        spec: Spec,
        patch_steps: Annotated[int, Range(1)] = 16,
        stride: Annotated[int, Range(1)] = 8,
        width: Annotated[int, Range(1)] = 16,
        heads: Annotated[int, Range(1, 1024)] = 4,
        layers: Depth = 3,
        hidden: Annotated[int, Range(1)] = 128,
        dropout: Annotated[float, Range(0, 0.99)] = 0.3,
        head_dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        self.shape = shape = WindowShape.of(spec)
        self.notes = notes_beyond(shape.length, patch_steps=patch_steps, stride=stride)
        self.patch = min(patch_steps, shape.length)
        self.stride = min(stride, self.patch)
        count = (shape.length - self.patch) // self.stride + 2
        self.embed = nn.Linear(self.patch * (1 + shape.beside), width)
        self.positions = nn.Parameter(torch.empty(count, width).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, hidden, dropout) for _ in range(layers)))
        self.head = nn.Sequential(nn.Flatten(1), nn.Dropout(head_dropout), nn.Linear(count * width, shape.horizon))
        self.no_decay = frozenset({"positions"})

    def forward(self, window: Tensor) -> Tensor:
        values = window[:, :, : self.shape.columns].transpose(1, 2)[..., None]  # (B, C, L, 1)
        channels = torch.cat([values, self.shape.others(window)], dim=3).flatten(0, 1)  # (B·C, L, 1 + K)
        last = channels[:, -1:].expand(-1, self.stride, -1)
        patches = (
            torch.cat([channels, last], dim=1).unfold(1, self.patch, self.stride).flatten(2)
        )  # (B·C, patches, ...)
        x = self.blocks(self.dropout(self.embed(patches) + self.positions))
        return self.shape.join(self.head(x).unflatten(0, (-1, self.shape.columns)))

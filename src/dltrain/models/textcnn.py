"""The convolutional network over words (Kim, 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.models.layers.sequences import TokenEmbedding, embedding_names, pool_max
from dltrain.types import Range, Spec


class TextCNN(nn.Module):
    """Convolutions of several widths side by side, the maximum of each filter over the text, and one linear map.

    Inputs are tokens `(B, T)` and lengths `(B,)`; padding after a text's end changes nothing.

    Args:
        spec: of the data.
        kernel_sizes: number of tokens that a filter spans, for each group of filters.
        filters: number of filters in each group.
        embedding: width of a token's vector.
        embedding_dropout: dropout of these vectors' components.
        dropout: before the linear map.
    """

    takes = ("text",)

    def __init__(
        self,
        spec: Spec,
        kernel_sizes: Sequence[Annotated[int, Range(1)]] = (3, 4, 5),
        filters: Annotated[int, Range(1)] = 100,
        embedding: Annotated[int, Range(1)] = 128,
        embedding_dropout: Annotated[float, Range(0, 0.99)] = 0.3,
        dropout: Annotated[float, Range(0, 0.99)] = 0.5,
    ) -> None:
        super().__init__()
        (vocab_size,) = spec.vocab_sizes
        self.embed = TokenEmbedding(vocab_size, embedding, embedding_dropout)
        # Padded so that every element of a filter meets every word, the first and the last ones too.
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding, filters, size, padding=size - 1) for size in kernel_sizes
        )
        self.kernel_sizes = tuple(kernel_sizes)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(kernel_sizes), spec.out_features)
        self.no_decay = embedding_names(self)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = self.embed(x).transpose(1, 2)  # (B, embedding, T)
        maxima = []
        for convolution, size in zip(self.convolutions, self.kernel_sizes, strict=True):
            reach = size - 1  # a filter has n + reach positions on a text of n words
            values = convolution(x).relu().transpose(1, 2)  # (B, T + reach, filters)
            maxima.append(pool_max(values, None if lengths is None else lengths + reach))
        return self.head(self.dropout(torch.cat(maxima, dim=1)))  # (B, out_features)

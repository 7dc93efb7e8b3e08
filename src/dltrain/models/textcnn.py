"""The convolutional network over words (Kim, 2014), alone or beside a bag of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.models.bag import WIDTH, Bag
from dltrain.models.layers.sequences import TokenEmbedding, embedding_names, pool_max
from dltrain.types import Range, Spec


class TextCNN(nn.Module):
    """Convolutions of several widths side by side, the maximum of each filter over the text, and one linear map.

    Inputs are tokens `(B, T)` and lengths `(B,)`; padding after a text's end changes nothing.

    Args:
        spec: of the data.
        kernel_sizes: number of tokens that a filter spans, for each group of filters.
        filters: number of filters in each group.
        embedding: width of a token's vector; with 128, those of a bag with pairs of characters have 32.
        embedding_dropout: dropout of these vectors' components.
        dropout: before the linear map.
        bag: whether a bag of embeddings (`Bag`) is trained beside it, with vectors of its own, so that a prediction is
            the mean of both: filters see phrases, and a sum sees all words of a text, or all pairs of characters.

    Outputs are `(B, out_features)`, and with `bag` those of both, `(B, 2, out_features)`.
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
        bag: bool = False,
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
        own = None if spec.ngrams > 1 and embedding == WIDTH else embedding
        self.bag = Bag(spec, own, embedding_dropout, dropout) if bag else None
        self.members = 2 if bag else 1
        self.no_decay = embedding_names(self)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        vectors = self.embed(x).transpose(1, 2)  # (B, embedding, T)
        maxima = []
        for convolution, size in zip(self.convolutions, self.kernel_sizes, strict=True):
            reach = size - 1  # a filter has n + reach positions on a text of n words
            values = convolution(vectors).relu().transpose(1, 2)  # (B, T + reach, filters)
            maxima.append(pool_max(values, None if lengths is None else lengths + reach))
        output = self.head(self.dropout(torch.cat(maxima, dim=1)))  # (B, out_features)
        return output if self.bag is None else torch.stack([output, self.bag(x, lengths)], dim=1)

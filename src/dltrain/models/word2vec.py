"""Word vectors that are learned by telling true neighbours from noise (Mikolov et al., 2013)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.data.tokens import PADDING
from dltrain.models.layers.sequences import TokenEmbedding, embedding_names
from dltrain.types import Range, Spec


class Word2Vec(nn.Module):
    """The product of the mean vector of the words around a place and a second vector of each word that may be there.

    Inputs are neighbours `(B, C)`, with padding, and words `(B,)` or `(B, N)`; the output is `(B, 1)` or `(B, N)`.

    Args:
        spec: of the data.
        width: of the vectors.
    """

    takes = ("words",)

    def __init__(self, spec: Spec, width: Annotated[int, Range(1)] = 100) -> None:
        super().__init__()
        (count,) = spec.vocab_sizes
        self.embed = TokenEmbedding(count, width)
        self.place = nn.Embedding(count, width, padding_idx=PADDING)
        nn.init.zeros_(self.place.weight)
        self.no_decay = embedding_names(self)

    @property
    def vectors(self) -> Tensor:
        """Returns the vector of each word, `(V, width)`, the special ones included."""
        assert self.embed.table is not None
        return self.embed.table.weight

    def forward(self, around: Tensor, words: Tensor) -> Tensor:
        mean = self.embed(around).sum(dim=1) / (around != PADDING).sum(dim=1, keepdim=True).clamp(min=1)  # (B, width)
        places = self.place(words if words.dim() == 2 else words[:, None])  # (B, N, width)
        return torch.bmm(places, mean.unsqueeze(2)).squeeze(2)

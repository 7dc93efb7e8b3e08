"""Word vectors that are learned by telling true neighbours from noise (Mikolov et al., 2013)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.data.tokens import PADDING
from dltrain.models.layers.sequences import TokenEmbedding, embedding_names
from dltrain.types import Range, Spec


class Word2Vec(nn.Module):
    """The product of the mean vector of the words around a place and a second vector of each word that may be there.

    Inputs are neighbours `(B, C)`, with padding, and words `(B,)` or `(B, 1 + N)`, each followed by noise words, which
    are the same in all rows. The output is `(B, 1)` or `(B, 1 + N)`; a noise word that equals the row's word scores 0.

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

    def average(self, around: Tensor) -> Tensor:
        """Returns the mean vectors of words `(B, C)` without padding, `(B, width)`."""
        if around.shape[1] == 1:
            return self.embed(around)[:, 0]
        if self.training:  # more than twice as fast as below, which every format of export knows
            return functional.embedding_bag(around, self.vectors, mode="mean", padding_idx=PADDING)
        count = (around != PADDING).sum(dim=1, keepdim=True).clamp(min=1)
        return self.embed(around).sum(dim=1) / count

    def forward(self, around: Tensor, words: Tensor) -> Tensor:
        mean = self.average(around)
        word = words if words.dim() == 1 else words[:, 0]
        scores = (mean * self.place(word)).sum(dim=1, keepdim=True)
        if words.dim() == 1:
            return scores
        noise = words[0, 1:]
        others = (mean @ self.place(noise).T).masked_fill(noise == word[:, None], 0.0)
        return torch.cat([scores, others], dim=1)

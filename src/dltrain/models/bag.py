"""The bag of embeddings: a text is the sum of its words."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from dltrain.models.layers.sequences import TokenEmbedding, embedding_names, pool_mean
from dltrain.types import Range, Spec


class Bag(nn.Module):
    """The sum of the tokens' vectors over the root of their number, and one linear map; the order of the words is lost.

    Of a mean, one telling word among many would hardly show; of a sum, long texts would outweigh short ones.

    Inputs are tokens `(B, T)` and lengths `(B,)`; what stands behind a text's length changes nothing.

    Args:
        spec: of the data.
        embedding: width of a token's vector.
        embedding_dropout: of these vectors.
        dropout: before the linear map.
    """

    takes = ("text",)

    def __init__(
        self,
        spec: Spec,
        embedding: Annotated[int, Range(1)] = 128,
        embedding_dropout: Annotated[float, Range(0, 0.99)] = 0.3,
        dropout: Annotated[float, Range(0, 0.99)] = 0.5,
    ) -> None:
        super().__init__()
        (vocab_size,) = spec.vocab_sizes
        self.embed = TokenEmbedding(vocab_size, embedding, embedding_dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(embedding, spec.out_features)
        self.no_decay = embedding_names(self)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = self.embed(x)
        counts = x.new_full((x.shape[0],), x.shape[1]) if lengths is None else lengths.to(x.dtype)
        return self.head(self.dropout(pool_mean(x, lengths) * counts.sqrt()[:, None]))  # (B, out_features)

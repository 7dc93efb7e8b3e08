"""The bag of embeddings, which reads a text as the sum of its words."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from dltrain.models.layers.sequences import TokenEmbedding, embedding_names, pool_mean
from dltrain.types import Range, Spec

WIDTH, NGRAM_WIDTH = 128, 32  # of vectors, alone and where n-grams have some
BUCKETS = 65_536  # vectors for the n-grams of each length
STD = 0.1  # of their components before training, small as those of words are


class Bag(nn.Module):
    """The sum of the tokens' vectors, divided by the square root of their number, and a linear map of it.

    The order of the words does not count, beyond the n-grams that have vectors of their own. In a mean, one telling
    word among many would hardly show; in a sum, long texts would outweigh short ones.

    Inputs are tokens `(B, T)` and lengths `(B,)`; padding after a text's end changes nothing.

    Args:
        spec: of the data.
        embedding: width of a token's vector; None for 128, and for 32 where the many n-grams have vectors too.
        embedding_dropout: dropout of these vectors' components.
        dropout: before the linear map.
        ngrams: number of tokens of the longest n-gram with a vector; None for one token, and for pairs where tokens are
            characters, which say little alone.
    """

    takes = ("text",)

    def __init__(
        self,
        spec: Spec,
        embedding: Annotated[int, Range(1)] | None = None,
        embedding_dropout: Annotated[float, Range(0, 0.99)] = 0.3,
        dropout: Annotated[float, Range(0, 0.99)] = 0.5,
        ngrams: Annotated[int, Range(1, 5)] | None = None,
    ) -> None:
        super().__init__()
        (vocab_size,), longest = spec.vocab_sizes, ngrams or spec.ngrams
        width = embedding or (WIDTH if longest == 1 else NGRAM_WIDTH)
        self.embed = TokenEmbedding(vocab_size, width, embedding_dropout, longest, buckets=BUCKETS, ngram_std=STD)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, spec.out_features)
        self.no_decay = embedding_names(self)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = self.embed(x)
        counts = x.new_full((x.shape[0],), x.shape[1]) if lengths is None else lengths.to(x.dtype)
        return self.head(self.dropout(pool_mean(x, lengths) * counts.sqrt()[:, None]))  # (B, out_features)

"""Embeds tokens, and reverses, masks and pools sequences that end in padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.types import Spec

BUCKETS = 16_384  # vectors for the n-grams of each length
PRIME = 2_147_483_647
PADDING = 0  # the token that fills up the shorter texts of a batch

Pool = Literal["last", "mean", "max"]


class TokenEmbedding(nn.Module):
    """Embeddings of tokens `(B, T)`, `(B, T, width)`; padding is embedded as zeros.

    The vectors of the n-grams that end at a token can be added to its own, looked up by a hash of the n-gram. They take
    hardly any time, and spare a small model from learning by attention what its last few tokens are.

    Args:
        vocab_size: number of distinct tokens.
        width: of the vectors; none for one-hot vectors, which are not learned.
        dropout: of the vectors' components.
        ngrams: number of tokens of the longest n-gram that has a vector; 1 for the tokens alone.
        std: standard deviation of the vectors' components before training.
        buckets: number of vectors for the n-grams of each length.
        ngram_std: as `std`, for the vectors of n-grams.
    """

    def __init__(
        self,
        vocab_size: int,
        width: int | None,
        dropout: float = 0.0,
        ngrams: int = 1,
        std: float = 0.1,
        buckets: int = BUCKETS,
        ngram_std: float = 0.3,
    ) -> None:
        super().__init__()
        self.longest = ngrams
        self.buckets = buckets
        self.ngrams: nn.Embedding | None = None
        self.table = None if width is None else nn.Embedding(vocab_size, width, padding_idx=PADDING)
        if self.table is not None:
            # Small for classified texts: few of them hold a given word, and what training leaves of a large random
            # vector is noise.
            self.table.weight.data[1:].normal_(std=std)
        if ngrams > 1 and width is not None:
            self.ngrams = nn.Embedding(buckets * (ngrams - 1), width)
            nn.init.normal_(self.ngrams.weight, std=ngram_std)
        self.vocab_size = vocab_size
        self.dropout = nn.Dropout(dropout)
        self.out_features = vocab_size if width is None else width

    def forward(self, tokens: Tensor) -> Tensor:
        if self.table is not None:
            x = self.table(tokens)
            if self.ngrams is not None:
                x = x + self.ngrams(ngram_buckets(tokens, self.longest, self.buckets)).sum(dim=0)
            return self.dropout(x)
        rows = functional.one_hot(tokens, self.vocab_size).to(torch.get_default_dtype())
        return self.dropout(rows * (tokens != PADDING).unsqueeze(2))


def new_embedding(vocab_size: int, width: int, std: float = 0.1) -> nn.Embedding:
    """Returns a table of small random vectors; that of padding is zeros."""
    table = nn.Embedding(vocab_size, width, padding_idx=PADDING)
    nn.init.normal_(table.weight[1:], std=std)
    return table


def ngram_buckets(tokens: Tensor, longest: int, count: int = BUCKETS) -> Tensor:
    """Returns hashes `(longest - 1, B, T)` of the n-grams that end at each token, from pairs on.

    Those of pairs lie in the first range of `count` numbers, those of triples in the second, and so on.
    """
    number, before, buckets = tokens, tokens, []
    for n in range(longest - 1):
        before = functional.pad(before[:, :-1], (1, 0), value=PADDING)
        number = (number * 1_000_003 + before + 1) % PRIME
        buckets.append(number % count + n * count)
    return torch.stack(buckets)


def embedding_names(model: nn.Module) -> frozenset[str]:
    """Returns the names of the parameters that weight decay should leave alone: embeddings, biases and norms."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    return frozenset(name for name, value in model.named_parameters() if id(value) in tables or value.dim() < 2)


def is_real(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Tells which steps of sequences `(B, T, ...)` are not padding, `(B, T)` bool."""
    steps = torch.arange(x.shape[1], device=x.device)
    if lengths is None:
        return torch.ones_like(x[:, :, 0] if x.dim() > 2 else x, dtype=torch.bool)
    return steps < lengths[:, None]


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverses sequences `(B, T, width)`, each from its own end; padding stays at the end."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps)  # (B, T)
    return x.gather(1, index.unsqueeze(2).expand(x.shape))


def pool_last(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Returns the last step of sequences `(B, T, width)` that is not padding, `(B, width)`."""
    if lengths is None:
        return x[:, -1]
    return x.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, x.shape[2])).squeeze(1)


def pool_mean(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Returns the mean over the steps that are not padding, `(B, width)`."""
    if lengths is None:
        return x.mean(dim=1)
    return (x * is_real(x, lengths).unsqueeze(2)).sum(dim=1) / lengths[:, None].to(x.dtype)


def pool_max(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Returns the maximum of each component over the steps that are not padding, `(B, width)`."""
    if lengths is None:
        return x.amax(dim=1)
    return x.masked_fill(~is_real(x, lengths).unsqueeze(2), torch.finfo(x.dtype).min).amax(dim=1)


POOLS: Mapping[Pool, Callable[[Tensor, Tensor | None], Tensor]] = {
    "last": pool_last,
    "mean": pool_mean,
    "max": pool_max,
}


def default_ngrams(spec: Spec) -> int:
    """Returns how long the longest n-gram with a vector of its own is by default."""
    return 5 if spec.causal else 1

"""The transformer of two parts: one reads a source, the other writes its answer."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.models.layers.sequences import embedding_names, is_real, new_embedding
from dltrain.models.transformer import Block, sinusoids
from dltrain.types import Depth, Range, Spec


class WritingBlock(nn.Module):
    """Attention to the answer so far, attention to the source, and a feed-forward network, each with a residual
    connection and layer norm before it.

    Args:
        width: of the vectors.
        heads: of the attention.
        feedforward: hidden width of the feed-forward network.
        dropout: after each of the three, and of the attention weights.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.query_key_value = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.source_joined = nn.Linear(width, width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(feedforward, width)
        )
        self.after = nn.Dropout(dropout)

    def read(self, source: Tensor) -> Tensor:
        """Returns the keys and values of a source `(B, S, width)`, `(B, 2, heads, S, width / heads)`."""
        return self._heads(self.key_value(source), 2)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns the vectors `(B, T, width)` of a piece of an answer, and the keys and values of the answer so far.

        Args:
            x: `(B, T, width)`; of one token, where an answer is written step by step.
            source: what `read` returns.
            mask: `(B, 1, 1, S)` which tokens of the source are no padding.
            before: keys and values of the tokens before; `None` at the beginning.
        """
        query, *key_value = self._heads(self.query_key_value(self.norms[0](x)), 3).unbind(1)
        so_far = torch.stack(key_value, dim=1)  # (B, 2, heads, T, width / heads)
        if before is not None:
            so_far = torch.cat([before, so_far], dim=3)
        x = x + self.after(self.joined(self._attend(query, so_far, None, causal=before is None)))
        query = self._heads(self.query(self.norms[1](x)), 1)[:, 0]
        x = x + self.after(self.source_joined(self._attend(query, source, mask, causal=False)))
        return x + self.after(self.feedforward(self.norms[2](x))), so_far

    def _heads(self, projected: Tensor, parts: int) -> Tensor:
        return projected.unflatten(2, (parts, self.heads, -1)).permute(0, 2, 3, 1, 4)

    def _attend(self, query: Tensor, key_value: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
        key, value = key_value.unbind(1)
        dropout = self.dropout if self.training else 0.0
        joined = functional.scaled_dot_product_attention(query, key, value, mask, dropout, is_causal=causal)
        return joined.transpose(1, 2).flatten(2)


class EncoderDecoder(nn.Module):
    """A transformer that reads a source, and one that writes the answer (Vaswani et al., 2017), with layer norm before
    each part and sinusoidal positions.

    Inputs are sources `(B, S)`, their lengths `(B,)` and the beginnings of answers `(B, T)`; the output at a position
    is for the token that follows. Padding behind a source changes nothing.

    Args:
        spec: of the data.
        width: of a token's vector.
        layers: number of blocks of either part.
        heads: of each attention; their number divides the width.
        feedforward: hidden width of the feed-forward networks, as a multiple of `width`.
        dropout: in each block.
        tied: whether the output layer has the vectors of the answer's tokens as its weights.

    Raises:
        ConfigError: the width is not a multiple of the number of heads, or odd.
    """

    takes = ("pairs",)

    def __init__(
        self,
        spec: Spec,
        width: Annotated[int, Range(2)] = 64,
        layers: Depth = 2,
        heads: Annotated[int, Range(1, 1024)] = 4,
        feedforward: Annotated[int, Range(1)] = 4,
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
        tied: bool = False,
    ) -> None:
        super().__init__()
        even = heads if heads % 2 == 0 else 2 * heads
        if width % even:
            near = max(1, round(width / even)) * even
            raise ConfigError(
                f"a width of {width} cannot be divided into {heads} heads, or is odd",
                where="model.width",
                fix=f"choose a multiple of {even}",
                override=f"model.width={near}",
            )
        sources, answers = spec.vocab_sizes
        self.width = width
        self.embed_source, self.embed_answer = (new_embedding(size, width, width**-0.5) for size in (sources, answers))
        self.readers = nn.ModuleList(Block(width, heads, feedforward * width, dropout) for _ in range(layers))
        self.read_norm = nn.LayerNorm(width)
        self.writers = nn.ModuleList(WritingBlock(width, heads, feedforward * width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, spec.out_features)
        if tied:
            self.head.weight = self.embed_answer.weight
        self.no_decay = embedding_names(self)

    def forward(self, source: Tensor, lengths: Tensor, answer: Tensor) -> Tensor:
        mask, *sources = self._read(source, lengths)
        x = self._embed(self.embed_answer, answer, 0)
        for writer, keys in zip(self.writers, sources, strict=True):
            x = writer(x, keys, mask)[0]
        return self.head(self.norm(x))

    def begin(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Returns the state before an answer: which tokens of the source are no padding, its keys and values for each
        block, and those of an answer without tokens."""
        mask, *sources = self._read(source, lengths)
        return mask, *sources, *(keys[:, :, :, :0] for keys in sources)

    def step(self, state: tuple[Tensor, ...], tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns the outputs for the tokens after `tokens` `(B,)`, and the state after them."""
        mask, *rest = state
        sources, before = rest[: len(self.writers)], rest[len(self.writers) :]
        x = self._embed(self.embed_answer, tokens[:, None], before[0].shape[3])
        after = []
        for writer, keys, so_far in zip(self.writers, sources, before, strict=True):
            x, so_far = writer(x, keys, mask, so_far)
            after.append(so_far)
        return self.head(self.norm(x))[:, 0], (mask, *sources, *after)

    def _read(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Returns which tokens of sources are no padding, `(B, 1, 1, S)`, and their keys and values for each block."""
        x = self._embed(self.embed_source, source, 0)
        mask = is_real(source, lengths)[:, None, None]
        for reader in self.readers:
            x = reader(x, mask, False, None)
        x = self.read_norm(x)
        sources = []
        for writer in self.writers:
            assert isinstance(writer, WritingBlock)
            sources.append(writer.read(x))
        return mask, *sources

    def _embed(self, table: nn.Embedding, tokens: Tensor, start: int) -> Tensor:
        """Returns the vectors `(B, T, width)` of tokens whose first one stands at the position `start`."""
        x = table(tokens) * self.width**0.5
        return self.dropout(x + sinusoids(start + tokens.shape[1], self.width, x)[start:])

"""The transformer: over words, steps of a series, patches of an image or features of a table."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.models.layers.piecewise import PiecewiseEmbedding
from dltrain.models.layers.sequences import TokenEmbedding, default_ngrams, embedding_names, is_real, pool_mean
from dltrain.types import Depth, Range, Spec

Positions = Literal["sinusoidal", "learned", "rotary"]
PATCHES = 8  # along the shorter side of an image, by default
BINS_WIDTH = 12  # width of a number's embedding before it is mapped to a token


class Block(nn.Module):
    """Self-attention and a feed-forward network, each with a residual connection and layer norm before it.

    Args:
        width: of the vectors.
        heads: of the attention.
        feedforward: hidden width of the feed-forward network.
        dropout: after each of the two, and of the attention weights.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(feedforward, width)
        )
        self.after = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, causal: bool, rotation: Tensor | None) -> Tensor:
        x = x + self.after(self._attend(self.attention_norm(x), mask, causal, rotation))
        return x + self.after(self.feedforward(self.feedforward_norm(x)))

    def read_last(self, x: Tensor, mask: Tensor) -> Tensor:
        """Returns what `forward` returns at the last position, `(B, 1, width)`, for much less work.

        Args:
            x: `(B, T, width)`.
            mask: `(B, 1, 1, T)`, which positions the last one reads.
        """
        normed = self.attention_norm(x)
        weight, bias, width = self.query_key_value.weight, self.query_key_value.bias, x.shape[2]
        query = functional.linear(normed[:, -1:], weight[:width], bias[:width])
        key, value = functional.linear(normed, weight[width:], bias[width:]).chunk(2, dim=2)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        dropout = self.dropout if self.training else 0.0
        joined = functional.scaled_dot_product_attention(query, key, value, mask, dropout)
        last = x[:, -1:] + self.after(self.joined(joined.transpose(1, 2).flatten(2)))
        return last + self.after(self.feedforward(self.feedforward_norm(last)))

    def _attend(self, x: Tensor, mask: Tensor | None, causal: bool, rotation: Tensor | None) -> Tensor:
        projected = self.query_key_value(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = projected.unbind(0)  # (B, heads, T, width / heads)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        joined = functional.scaled_dot_product_attention(
            query, key, value, mask, self.dropout if self.training else 0.0, is_causal=causal
        )
        return self.joined(joined.transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """Attention blocks over a sequence, pooled by the mean, or causal with an output at each position.

    Inputs are tokens `(B, T)` and lengths `(B,)`; series `(B, T, C)`, a step a token; images `(B, C, H, W)`, a patch
    a token; or tables `(B, F)`, a feature a token. Padding after a text's end changes nothing.

    Args:
        spec: of the data.
        width: of a token's vector.
        layers: number of blocks.
        heads: of each block's attention; their number divides the width.
        feedforward: hidden width of each block's feed-forward network, as a multiple of `width`.
        positions: `sinusoidal` or `learned` vectors that are added, or `rotary` angles by which queries and keys are
            rotated; a table's features have no positions.
        patch: side of an image's patches, in pixels; none for eight patches along the shorter side.
        dropout: in each block and before the output; none for 0.3 where texts are classified, else 0.1.
        ngrams: tokens of the longest n-gram that has a vector of its own; none for 5 in a causal model, else 1.

    Raises:
        ConfigError: the width is not a multiple of the number of heads, or of twice that for rotary positions.
    """

    takes = ("text", "corpus", "series", "image", "table")

    def __init__(
        self,
        spec: Spec,
        width: Annotated[int, Range(2)] = 128,
        layers: Depth = 2,
        heads: Annotated[int, Range(1, 1024)] = 4,
        feedforward: Annotated[int, Range(1)] = 4,
        positions: Positions = "rotary",
        patch: Annotated[int, Range(1)] | None = None,
        dropout: Annotated[float, Range(0, 0.99)] | None = None,
        ngrams: Annotated[int, Range(1, 10)] | None = None,
    ) -> None:
        super().__init__()
        even = 2 if positions == "rotary" else 1
        if width % (heads * even):
            near = max(1, round(width / (heads * even))) * heads * even
            words = f"{heads} heads of an even width" if even == 2 else f"{heads} heads"
            raise ConfigError(
                f"a width of {width} cannot be divided into {words}",
                where="model.width",
                fix=f"choose a multiple of {heads * even}",
                override=f"model.width={near}",
            )
        if dropout is None:
            dropout = 0.3 if spec.is_tokens and not spec.causal else 0.1
        self.causal = spec.causal
        self.heads, self.width = heads, width
        self.tokens = build_tokens(spec, width, patch, ngrams or default_ngrams(spec))
        self.dropout = nn.Dropout(dropout)
        self.positions: Positions | Literal["none"] = (
            positions if spec.is_tokens or len(spec.input_shape) > 1 else "none"
        )
        if self.positions == "learned":
            self.learned = nn.Parameter(0.02 * torch.randn(count_tokens(spec, self.tokens), width))
        self.blocks = nn.ModuleList(Block(width, heads, feedforward * width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, spec.out_features)
        self.no_decay = embedding_names(self) | ({"learned"} if self.positions == "learned" else set())

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = self.tokens(x)  # (B, T, width)
        rotation = None
        if self.positions == "rotary":
            rotation = angles(x.shape[1], self.width // self.heads, x)
        elif self.positions == "sinusoidal":
            x = x + sinusoids(x.shape[1], self.width, x)
        elif self.positions == "learned":
            x = x + self.learned[: x.shape[1]]
        x = self.dropout(x)
        # A causal network does not see the padding after a text anyway.
        mask = None if lengths is None or self.causal else is_real(x, lengths)[:, None, None]  # (B, 1, 1, T)
        for block in self.blocks:
            x = block(x, mask, self.causal, rotation)
        x = self.norm(x)
        return self.head(self.dropout(x if self.causal else pool_mean(x, lengths)))


class Patches(nn.Module):
    """A linear map of patches, `(B, C, H, W)` to `(B, patches, width)`; zeros fill up the last row and column."""

    def __init__(self, channels: int, side: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.map = nn.Conv2d(channels, width, side, side)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (0, -x.shape[3] % self.side, 0, -x.shape[2] % self.side))
        return self.map(x).flatten(2).transpose(1, 2)


class FeatureTokens(nn.Module):
    """A linear map of its own for each feature, `(B, F)` to `(B, F, width)`; binned numbers are embedded piecewise
    linearly first.

    Args:
        spec: of the table.
        width: of the vectors.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        binned = sum(map(bool, spec.bins))
        self.numbers = PiecewiseEmbedding(spec.bins, BINS_WIDTH) if binned else None
        others = spec.input_shape[0] - binned
        self.binned = binned
        self.number_maps = nn.Parameter(torch.randn(binned, BINS_WIDTH, width) * BINS_WIDTH**-0.5)
        self.other_maps = nn.Parameter(torch.randn(others, width))
        self.shifts = nn.Parameter(0.1 * torch.randn(binned + others, width))

    def forward(self, x: Tensor) -> Tensor:
        if self.numbers is None:
            return x.unsqueeze(2) * self.other_maps + self.shifts
        x = self.numbers(x)
        numbers, others = x[:, : self.binned * BINS_WIDTH], x[:, self.binned * BINS_WIDTH :]
        tokens = torch.einsum("bni,niw->bnw", numbers.unflatten(1, (self.binned, BINS_WIDTH)), self.number_maps)
        return torch.cat([tokens, others.unsqueeze(2) * self.other_maps], dim=1) + self.shifts


def build_tokens(spec: Spec, width: int, patch: int | None, ngrams: int) -> nn.Module:
    """Returns the layer that turns inputs of this kind into tokens `(B, T, width)`."""
    if spec.is_tokens:
        return TokenEmbedding(spec.vocab_sizes[0], width, ngrams=ngrams, std=1.0 if spec.causal else 0.1)
    if len(spec.input_shape) == 2:  # a series
        return nn.Linear(spec.input_shape[-1], width)
    if len(spec.input_shape) == 3:  # an image
        return Patches(spec.input_shape[0], patch or max(1, min(spec.input_shape[1:]) // PATCHES), width)
    return FeatureTokens(spec, width)


def count_tokens(spec: Spec, tokens: nn.Module) -> int:
    """Returns the largest number of tokens that an input becomes."""
    if not isinstance(tokens, Patches):
        return spec.input_shape[0]
    return math.prod(-(-size // tokens.side) for size in spec.input_shape[1:])


def sinusoids(steps: int, width: int, like: Tensor) -> Tensor:
    """Returns position vectors `(T, width)`: sines in the first half, cosines in the second (Vaswani et al., 2017)."""
    turns = turns_at(steps, -(-width // 2), like)
    return torch.cat([turns.sin(), turns.cos()], dim=1)[:, :width].to(like.dtype)


def angles(steps: int, width: int, like: Tensor) -> Tensor:
    """Returns cosines and sines of the angles by which pairs of components are rotated, `(2, T, width / 2)`."""
    turns = turns_at(steps, width // 2, like)
    return torch.stack([turns.cos(), turns.sin()]).to(like.dtype)


def turns_at(steps: int, pairs: int, like: Tensor) -> Tensor:
    """Returns the angles `(T, pairs)` at each position, from one radian a step down to a ten-thousandth of that."""
    speed = 10_000 ** -(torch.arange(pairs, device=like.device) / pairs)
    return torch.arange(steps, device=like.device)[:, None] * speed


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotates pairs of components of `(B, heads, T, width)` by the angles of their positions (Su et al., 2021)."""
    cos, sin = rotation
    first, second = x.chunk(2, dim=3)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=3)

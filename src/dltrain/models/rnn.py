"""Recurrent networks: over the words of a text, the steps of a series, the rows of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.models.layers.sequences import (
    POOLS,
    Pool,
    TokenEmbedding,
    default_ngrams,
    embedding_names,
    reverse,
)
from dltrain.types import Depth, Range, Spec

Cell = Literal["elman", "lstm", "gru", "source"]


class SourceCell(nn.Module):
    """The recurrent cell of PyTorch's beginners' tutorial, without its map to the output.

    The next hidden state is a linear map of the input joined with the hidden state before, without an activation. The
    output at a step is the same joined vector; a second linear map, which is not part of this cell, turns it into the
    network's output.

    Args:
        width: of the inputs.
        hidden: width of the hidden state.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.to_hidden = nn.Linear(width + hidden, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the outputs at all steps, `(B, T, width + hidden)`, and the last hidden state, `(B, hidden)`."""
        state = x.new_zeros(x.shape[0], self.hidden)
        before = []
        for step in x.unbind(1):
            before.append(state)
            state = self.to_hidden(torch.cat([step, state], dim=1))
        return torch.cat([x, torch.stack(before, dim=1)], dim=2), state


CELLS: Mapping[Cell, Callable[[int, int], nn.Module]] = {
    "elman": lambda width, hidden: nn.RNN(width, hidden, batch_first=True),
    "lstm": lambda width, hidden: nn.LSTM(width, hidden, batch_first=True),
    "gru": lambda width, hidden: nn.GRU(width, hidden, batch_first=True),
    "source": SourceCell,
}


class RNN(nn.Module):
    """A recurrent network, and a linear map of its pooled steps, or of each step where a causal model is asked for.

    Inputs are tokens `(B, T)` and lengths `(B,)`, or series `(B, T, C)`, or images `(B, C, H, W)`, whose rows are the
    steps. Padding after a text's end changes nothing.

    Args:
        spec: of the data.
        cell: `elman` is torch's RNN with tanh; `source` is the tutorial's: two linear maps of the input joined with the
            hidden state, one to the next hidden state, one to the output.
        hidden: width of the hidden state, in each direction.
        layers: number of layers.
        bidirectional: whether to read in both directions; none to do so only for texts that are classified.
        pool: `last` takes the last step, `mean` and `max` pool all steps; none for the maximum of texts and the last
            step of anything else. A causal model pools nothing.
        embedding: width of a token's vector; none for one-hot vectors.
        embedding_dropout: dropout of these vectors; none for 0.3 where texts are classified, else 0.
        dropout: between layers and before the output; none for 0.5 where texts are classified, else 0.1.
        ngrams: tokens of the longest n-gram that has a vector of its own; none for 5 in a causal model, else 1.

    Raises:
        ConfigError: a bidirectional network is to predict the next token.
    """

    takes = ("text", "corpus", "series", "image")

    def __init__(
        self,
        spec: Spec,
        cell: Cell = "elman",
        hidden: Annotated[int, Range(1)] = 128,
        layers: Depth = 1,
        bidirectional: bool | None = None,
        pool: Pool | None = None,
        embedding: Annotated[int, Range(1)] | None = 128,
        embedding_dropout: Annotated[float, Range(0, 0.99)] | None = None,
        dropout: Annotated[float, Range(0, 0.99)] | None = None,
        ngrams: Annotated[int, Range(1, 10)] | None = None,
    ) -> None:
        super().__init__()
        if bidirectional and spec.causal:
            raise ConfigError(
                "a bidirectional network reads the tokens that it must predict",
                where="model.bidirectional",
                fix="read in one direction",
                override="model.bidirectional=false",
            )
        classified = spec.is_tokens and not spec.causal
        both_directions = classified if bidirectional is None else bidirectional
        dropout = (0.5 if classified else 0.1) if dropout is None else dropout
        if embedding_dropout is None:
            embedding_dropout = 0.3 if classified else 0.0
        self.causal = spec.causal
        self.pool = POOLS[pool or ("max" if classified else "last")]
        self.embed: TokenEmbedding | None = None
        if spec.is_tokens:
            (vocab_size,) = spec.vocab_sizes
            self.embed = TokenEmbedding(
                vocab_size, embedding, embedding_dropout, ngrams or default_ngrams(spec), 0.1 if classified else 1.0
            )
            width = self.embed.out_features
        else:
            width = prod(spec.input_shape) // spec.input_shape[-2]  # of a step of (T, C), or a row of (C, H, W)
        self.forwards, self.backwards = nn.ModuleList(), nn.ModuleList()
        for _ in range(layers):
            self.forwards.append(CELLS[cell](width, hidden))
            if both_directions:
                self.backwards.append(CELLS[cell](width, hidden))
            width = (hidden if cell != "source" else width + hidden) * (1 + both_directions)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, spec.out_features)
        self.no_decay = embedding_names(self)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        if self.embed is not None:
            x = self.embed(x)
        elif x.dim() == 4:
            x = x.permute(0, 2, 1, 3).flatten(2)  # (B, C, H, W) to (B, H, C·W)
        for number, forwards in enumerate(self.forwards):
            if number:
                x = self.dropout(x)
            steps = forwards(x)[0]
            if self.backwards:
                backward_steps = reverse(self.backwards[number](reverse(x, lengths))[0], lengths)
                steps = torch.cat([steps, backward_steps], dim=2)
            x = steps  # (B, T, width)
        if self.causal:
            return self.head(self.dropout(x))  # (B, T, out_features)
        return self.head(self.dropout(self._pool(x, lengths)))

    def _pool(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns one vector a sample, `(B, width)`."""
        if self.pool is not POOLS["last"] or not self.backwards:
            return self.pool(x, lengths)
        half = x.shape[2] // 2  # the last step of the backward direction is the first of the sequence
        return torch.cat([self.pool(x[:, :, :half], lengths), x[:, 0, half:]], dim=1)

"""Recurrent networks: over the words of a text, the steps of a series, the rows of a picture."""

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
from dltrain.types import Range, Spec

Cell = Literal["elman", "lstm", "gru", "source"]


class SourceCell(nn.Module):
    """The recurrent network of the classic beginners' tutorial, without the map to its output.

    The next hidden state is one linear map of the input beside the last one, with no activation. What is read at a step
    is the input beside the hidden state that came before it: a second linear map turns that into an output.

    Args:
        width: of the inputs.
        hidden: width of the hidden state.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.to_hidden = nn.Linear(width + hidden, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, width)` to what is read at each step, `(B, T, width + hidden)`, and the last hidden state."""
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
    """A recurrent network and one linear map from what it has read.

    Inputs are tokens `(B, T)` and lengths `(B,)`, or series `(B, T, C)`, or pictures `(B, C, H, W)`, whose rows are the
    steps. What stands behind a text's length changes nothing.

    Args:
        spec: of the data.
        cell: `elman` is torch's RNN with tanh; `source` is the tutorial's: two linear maps over the input beside the
            hidden state, one to the next hidden state, one to the output.
        hidden: width of the hidden state, in each direction.
        layers: stacked on each other.
        bidirectional: whether to read from both ends; none for texts that are classified.
        pool: what is read of the steps: the `last` one, their `mean` or their `max`; none for the maximum of texts and
            the last step of all others. Where an output is asked for at each position, nothing is pooled.
        embedding: width of a token's vector; none for one-hot vectors.
        embedding_dropout: of these vectors; none for 0.3 where texts are classified, else 0.
        dropout: between layers and before the output; none for 0.5 where texts are classified, else 0.1.
        ngrams: longest run of tokens with a vector of its own; none for 5 where the next token is asked for, else 1.

    Raises:
        ConfigError: a network that reads from both ends is to predict what comes next.
    """

    takes = ("text", "corpus", "series", "image")

    def __init__(
        self,
        spec: Spec,
        cell: Cell = "elman",
        hidden: Annotated[int, Range(1)] = 128,
        layers: Annotated[int, Range(1)] = 1,
        bidirectional: bool | None = None,
        pool: Pool | None = None,
        embedding: Annotated[int, Range(1)] | None = 128,
        embedding_dropout: Annotated[float, Range(0, 0.99)] | None = None,
        dropout: Annotated[float, Range(0, 0.99)] | None = None,
        ngrams: Annotated[int, Range(1)] | None = None,
    ) -> None:
        super().__init__()
        if bidirectional and spec.causal:
            raise ConfigError(
                "a network that reads from both ends has seen what it is to predict",
                where="model.bidirectional",
                fix="let it read forward",
                override="model.bidirectional=false",
            )
        classified = spec.is_tokens and not spec.causal
        both = classified if bidirectional is None else bidirectional
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
            width = prod(spec.input_shape) // spec.input_shape[-2]  # of a step of (T, C), of a row of (C, H, W)
        self.forwards, self.backwards = nn.ModuleList(), nn.ModuleList()
        for _ in range(layers):
            self.forwards.append(CELLS[cell](width, hidden))
            if both:
                self.backwards.append(CELLS[cell](width, hidden))
            width = (hidden if cell != "source" else width + hidden) * (1 + both)
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
            read = forwards(x)[0]
            if self.backwards:
                back = reverse(self.backwards[number](reverse(x, lengths))[0], lengths)
                read = torch.cat([read, back], dim=2)
            x = read  # (B, T, width)
        if self.causal:
            return self.head(self.dropout(x))  # (B, T, out_features)
        return self.head(self.dropout(self._pooled(x, lengths)))

    def _pooled(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if self.pool is not POOLS["last"] or not self.backwards:
            return self.pool(x, lengths)
        half = x.shape[2] // 2  # backwards, the last step that was read is the first one
        return torch.cat([self.pool(x[:, :, :half], lengths), x[:, 0, half:]], dim=1)

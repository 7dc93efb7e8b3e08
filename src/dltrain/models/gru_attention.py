"""Two recurrent networks with attention between them: one reads a source, the other writes its answer."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from dltrain.models.layers.sequences import embedding_names, is_real, new_embedding, reverse
from dltrain.types import Depth, Range, Spec


class GRUAttention(nn.Module):
    """A bidirectional GRU over the source, and a GRU over the answer that attends to it (Luong et al., 2015).

    Inputs are sources `(B, S)`, their lengths `(B,)` and the beginnings of answers `(B, T)`; the output at a position
    is for the token that follows. Padding behind a source changes nothing.

    Args:
        spec: of the data.
        hidden: width of the hidden state of the answer's network, and of both directions of the source's together.
        embedding: width of a token's vector.
        layers: number of layers of either network.
        dropout: of the vectors of tokens, between layers and before the output.
    """

    takes = ("pairs",)

    def __init__(
        self,
        spec: Spec,
        hidden: Annotated[int, Range(2)] = 128,
        embedding: Annotated[int, Range(1)] = 64,
        layers: Depth = 1,
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
    ) -> None:
        super().__init__()
        sources, answers = spec.vocab_sizes
        half = -(-hidden // 2)
        self.embed_source, self.embed_answer = new_embedding(sources, embedding), new_embedding(answers, embedding)
        widths = [embedding] + [2 * half] * (layers - 1)
        self.forwards = nn.ModuleList(nn.GRU(width, half, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(nn.GRU(width, half, batch_first=True) for width in widths)
        self.bridges = nn.ModuleList(nn.Linear(2 * half, hidden) for _ in range(layers))
        widths = [embedding] + [hidden] * (layers - 1)
        self.writers = nn.ModuleList(nn.GRU(width, hidden, batch_first=True) for width in widths)
        self.score = nn.Linear(hidden, 2 * half, bias=False)
        self.joined = nn.Linear(hidden + 2 * half, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, spec.out_features)
        self.no_decay = embedding_names(self)

    def forward(self, source: Tensor, lengths: Tensor, answer: Tensor) -> Tensor:
        return self._write(self.begin(source, lengths), answer)[0]

    def begin(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Returns the state before an answer: the source's steps `(B, S, width)`, which of them are no padding, and the
        first hidden states `(B, hidden)`."""
        x = self.dropout(self.embed_source(source))
        hidden: list[Tensor] = []
        last = (lengths - 1)[:, None, None]
        for forwards, backwards, bridge in zip(self.forwards, self.backwards, self.bridges, strict=True):
            if hidden:
                x = self.dropout(x)
            ahead, back = forwards(x)[0], reverse(backwards(reverse(x, lengths))[0], lengths)
            end = ahead.gather(1, last.expand(-1, 1, ahead.shape[2])).squeeze(1)
            hidden.append(torch.tanh(bridge(torch.cat([end, back[:, 0]], dim=1))))
            x = torch.cat([ahead, back], dim=2)
        return x, is_real(x, lengths), *hidden

    def step(self, state: tuple[Tensor, ...], tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns the outputs for the tokens after `tokens` `(B,)`, and the state after them."""
        output, state = self._write(state, tokens[:, None])
        return output[:, 0], state

    def _write(self, state: tuple[Tensor, ...], answer: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns the outputs at each position of an answer `(B, T)`, and the state behind it."""
        steps, real, *hidden = state
        x = self.dropout(self.embed_answer(answer))
        after = []
        for number, (writer, before) in enumerate(zip(self.writers, hidden, strict=True)):
            x, end = writer(self.dropout(x) if number else x, before[None].contiguous())
            after.append(end[0])
        scores = self.score(x) @ steps.transpose(1, 2) / steps.shape[2] ** 0.5  # (B, T, S)
        weights = scores.masked_fill(~real[:, None], torch.finfo(scores.dtype).min).softmax(dim=2)
        x = torch.tanh(self.joined(torch.cat([x, weights @ steps], dim=2)))
        return self.head(self.dropout(x)), (steps, real, *after)

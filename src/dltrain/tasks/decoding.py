"""Writes answers with a model of pairs, token by token: the likeliest token each time, or the likeliest of a few
answers (beam search)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dltrain.data.tokens import END, PADDING, UNKNOWN
from dltrain.types import Stepwise

SILENT = (PADDING, UNKNOWN)  # tokens that no answer holds


class Written(NamedTuple):
    """Answers that a model wrote.

    Args:
        tokens: `(B, T)`, padding behind the end of each.
        losses: `(B, T)` negative log-probability of each token, in nats; 0 behind the end.
    """

    tokens: Tensor
    losses: Tensor


class Replaying:
    """Writes with a model that only takes whole beginnings of answers, which it computes again for every token.

    Args:
        model: called with sources, their lengths and beginnings of answers.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def begin(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Returns the sources, their lengths, and answers without tokens."""
        return source, lengths, source[:, :0]

    def step(self, state: tuple[Tensor, ...], tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns the outputs for the tokens that follow, and the state with one token more."""
        source, lengths, before = state
        answer = torch.cat([before, tokens[:, None]], dim=1)
        return self.model(source, lengths, answer)[:, -1], (source, lengths, answer)


def without_silent(output: Tensor) -> Tensor:
    """Returns log-probabilities `(..., V)` among the tokens that an answer may hold."""
    silent = torch.zeros(output.shape[-1], dtype=torch.bool, device=output.device)
    silent[list(SILENT)] = True
    return output.float().masked_fill(silent, -torch.inf).log_softmax(dim=-1)


@torch.no_grad()
def write_answers(model: nn.Module, source: Tensor, lengths: Tensor, longest: int, beams: int = 1) -> Written:
    """Returns the answers to sources.

    Args:
        model: of pairs, in evaluation mode.
        source: `(B, S)`.
        lengths: `(B,)` of the sources.
        longest: the largest number of tokens of an answer, its end included.
        beams: the number of beginnings that are followed side by side; 1 for the likeliest token each time.
    """
    writer = model if isinstance(model, Stepwise) else Replaying(model)
    return _greedy(writer, source, lengths, longest) if beams == 1 else _beam(writer, source, lengths, longest, beams)


def _greedy(writer: Stepwise, source: Tensor, lengths: Tensor, longest: int) -> Written:
    state = writer.begin(source, lengths)
    count = len(source)
    token = torch.full((count,), END, device=source.device)
    tokens = torch.full((count, longest), PADDING, device=source.device)
    losses = torch.zeros(count, longest, device=source.device)
    rows = torch.arange(count, device=source.device)  # of the answers that have not ended
    for at in range(longest):
        output, state = writer.step(state, token)
        best, token = without_silent(output).max(dim=1)
        tokens[rows, at], losses[rows, at] = token, -best
        going = token != END
        if not going.all():
            rows, token, state = rows[going], token[going], tuple(part[going] for part in state)
        if not len(rows):
            break
    return Written(tokens, losses)


def _beam(writer: Stepwise, source: Tensor, lengths: Tensor, longest: int, beams: int) -> Written:
    """Follows the `beams` likeliest beginnings of each answer; of those that end, the likeliest one is the answer.

    A beginning whose probability is below that of the best whole answer cannot win any more, so a search ends as soon
    as none is left: the result is the same as for a search that goes on.
    """
    count, device = len(source), source.device
    state = tuple(part.repeat_interleave(beams, dim=0) for part in writer.begin(source, lengths))
    token = torch.full((count * beams,), END, device=device)
    tokens = torch.full((count, beams, longest), PADDING, device=device)
    losses = torch.zeros(count, beams, longest, device=device)
    scores = torch.full((count, beams), -torch.inf, device=device)
    scores[:, 0] = 0.0  # at first all beginnings are the same
    best = torch.full((count,), -torch.inf, device=device)
    answer, spent = tokens[:, 0].clone(), losses[:, 0].clone()
    first = torch.arange(count, device=device)[:, None] * beams
    for at in range(longest):
        output, state = writer.step(state, token)
        each = without_silent(output).view(count, beams, -1)
        vocabulary = each.shape[2]
        total = scores[:, :, None] + each
        ended, ending = total[:, :, END].max(dim=1)
        if at == longest - 1:  # what has no end yet is cut off
            ended, ending = total.flatten(1).max(dim=1)
            ending, last = ending // vocabulary, ending % vocabulary
        else:
            last = torch.full_like(ending, END)
        better = ended > best
        rows = better.nonzero().flatten()
        answer[rows], spent[rows] = tokens[rows, ending[rows]], losses[rows, ending[rows]]
        answer[rows, at], spent[rows, at] = last[rows], -each[rows, ending[rows], last[rows]]
        best = torch.where(better, ended, best)
        total[:, :, END] = -torch.inf
        scores, chosen = total.flatten(1).topk(beams, dim=1)
        if bool((scores[:, 0] <= best).all()):
            break
        origin, token_of = chosen // vocabulary, chosen % vocabulary
        index = origin[:, :, None].expand(-1, -1, longest)
        tokens, losses = tokens.gather(1, index), losses.gather(1, index)
        tokens[:, :, at] = token_of
        losses[:, :, at] = -each.flatten(1).gather(1, chosen)
        token = token_of.flatten()
        state = tuple(part[(first + origin).flatten()] for part in state)
    return Written(answer, spent)

"""Baselines for the next token: interpolated Kneser-Ney models of one, three and five tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.tokens import IGNORED
from dltrain.kinds.method import Method
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, Split, SplitName

ORDERS = (1, 3, 5)


def predictors(data: Data, split: SplitName) -> Iterator[Method]:
    """Yields baselines; each counts the training n-grams and predicts the other split."""
    train, held_out = _stream(data.splits["train"]), data.splits[split]
    (vocab_size,) = data.facts.vocab_sizes
    for order in ORDERS:
        yield Method(f"{order}-gram", partial(_judge, train, held_out, order, vocab_size))


def _stream(split: Split) -> NDArray[np.int64]:
    """Returns the tokens of a split in their order: the first one, then each target, which occurs once."""
    target = split.target.flatten()
    following = target[target != IGNORED]
    return np.concatenate([split.inputs[0][:1, 0].numpy(), following.numpy()])


def _judge(train: NDArray[np.int64], held_out: Split, order: int, vocab_size: int) -> Predictions:
    probabilities = kneser_ney(train, _stream(held_out), order, vocab_size)[1:]
    losses = torch.zeros(held_out.target.shape, dtype=torch.float64)
    losses[held_out.target != IGNORED] = torch.from_numpy(-np.log(probabilities))
    return Predictions(losses, losses=losses)


@dataclass(frozen=True)
class Level:
    """The n-grams of one order in two concatenated streams.

    Args:
        gram: `(S,)` the number of the n-gram that ends at each position.
        context: `(S,)` the number of the (n-1)-gram that ends before it.
        count: how many different n-grams there are.
    """

    gram: NDArray[np.int64]
    context: NDArray[np.int64]
    count: int


def kneser_ney(
    train: NDArray[np.int64], held_out: NDArray[np.int64], order: int, vocab_size: int
) -> NDArray[np.float64]:
    """Returns the probability of each token of a stream, `(R,)`, from n-grams counted in another stream.

    Kneser and Ney (1995), interpolated as in Chen and Goodman (1999), with one discount per order. The lower orders
    count the contexts of an n-gram, not its occurrences; below the first order all tokens are equally likely. The
    probabilities of all tokens after a context add up to 1.

    Args:
        train: `(S,)` tokens to count.
        held_out: `(R,)` tokens to predict, each from those before it.
        order: the maximum length of an n-gram, in tokens.
        vocab_size: number of distinct tokens.
    """
    tokens, counted = np.concatenate([train, held_out]), len(train)
    levels: list[Level] = []
    context = np.zeros(len(tokens), dtype=np.int64)
    for _ in range(order):
        distinct, gram = np.unique(context * (vocab_size + 1) + tokens, return_inverse=True)
        levels.append(Level(gram, context, len(distinct)))
        # The number 0 is the context at the beginning of a stream.
        context = np.concatenate([[0], gram[:-1] + 1])
        context[counted] = 0
    probability = np.full(len(held_out), 1 / vocab_size)
    for number, level in enumerate(levels):
        counts = _counts(level, levels[number + 1] if number + 1 < order else None, counted)
        once, twice = (counts == 1).sum(), (counts == 2).sum()
        discount = once / (once + 2 * twice) if once and twice else 0.5
        of_gram = np.zeros(level.count, dtype=np.int64)
        of_gram[level.gram] = level.context
        size = int(level.context.max()) + 1
        total = np.bincount(of_gram, counts, minlength=size)[level.context[counted:]]
        types = np.bincount(of_gram, counts > 0, minlength=size)[level.context[counted:]]
        discounted = np.maximum(counts[level.gram[counted:]] - discount, 0)
        new = total == 0  # an unseen context has no information
        total[new] = 1
        probability = np.where(new, probability, (discounted + discount * types * probability) / total)
    return probability


def _counts(level: Level, longer: Level | None, counted: int) -> NDArray[np.float64]:
    """Returns how often each n-gram occurs in the counted stream, or below the highest order, in how many contexts."""
    if longer is None:
        return np.bincount(level.gram[:counted], minlength=level.count).astype(np.float64)
    _, first = np.unique(longer.gram[:counted], return_index=True)  # each (n+1)-gram once
    return np.bincount(level.gram[first], minlength=level.count).astype(np.float64)

"""Solves the weights between items of a model that has some, from the training choices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.kinds.ratings.ease import AT_ONCE, PENALTIES, TOP, Products
from dltrain.memory import refuse_beyond
from dltrain.models.ease import Ease
from dltrain.types import Data

HALF_LIVES = (0.0, 100.0, 30.0, 10.0, 5.0, 3.0, 2.0)  # in later choices of the same user; 0 for no decay
MOST_JUDGED = 1000  # held-out choices
BYTES = 24  # for each number of the factors while they are solved for; a solved model takes 4

Choices = tuple[Tensor, Tensor]  # users and items, from the earliest choice to the latest


def solve(model: nn.Module, data: Data) -> None:
    """Solves the weights between items; their penalty, and how fast choices lose weight, follow from the validation
    split, or where there is none from each user's last training choice.

    Raises:
        ConfigError: choices have weights, or the free memory is too small.
    """
    sizes, train = data.facts.vocab_sizes, data.splits["train"]
    for part in model.modules():
        if not isinstance(part, Ease):
            continue
        counted = torch.ones(len(train), dtype=torch.bool) if train.weight is None else train.weight > 0
        if train.weight is not None and len(train.weight[counted].unique()) > 1:
            raise ConfigError(
                f"{type(part).__name__} counts all choices alike, and data.count weighs them",
                where="data.count",
                fix="leave it out, or choose a model that is trained",
                override="model=recommender",
            )
        refuse_beyond(
            BYTES * part.factors.numel(),
            f"the weights between {sizes[1] - 1:,} items",
            where="model",
            fix="choose a model that is trained",
            override="model=recommender",
        )
        order = torch.arange(len(train)) if train.order is None else train.order
        choices, counted = (train.tensors[0][order], train.tensors[1][order]), counted[order]
        rest, held_out = choices, data.splits["val"].tensors if "val" in data.splits else None
        if held_out is None:
            last = is_last(choices[0])
            rest, held_out = (choices[0][~last], choices[1][~last]), (choices[0][last], choices[1][last])
            counted_rest = counted[~last]
        else:
            counted_rest = counted
        held_out = held_out[0], held_out[1]
        penalty, half_life = choose(part, rest, held_out, ordered=train.order is not None, counted=counted_rest)
        part.remember(choices, torch.ones(len(order), 1))
        give_weights(part, products_of((choices[0][counted], choices[1][counted]), sizes), penalty)
        part.take_half_life(half_life)


def choose(
    part: Ease, rest: Choices, held_out: Choices, *, ordered: bool, counted: Tensor | None = None
) -> tuple[float, float]:
    """Returns the penalty and the half-life that order held-out choices best, each in its turn; what the user has fixed
    stays.

    Args:
        part: the model, which gets other weights meanwhile.
        rest: the choices that are not held out.
        held_out: users and items; those that are 0 are unknown.
        ordered: whether it is known what was chosen first.
        counted: which of `rest` weights are solved from; all without it. By the others a user is known.
    """
    penalties = PENALTIES if part.penalty == "auto" else (float(part.penalty),)
    half_lives = (HALF_LIVES if ordered else HALF_LIVES[:1]) if part.half_life == "auto" else (float(part.half_life),)
    part.remember(rest, torch.ones(len(rest[0]), 1))
    solved = rest if counted is None else (rest[0][counted], rest[1][counted])
    products = products_of(solved, (len(part.histories.ends), len(part.shares)))
    known = torch.nonzero((held_out[0] > 0) & (held_out[1] > 0)).flatten()
    known = known[:: max(1, -(-len(known) // MOST_JUDGED))]
    user, item = held_out[0][known], held_out[1][known]
    chosen = mark_chosen(part, user)
    gains: dict[tuple[float, float], float] = {}

    def best_of(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
        if len(pairs) == 1 or not len(user):
            return pairs[len(pairs) // 2]
        for penalty, half_life in pairs:
            if (penalty, half_life) not in gains:
                give_weights(part, products, penalty)
                part.take_half_life(half_life)
                gains[penalty, half_life] = mean_gain(part, user, item, chosen)
        return max(pairs, key=gains.__getitem__)

    penalty, _ = best_of([(penalty, half_lives[0]) for penalty in penalties])
    _, half_life = best_of([(penalty, half_life) for half_life in half_lives])
    return best_of([(penalty, half_life) for penalty in penalties])


def products_of(choices: Choices, sizes: Sequence[int]) -> Products:
    """Returns the products of users or of items, whichever are fewer, with each other."""
    return Products.of(choices[0].numpy(), choices[1].numpy(), tuple(sizes))


def give_weights(part: Ease, products: Products, penalty: float) -> None:
    """Gives a model the weights between items for a penalty of their squares."""
    scales = 1 / (products.values + penalty)
    if products.by_user:
        factors, level = products.chosen.T @ products.vectors, 1.0
    else:
        factors, level, scales = products.vectors, 0.0, -scales
    shares = 1 / (level - np.square(factors) @ scales)
    part.take(*(torch.from_numpy(np.asarray(numbers)) for numbers in (factors, scales, shares)))


def is_last(user: Tensor) -> Tensor:
    """Tells which choices `(N,)`, from the earliest to the latest, are the last of several of their user."""
    at, counts = torch.arange(len(user)), torch.bincount(user)
    last = torch.zeros_like(counts).scatter_reduce(0, user, at, "amax")
    return (last[user] == at) & (counts[user] > 1)


def mark_chosen(part: Ease, user: Tensor) -> Tensor:
    """Tells which items users have chosen or that are unknown, `(B, items)`."""
    items = torch.arange(len(part.shares))
    chosen = [part.histories.age(some[:, None], items[None].expand(len(some), -1)) >= 0 for some in user.split(AT_ONCE)]
    marked = torch.cat(chosen) if chosen else torch.zeros(0, len(items), dtype=torch.bool)
    marked[:, 0] = True
    return marked


@torch.no_grad()
def mean_gain(part: Ease, user: Tensor, item: Tensor, chosen: Tensor) -> float:
    """Returns the mean gain of held-out choices, by their places among all items that their users have not chosen."""
    gains = []
    for rows in torch.arange(len(user)).split(AT_ONCE):
        scores = part.score_items(user[rows])
        own = scores.gather(1, item[rows, None])
        places = (scores.masked_fill(chosen[rows], -torch.inf) > own).sum(dim=1)
        gains.append(torch.where(places < TOP, 1 / torch.log2(places + 2.0), 0.0))
    return float(torch.cat(gains).mean())

"""Plain methods for ratings: the mean, biases of users and items, and what is rated most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.tasks.ranking import Score, places_of_truth
from dltrain.tasks.task import Predictions
from dltrain.types import Data, SplitName

DAMPING = (1.0, 2.0, 4.0, 8.0, 16.0)  # as if so many average ratings stood beside the real ones
ROUNDS = 20

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def predictors(data: Data, split: SplitName) -> Iterator[tuple[str, Callable[[], Predictions]]]:
    """Names of methods, and what fits one to the training split and predicts the other split."""
    train = data.splits["train"]
    user, item = (tensor.numpy() for tensor in train.inputs)
    rating = train.target[:, 0].numpy()
    mean, counts = float(rating.mean()), np.bincount(item, minlength=data.facts.vocab_sizes[1])
    yield "mean", partial(_predict, data, split, lambda: _constant(mean))
    if places_of_truth(data, split, _constant(mean)) is not None:
        yield "most_rated", partial(_predict, data, split, lambda: _constant(mean), lambda: _by_item(counts))
    yield "biases", partial(_predict, data, split, lambda: _biases(user, item, rating, data.facts.vocab_sizes))


def _predict(
    data: Data, split: SplitName, fit: Callable[[], Score], order: Callable[[], Score] | None = None
) -> Predictions:
    score = fit()
    low, high = data.facts.target_range
    values = score(*data.splits[split].inputs)[:, None].clamp(low, high)
    return Predictions(values, places=places_of_truth(data, split, score if order is None else order()))


def _constant(value: float) -> Score:
    return lambda user, item: torch.full((len(user),), value, dtype=torch.float64)


def _by_item(values: NDArray[np.generic]) -> Score:
    of_item = torch.from_numpy(values.astype(np.float64))
    return lambda user, item: of_item[item]


def _biases(user: Indices, item: Indices, rating: Floats, sizes: tuple[int, ...]) -> Score:
    """The mean, what a user adds and what an item adds, damped as a tenth of the training ratings likes best."""
    held_out = np.random.default_rng(0).random(len(rating)) < 0.1
    damping = DAMPING[2]
    if 0 < held_out.sum() < len(rating):
        known = ~held_out
        errors = []
        for candidate in DAMPING:
            mean, of_user, of_item = fit_biases(user[known], item[known], rating[known], sizes, candidate)
            said = mean + of_user[user[held_out]] + of_item[item[held_out]]
            errors.append(float(np.square(said - rating[held_out]).mean()))
        damping = DAMPING[int(np.argmin(errors))]
    mean, of_user, of_item = fit_biases(user, item, rating, sizes, damping)
    users, items = torch.from_numpy(of_user), torch.from_numpy(of_item)
    return lambda user, item: mean + users[user] + items[item]


def fit_biases(
    user: Indices, item: Indices, rating: Floats, sizes: tuple[int, ...], damping: float
) -> tuple[float, Floats, Floats]:
    """The least squares of ratings against mean, user and item, with `damping` times the squares of both added.

    Returns:
        The mean, `(users + 1,)` and `(items + 1,)`; whoever has no rating adds nothing.
    """
    mean = float(rating.mean())
    of_user, of_item = np.zeros(sizes[0]), np.zeros(sizes[1])
    users, items = np.bincount(user, minlength=sizes[0]) + damping, np.bincount(item, minlength=sizes[1]) + damping
    for _ in range(ROUNDS):
        of_item = np.bincount(item, rating - mean - of_user[user], sizes[1]) / items
        of_user = np.bincount(user, rating - mean - of_item[item], sizes[0]) / users
    return mean, of_user, of_item

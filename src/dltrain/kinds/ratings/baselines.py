"""Baselines: mean and biases for ratings, most rated items and neighbours for rankings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from dltrain.kinds.method import Method
from dltrain.kinds.ratings.ease import MOST, Ease
from dltrain.kinds.ratings.encoder import ranks_items
from dltrain.tasks.order import Score, rank_items
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, SplitName

DAMPING = (1.0, 2.0, 4.0, 8.0, 16.0)  # as if there were so many additional average ratings
ROUNDS = 20
EASE_SECONDS = 60.0  # that EASE takes with as many items or users as it can be fitted to
LEAST_LIMIT = 8.0  # seconds that it may always take
SHRINKAGE = 10.0  # added to the number of an item's ratings when it is compared with others

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def predictors(data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
    """Yields baselines; each fits it to the training split and predicts another split.

    EASE is left out where it would take much longer than all methods may, `seconds`, which a note says.
    """
    train = data.splits["train"]
    user, item = (tensor.numpy() for tensor in train.tensors)
    rating = train.target[:, 0].numpy()
    sizes = data.facts.vocab_sizes
    if ranks_items(data.facts):
        learned = np.ones(len(user), dtype=bool) if train.weight is None else train.weight.numpy() > 0
        counts = np.bincount(item[learned], minlength=sizes[1])
        long = EASE_SECONDS * (min(sizes) / MOST) ** 3
        fits = min(sizes) <= MOST and long <= max(LEAST_LIMIT, 2 * seconds)
        note = "" if fits else f"ease is left out, because it would take about {long:,.0f} seconds"
        yield Method("most_rated", partial(_order, data, split, lambda: _by_item(counts)), note)
        yield Method("neighbours", partial(_order, data, split, lambda: neighbours(user, item, sizes, learned)))
        if fits and learned.all():  # which scores no users that are held out
            yield Method("ease", partial(_order, data, split, lambda: ease(user, item, sizes)))
        return
    yield Method("mean", partial(_predict, data, split, lambda: _constant(float(rating.mean()))))
    yield Method("biases", partial(_predict, data, split, lambda: _biases(user, item, rating, sizes)))


def _predict(data: Data, split: SplitName, fit: Callable[[], Score]) -> Predictions:
    low, high = data.facts.target_range
    return Predictions(fit()(*data.splits[split].tensors)[:, None].clamp(low, high))


def _order(data: Data, split: SplitName, fit: Callable[[], Score]) -> Predictions:
    return rank_items(data.splits[split], data.kept, data.facts.vocab_sizes[1], fit())


def _constant(value: float) -> Score:
    return lambda user, item: torch.full((len(user),), value, dtype=torch.float64)


def _by_item(values: NDArray[np.generic]) -> Score:
    of_item = torch.from_numpy(values.astype(np.float64))
    return lambda user, item: of_item[item]


def neighbours(user: Indices, item: Indices, sizes: tuple[int, ...], learned: NDArray[np.bool_] | None = None) -> Score:
    """Returns the similarity of an item to those that a user has rated: the sum of shrunk cosines of their raters, who
    are those of the `learned` rows."""
    everything = csr_array((np.ones(len(user)), (user, item)), shape=sizes)
    weight = np.ones(len(user)) if learned is None else learned.astype(np.float64)
    rated = csr_array((weight, (user, item)), shape=sizes)
    length = np.sqrt(np.asarray(rated.sum(axis=0)) + SHRINKAGE)
    shares = csr_array(everything / length)  # which scipy returns in a form without fast access to rows

    def score(users: Tensor, items: Tensor) -> Tensor:
        rows, row_of = np.unique(users.numpy(), return_inverse=True)
        similarity = (shares[rows] @ rated.T @ rated).toarray() / length
        return torch.from_numpy(similarity[row_of, items.numpy()])

    return score


def ease(user: Indices, item: Indices, sizes: tuple[int, ...]) -> Score:
    """Returns the scores of EASE, with the penalty that orders held-out training choices best."""
    model = Ease.fit(user, item, sizes)

    def score(users: Tensor, items: Tensor) -> Tensor:
        rows, row_of = np.unique(users.numpy(), return_inverse=True)
        return torch.from_numpy(model.scores(rows)[row_of, items.numpy()])

    return score


def _biases(user: Indices, item: Indices, rating: Floats, sizes: tuple[int, ...]) -> Score:
    """Returns mean plus user and item bias, with the damping that predicts a tenth of the training ratings best."""
    held_out = np.random.default_rng(0).random(len(rating)) < 0.1
    damping = DAMPING[2]
    if 0 < held_out.sum() < len(rating):
        rest = ~held_out
        errors = []
        for candidate in DAMPING:
            mean, of_user, of_item = fit_biases(user[rest], item[rest], rating[rest], sizes, candidate)
            predicted = mean + of_user[user[held_out]] + of_item[item[held_out]]
            errors.append(float(np.square(predicted - rating[held_out]).mean()))
        damping = DAMPING[int(np.argmin(errors))]
    mean, of_user, of_item = fit_biases(user, item, rating, sizes, damping)
    users, items = torch.from_numpy(of_user), torch.from_numpy(of_item)
    return lambda user, item: mean + users[user] + items[item]


def fit_biases(
    user: Indices, item: Indices, rating: Floats, sizes: tuple[int, ...], damping: float
) -> tuple[float, Floats, Floats]:
    """Fits mean, user and item biases to ratings by least squares, with `damping` times the squared biases added.

    Returns:
        The mean, and the biases `(users + 1,)` and `(items + 1,)`, which are 0 without a rating.
    """
    mean = float(rating.mean())
    of_user, of_item = np.zeros(sizes[0]), np.zeros(sizes[1])
    users, items = np.bincount(user, minlength=sizes[0]) + damping, np.bincount(item, minlength=sizes[1]) + damping
    for _ in range(ROUNDS):
        of_item = np.bincount(item, rating - mean - of_user[user], sizes[1]) / items
        of_user = np.bincount(user, rating - mean - of_item[item], sizes[0]) / users
    return mean, of_user, of_item

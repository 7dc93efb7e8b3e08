"""EASE agrees with its definition, whether users or items are fewer, and chooses its penalty by held-out choices."""

from __future__ import annotations

import numpy as np
import pytest

from dltrain.kinds.ratings.ease import PENALTIES, Ease, Products, mean_gain


def choices(users: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns users and items that are chosen together by taste: each user likes every third item."""
    random = np.random.default_rng(0)
    liked = (np.arange(users)[:, None] % 3 == np.arange(items) % 3) & (random.random((users, items)) < 0.5)
    return np.nonzero(liked | (random.random((users, items)) < 0.02))


@pytest.mark.parametrize("sizes", [(12, 30), (30, 12)])
def test_scores_are_those_of_the_closed_form(sizes: tuple[int, int]) -> None:
    user, item = choices(*sizes)
    chosen = np.zeros(sizes)
    chosen[user, item] = 1
    inverse = np.linalg.inv(chosen.T @ chosen + 5.0 * np.eye(sizes[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    model = Ease.of(Products.of(user, item, sizes), 5.0)
    new = chosen == 0
    assert np.allclose(model.scores(np.arange(sizes[0]))[new], (chosen @ weights)[new])


def test_the_penalty_orders_held_out_choices_best_and_taste_is_found() -> None:
    user, item = choices(90, 60)
    model = Ease.fit(user, item, (90, 60))
    assert any(np.allclose(model.inverse, Products.of(user, item, (90, 60)).inverse(each)) for each in PENALTIES)
    scores = model.scores(np.arange(90))
    scores[user, item] = -np.inf
    assert np.mean(scores.argmax(axis=1) % 3 == np.arange(90) % 3) > 0.95
    assert mean_gain(model, np.array([0]), np.array([int(scores[0].argmax())])) == 1.0

"""The order of items: where the true one stands, and what is recommended."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dltrain.baselines.plain import BaselineSettings, baselines
from dltrain.baselines.ratings import fit_biases
from dltrain.data.ratings import ratings
from dltrain.losses import default_loss
from dltrain.metrics import hits
from dltrain.tasks.choice import build_task
from dltrain.tasks.ranking import places_of_truth, top_items

DATA = ratings(rows=600, split="leave_last")


def fixed(seed: int = 0) -> Tensor:
    """A score for every user and item, with ties."""
    sizes = DATA.facts.vocab_sizes
    return torch.randint(0, 20, sizes, generator=torch.Generator().manual_seed(seed)).double()


def test_places_are_those_of_a_plain_count() -> None:
    scores = fixed()
    places = places_of_truth(DATA, "test", lambda user, item: scores[user, item])
    assert places is not None
    known = {
        pair for name in ("train", "val") for pair in zip(*(t.tolist() for t in DATA.splits[name].inputs), strict=True)
    }
    user, item = (tensor.tolist() for tensor in DATA.splits["test"].inputs)
    for u, true, place in zip(user, item, places.tolist(), strict=True):
        rivals = [scores[u, i] for i in range(1, scores.shape[1]) if (u, i) not in known and i != true]
        if true == 0:
            assert place == len(rivals) + 1
        else:
            mine = scores[u, true]
            assert place == 1 + sum(s > mine for s in rivals) + 0.5 * sum(s == mine for s in rivals)


def test_only_the_last_ratings_are_put_in_order() -> None:
    scores = fixed()
    assert places_of_truth(DATA, "train", lambda user, item: scores[user, item]) is None
    assert places_of_truth(ratings(rows=600), "test", lambda user, item: scores[user, item]) is None


def test_hits_by_hand() -> None:
    found = hits(torch.tensor([1.0, 3.0, 11.0, 10.0]))
    assert found["hit_rate@10"] == found["recall@10"] == 0.75
    assert found["ndcg@10"] == pytest.approx((1 + 1 / math.log2(4) + 1 / math.log2(11)) / 4)


@pytest.mark.parametrize("user", range(20))
def test_what_is_recommended_was_never_rated(user: int) -> None:
    scores = fixed(1)
    items, values = top_items(user, DATA.kept, scores.shape[1], lambda u, i: scores[u, i], top=1000)
    rated = {
        i
        for name in DATA.splits
        for u, i in zip(*(t.tolist() for t in DATA.splits[name].inputs), strict=True)
        if u == user
    }
    assert not set(items.tolist()) & (rated if user else {0})
    assert len(items) == scores.shape[1] - 1 - (len(rated - {0}) if user else 0)
    assert values.tolist() == sorted(values.tolist(), reverse=True)
    assert values.tolist() == scores[user, items].tolist()


def test_biases_are_the_ridge_regression_on_who_and_what() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    user, item = rng.integers(1, 6, 200), rng.integers(1, 8, 200)
    rating = rng.normal(3, 1, 200)
    mean, of_user, of_item = fit_biases(user, item, rating, (6, 8), damping=2.0)
    columns = np.concatenate([np.eye(6)[user], np.eye(8)[item]], axis=1)
    exact = Ridge(alpha=2.0, fit_intercept=False).fit(columns, rating - mean).coef_
    np.testing.assert_allclose(np.concatenate([of_user, of_item]), exact, atol=2e-3)


def test_plain_methods_of_ratings() -> None:
    task = build_task(DATA.facts, default_loss(DATA.facts))
    found = {one.name: one.metrics for one in baselines(DATA, task, "test", BaselineSettings())}
    assert list(found) == ["mean", "most_rated", "biases"]
    assert found["biases"]["rmse"] < found["mean"]["rmse"]
    assert found["most_rated"]["hit_rate@10"] > 10 / DATA.facts.vocab_sizes[1]
    random = ratings(rows=600)
    assert [one.name for one in baselines(random, task, "test", BaselineSettings())] == ["mean", "biases"]

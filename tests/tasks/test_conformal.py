from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from dltrain.tasks.certainty import describe
from dltrain.tasks.conformal import Conformal, Spread, fit_intervals, outside


def test_the_quantile_is_the_one_of_finite_samples() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))  # 19 scores
    conformal = Conformal.fit(scores)
    assert conformal.quantile(0.9) == pytest.approx(18, rel=1e-5)  # ⌈20 · 0.9⌉
    assert conformal.quantile(0.95) == pytest.approx(19, rel=1e-5)
    assert conformal.quantile(0.96) == math.inf
    assert conformal.largest_level == 0.95
    assert conformal.quantile(0.001) == pytest.approx(1, rel=1e-5)


def test_a_score_that_equals_the_quantile_is_not_above_it() -> None:
    for score in np.random.default_rng(0).random(100):
        assert Conformal.fit(np.full(50, score)).quantile(0.9) >= score


@pytest.mark.parametrize("count", [7, 499, 500, 501, 1234, 20_000])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_stored_quantiles_are_never_below_the_exact_one(count: int, level: float) -> None:
    scores = np.arange(1.0, count + 1)
    rank = math.ceil((count + 1) * level - 1e-9)
    found = Conformal.fit(scores).quantile(level)
    assert found == math.inf if rank > count else rank <= found <= (rank + math.ceil(count / 500) - 1) * 1.00001


def test_coverage_is_the_level_over_many_small_samples() -> None:
    random = np.random.default_rng(0)
    held = [random.exponential() <= Conformal.fit(random.exponential(size=19)).quantile(0.9) for _ in range(4000)]
    assert 0.885 <= np.mean(held) <= 0.915  # without n + 1 in the rank it would be 0.85


def test_the_spread_is_learned_where_noise_depends_on_an_input() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 2))
    noise = np.exp(x[:, :1]) * random.normal(size=(3000, 1))
    true, predicted = noise[:, 0], np.zeros(3000)
    training, held_out, new = ((true[at], predicted[at], x[at]) for at in np.split(np.arange(3000), [1500, 2000]))
    conformal = fit_intervals(held_out, training)
    assert conformal is not None and conformal.spread is not None
    radius = conformal.radius(0.9, new[1], new[2])
    held = np.abs(new[0]) <= radius
    for quarter in np.array_split(np.argsort(new[2][:, 0]), 4):
        assert 0.8 <= held[quarter].mean() <= 0.97
    plain = fit_intervals(held_out, None)
    assert plain is not None and plain.spread is None
    assert radius.mean() < 0.9 * plain.radius(0.9, new[1], new[2]).mean()
    assert Conformal.from_json(json.loads(json.dumps(asdict(conformal)))) == conformal


def test_even_noise_and_errors_that_training_does_not_show_are_left_alone() -> None:
    random = np.random.default_rng(1)
    x, true = random.normal(size=(2000, 3)), random.normal(size=2000)
    halves = [(true[at], np.zeros(len(at)), x[at]) for at in np.split(np.arange(2000), 2)]
    even = fit_intervals(halves[0], halves[1])
    assert even is not None and even.spread is None
    learned_by_heart = fit_intervals(halves[0], (true[1000:], true[1000:], x[1000:]))
    assert learned_by_heart is not None and learned_by_heart.spread is None


def test_gaps_in_the_target_cost_only_themselves() -> None:
    true = np.array([1.0, np.nan, 3.0, 4.0])
    conformal = fit_intervals((true, np.zeros(4), np.empty((4, 0))), None)
    assert conformal is not None and (conformal.count, conformal.scores) == (3, (1.0, 3.0, 4.0))
    assert fit_intervals((true[1:2], np.zeros(1), np.empty((1, 0))), None) is None


def test_a_new_sample_far_away_has_no_wider_interval_than_training_shows() -> None:
    spread = Spread((0.0, 0.0), (1.0, 1.0), (0.0, 0.0, 2.0, 0.0, 0.0), (-1.0, 1.0))
    assert spread.of(np.zeros(2), np.array([[1e9], [-1e9]])) == pytest.approx([math.e, 1 / math.e])


@pytest.mark.parametrize(
    "change",
    [
        {"count": 2},
        {"count": "3"},
        {"scores": []},
        {"scores": [1, None, 2]},
        {"scores": "abc"},
        {"spread": {"mean": [1]}},
    ],
)
def test_damaged_records_are_refused(change: dict[str, object]) -> None:
    stored = asdict(Conformal.fit(np.arange(3.0))) | change
    with pytest.raises((KeyError, TypeError, ValueError)):
        Conformal.from_json(stored)


def test_scores_of_few_independent_groups_count_as_so_many() -> None:
    scores = np.arange(1.0, 201)
    assert Conformal.fit(scores).quantile(0.9) == pytest.approx(181, rel=1e-5)
    grouped = Conformal.fit(scores, units=20)
    assert (grouped.count, len(grouped.scores)) == (20, 20)
    assert grouped.quantile(0.9) == pytest.approx(190, rel=1e-5)  # the 19th of 20
    assert Conformal.fit(scores, units=8).quantile(0.9) == np.inf
    assert Conformal.fit(scores, units=500) == Conformal.fit(scores)


def test_scores_within_predicted_intervals_narrow_them() -> None:
    scores = outside(np.array([5.0, 0.0, 11.0]), np.array([1.0, 1.0, 1.0]), np.array([10.0, 10.0, 10.0]))
    assert scores.tolist() == [-4, 1, 1]
    narrower = Conformal.fit(-np.arange(1.0, 100)).quantile(0.9)
    assert narrower == pytest.approx(-10, rel=1e-5)
    assert narrower >= -10


def test_intervals_that_hold_too_little_are_called_too_narrow() -> None:
    measured = {"level": 0.9, "coverage": 0.84, "width": 2.0}
    assert "too narrow" in describe({"measured": measured})[1]
    assert len(describe({"measured": measured | {"coverage": 0.88}})) == 1

"""A model against the best of the baselines: the difference, its interval, and the sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dltrain.tasks import comparison
from dltrain.tasks.classification import Classification
from dltrain.tasks.comparison import Baseline, Contest, compare_errors
from dltrain.tasks.losses import CrossEntropy, MeanSquaredError
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.regression import Regression
from dltrain.types import Facts

TWO = Facts("table", "classification", (2,), classes=("a", "b"))
ONE = Facts("table", "regression", (2,))
CLASSES = Classification(TWO, CrossEntropy(TWO))
NUMBERS = Regression(ONE, MeanSquaredError(ONE))


def guess(correct: int, of: int = 200) -> Predictions:
    values = torch.zeros(of, dtype=torch.int64)
    values[correct:] = 1
    return Predictions(values, torch.nn.functional.one_hot(values, 2).float())


def rival(name: str, measure: str, value: float, predictions: Predictions) -> Baseline:
    return Baseline(name, {measure: value}, predictions, 0.0)


def test_the_difference_in_accuracy_is_in_points_with_a_paired_interval() -> None:
    target = torch.zeros(200, dtype=torch.int64)
    others = [rival("majority", "accuracy", 0.5, guess(100)), rival("nearest_neighbours", "accuracy", 0.8, guess(160))]
    found = CLASSES.compare(Contest("MLP", target, guess(180), others))
    assert found is not None
    assert found.baseline == "nearest_neighbours"
    assert found.difference == pytest.approx(10)
    gain = np.r_[np.ones(20), np.zeros(180)]
    assert found.margin == pytest.approx(100 * 1.96 * gain.std(ddof=1) / 200**0.5)
    assert found.words == f"MLP beats nearest neighbours by 10.0 ± {found.margin:.1f} points of accuracy"


def test_a_better_method_is_named_first_and_a_tie_is_called_one() -> None:
    target = torch.zeros(200, dtype=torch.int64)
    worse = CLASSES.compare(
        Contest("MLP", target, guess(100), [rival("logistic_regression", "accuracy", 0.9, guess(180))])
    )
    assert worse is not None
    assert worse.words.startswith("logistic regression beats MLP by 40.0")
    same = CLASSES.compare(
        Contest("MLP", target, guess(180), [rival("logistic_regression", "accuracy", 0.9, guess(181))])
    )
    assert same is not None
    assert "do not differ clearly" in same.words


def test_regression_is_compared_by_the_share_of_rmse() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(500, 1, generator=generator)
    noise = torch.randn(500, 1, generator=generator)
    mine, theirs = Predictions(target + 0.5 * noise), Predictions(target + noise)
    found = NUMBERS.compare(Contest("MLP", target, mine, [rival("mean", "rmse", 1.0, theirs)]))
    assert found is not None
    assert found.difference == pytest.approx(50, abs=0.01)
    swapped = NUMBERS.compare(Contest("MLP", target, theirs, [rival("mean", "rmse", 0.5, mine)]))
    assert swapped is not None
    assert swapped.difference == pytest.approx(-50, abs=0.01)


def test_many_samples_are_resampled_in_stretches_with_about_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    mine, theirs = random.chisquare(1, 8000), 1.1 * random.chisquare(1, 8000)
    contest = Contest("MLP", torch.zeros(8000), guess(1), [rival("mean", "rmse", 1.0, guess(1))])
    found = compare_errors(contest, mine, [theirs])
    monkeypatch.setattr(comparison, "MOST_RESAMPLED", 8000)
    each = compare_errors(contest, mine, [theirs])
    assert found.difference == each.difference
    assert found.margin == pytest.approx(each.margin, rel=0.15)


def test_numbers_that_are_missing_and_weights_count_in_the_difference_as_in_the_metrics() -> None:
    facts = Facts("table", "regression", (2,), outputs=("a", "b"), target_mean=(0.0, 0.0), target_std=(1.0, 10.0))
    task = Regression(facts, MeanSquaredError(facts))
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(300, 2, generator=generator) * torch.tensor([1.0, 10.0])
    target[torch.rand(300, 2, generator=generator) < torch.tensor([0.1, 0.8])] = torch.nan
    weights = (~target.isnan()).float() * torch.randint(1, 4, (300, 1), generator=generator)
    ours, theirs = (
        Predictions(target.nan_to_num() + size * torch.randn(300, 2, generator=generator)) for size in (1, 2)
    )
    found = task.compare(Contest("MLP", target, ours, [rival("mean", "rmse", 1.0, theirs)], weights))
    assert found is not None

    def error(predictions: Predictions) -> float:
        scaled = ((predictions.values - target).nan_to_num() / torch.tensor([1.0, 10.0])).square() * weights
        return float((scaled.sum(0) / weights.sum(0)).mean().sqrt())

    assert found.difference == pytest.approx(100 * (1 - error(ours) / error(theirs)), rel=1e-5)

    mistakes = torch.zeros(200, dtype=torch.int64)
    heavy = torch.where(torch.arange(200) < 100, 3.0, 1.0)
    found = CLASSES.compare(
        Contest("MLP", mistakes, guess(180), [rival("majority", "accuracy", 0.5, guess(100))], heavy)
    )
    assert found is not None
    assert found.difference == pytest.approx(100 * 80 / 400)

from __future__ import annotations

import numpy as np
import pytest
import torch

from dltrain.experiment.baselines import Baseline
from dltrain.experiment.verdict import compare, diagnose
from dltrain.tasks.task import Predictions
from dltrain.types import Facts

CLASSES = Facts("table", "classification", (2,), classes=("a", "b"))
NUMBERS = Facts("table", "regression", (2,))


def guess(correct: int, of: int = 200) -> Predictions:
    values = torch.zeros(of, dtype=torch.int64)
    values[correct:] = 1
    return Predictions(values, torch.nn.functional.one_hot(values, 2).float())


def rival(name: str, measure: str, value: float, predictions: Predictions) -> Baseline:
    return Baseline(name, {measure: value}, predictions, 0.0)


def test_the_difference_in_accuracy_is_in_points_with_a_paired_interval() -> None:
    target = torch.zeros(200, dtype=torch.int64)
    others = [rival("majority", "accuracy", 0.5, guess(100)), rival("nearest_neighbours", "accuracy", 0.8, guess(160))]
    found = compare("MLP", CLASSES, target, guess(180), others)
    assert found is not None
    assert found.baseline == "nearest_neighbours"
    assert found.difference == pytest.approx(10)
    gain = np.r_[np.ones(20), np.zeros(180)]
    assert found.margin == pytest.approx(100 * 1.96 * gain.std(ddof=1) / 200**0.5)
    assert found.words == f"MLP beats nearest neighbours by 10.0 ± {found.margin:.1f} points of accuracy"


def test_a_better_method_is_named_first_and_a_tie_is_called_one() -> None:
    target = torch.zeros(200, dtype=torch.int64)
    worse = compare("MLP", CLASSES, target, guess(100), [rival("logistic_regression", "accuracy", 0.9, guess(180))])
    assert worse is not None
    assert worse.words.startswith("logistic regression beats MLP by 40.0")
    same = compare("MLP", CLASSES, target, guess(180), [rival("logistic_regression", "accuracy", 0.9, guess(181))])
    assert same is not None
    assert "do not differ clearly" in same.words


def test_regression_is_compared_by_the_share_of_rmse() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(500, 1, generator=generator)
    noise = torch.randn(500, 1, generator=generator)
    mine, theirs = Predictions(target + 0.5 * noise), Predictions(target + noise)
    found = compare("MLP", NUMBERS, target, mine, [rival("mean", "rmse", 1.0, theirs)])
    assert found is not None
    assert found.difference == pytest.approx(50, abs=0.01)
    swapped = compare("MLP", NUMBERS, target, theirs, [rival("mean", "rmse", 0.5, mine)])
    assert swapped is not None
    assert swapped.difference == pytest.approx(-50, abs=0.01)


def test_nothing_to_compare_with_means_no_words() -> None:
    assert compare("MLP", CLASSES, torch.zeros(200, dtype=torch.int64), guess(100), []) is None


def rows(train: list[float], val: list[float] | None = None) -> list[dict[str, float]]:
    found = [{"train/loss": value} for value in train]
    return [row | {"val/loss": value} for row, value in zip(found, val or [], strict=False)] if val else found


def test_over_fitting_is_told_from_the_curves() -> None:
    down = np.linspace(1, 0.1, 40).tolist()
    up = [*np.linspace(1, 0.5, 10), *np.linspace(0.5, 1.2, 30)]
    (said,) = diagnose(rows(down, up), best_epoch=10, epochs=40)
    assert said.startswith("over-fitting: after epoch 10")
    assert diagnose(rows(down, down[::-1][:0] + down), best_epoch=40, epochs=80) == []


def test_stopping_too_early_is_told() -> None:
    down = np.linspace(1, 0.1, 40).tolist()
    (said,) = diagnose(rows(down, down), best_epoch=40, epochs=40)
    assert "trainer.epochs=80" in said


def test_under_fitting_is_told() -> None:
    flat = np.linspace(0.7, 0.69, 40).tolist()
    assert any(said.startswith("under-fitting") for said in diagnose(rows(flat, flat), best_epoch=3, epochs=40))


def test_a_flat_end_says_nothing() -> None:
    curve = [*np.linspace(1, 0.2, 20), *[0.2] * 40]
    assert diagnose(rows(curve, curve), best_epoch=20, epochs=60) == []

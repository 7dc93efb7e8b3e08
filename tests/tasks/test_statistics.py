"""Statistics of predictions against scipy, scikit-learn and plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score

from dltrain.tasks import metrics
from dltrain.tasks.statistics import (
    best_thresholds,
    confused_pairs,
    confusion_counts,
    precision_recall,
    reliability,
    rmse_interval,
    roc,
    scores_of_each,
    wilson,
)


def test_thresholds_are_the_best_of_all() -> None:
    rows = 60
    random = np.random.default_rng(0)
    positive = random.random(rows) < 0.3
    scores = np.clip(positive * 0.2 + random.random(rows) * 0.5, 0, 1).round(2)
    f1, balanced = best_thresholds(scores, positive)
    grid = np.linspace(-0.01, 1, 405)
    assert f1.reached == pytest.approx(max(f1_score(positive, scores > value) for value in grid))
    assert f1.reached == pytest.approx(f1_score(positive, scores > f1.value))
    assert f1.before == pytest.approx(f1_score(positive, scores > 0.5))
    assert balanced.reached == pytest.approx(max(balanced_accuracy_score(positive, scores > value) for value in grid))
    assert balanced.reached == pytest.approx(balanced_accuracy_score(positive, scores > balanced.value))
    assert best_thresholds(scores, np.ones(rows, dtype=bool)) == ()


def test_a_threshold_has_no_more_digits_than_tell_the_samples_apart() -> None:
    apart = best_thresholds(np.array([0.123456, 0.654321, 0.9]), np.array([False, True, True]))
    assert [threshold.value for threshold in apart] == [0.39, 0.39]
    near = best_thresholds(np.array([0.30000012, 0.30000013, 0.9]), np.array([False, True, True]))
    assert all(0.30000012 <= threshold.value < 0.30000013 for threshold in near)
    next_to_each_other = np.array([0.3, np.nextafter(0.3, 1), 0.9])
    assert best_thresholds(next_to_each_other, np.array([False, True, True]))[0].value == 0.3


def test_the_calibration_error_is_the_mean_gap() -> None:
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    assert reliability(sure, right).error == pytest.approx((4 * abs(0.95 - 0.75) + 2 * abs(0.55 - 0.5)) / 6)


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (7, 7), (74, 89), (500, 1000)])
def test_the_share_has_wilsons_interval(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_a_share_of_all_may_be_all() -> None:
    for number in range(1, 200):
        assert wilson(number, number)[1] == 1
        assert wilson(0, number)[0] == 0


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(0)
    found = [rmse_interval(np.square(random.normal(size=200))) for _ in range(200)]
    assert 0.88 < np.mean([low < 1 < high for low, high in found]) <= 0.99
    few, many = rmse_interval(np.ones(2000) * 4), rmse_interval(np.square(random.normal(size=100_000)))
    assert few == (2, 2)
    assert many == pytest.approx((1, 1), abs=0.01)
    assert many[0] < many[1]


def test_the_average_precision_is_scikit_learns_with_ties_too() -> None:
    random = np.random.default_rng(0)
    positive, scores = random.random(500) < 0.2, random.integers(0, 30, 500) / 30
    curve = precision_recall(positive, scores)
    assert curve is not None
    assert curve.average == pytest.approx(average_precision_score(positive, scores))
    assert curve.base_rate == positive.mean()
    assert curve.precision[-1] == pytest.approx(curve.base_rate)  # everything is called positive
    assert (curve.recall[0], curve.recall[-1]) == (0, 1)
    assert precision_recall(np.zeros(5, bool), np.zeros(5)) is None


def test_pairs_are_the_cells_beside_the_diagonal_the_largest_first() -> None:
    random = np.random.default_rng(0)
    true, predicted = random.integers(0, 6, 300), random.integers(0, 5, 300)
    pairs, counts = confused_pairs(true, predicted, 6)
    matrix = confusion_counts(true, predicted, 6)
    np.fill_diagonal(matrix, 0)
    assert len(pairs) == (matrix > 0).sum()
    np.testing.assert_array_equal(matrix[tuple(pairs.T)], counts)
    assert (np.diff(counts) <= 0).all()
    assert len(confused_pairs(true, true, 6)[0]) == 0


def test_class_scores_are_those_of_the_metrics() -> None:
    true, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    counts = confusion_counts(true, predicted, 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    sums = np.stack([counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)])
    expected = metrics.class_scores(torch.from_numpy(sums).double())
    for name, values in scores_of_each(true, predicted, 4).items():
        np.testing.assert_allclose(values, expected[name].numpy())


def test_the_area_is_scikit_learns_with_ties_too() -> None:
    random = np.random.default_rng(0)
    positive, scores = random.random(500) < 0.3, random.integers(0, 20, 500) / 20
    curve = roc(positive, scores)
    assert curve is not None
    assert curve.area == pytest.approx(roc_auc_score(positive, scores))
    assert (curve.false_positive[[0, -1]].tolist(), curve.true_positive[[0, -1]].tolist()) == ([0, 1], [0, 1])
    assert roc(np.ones(5, bool), np.zeros(5)) is None
    assert roc(positive, np.full(500, np.nan)) is None

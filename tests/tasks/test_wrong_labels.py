"""Labels that may be wrong are found on data with flipped labels, and are named by a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dltrain.tasks.predictions import Predictions
from dltrain.tasks.temperature import fit_temperature
from dltrain.tasks.wrong_labels import describe_wrong_labels, doubtful, find_wrong_labels
from dltrain.types import Split


def flipped(labels: NDArray[np.int64], seed: int, share: float = 0.03) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels of which a share is wrong, and which these are."""
    random = np.random.default_rng(seed)
    wrong = random.choice(len(labels), int(share * len(labels)), replace=False)
    changed = labels.copy()
    classes = int(labels.max()) + 1
    changed[wrong] = (changed[wrong] + random.integers(1, classes, len(wrong))) % classes
    return changed, wrong


def calibrated(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities as a run has them, by the temperature that fits these labels best."""
    outputs = torch.from_numpy(scores).clamp(min=1e-12).log()
    temperature = fit_temperature(outputs, torch.from_numpy(labels), lambda output: output.softmax(dim=1))
    return (outputs / temperature).softmax(dim=1).numpy()


@pytest.mark.parametrize("seed", [0, 1])
def test_flipped_labels_are_found_out_of_fold(seed: int) -> None:
    x, truth = load_digits(return_X_y=True)
    labels, wrong = flipped(truth, seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_predict(model, x, labels, cv=folds, method="predict_proba")
    hit = np.isin(doubtful(labels, calibrated(labels, scores)), wrong)
    reached = np.cumsum(hit) / len(wrong)
    assert reached[-1] >= 0.6
    first = int((reached >= 0.6).argmax()) + 1
    assert hit[:first].mean() >= 0.7  # precision at a recall of 0.6


def test_a_model_that_errs_often_accuses_no_labels() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 400)
    assert not len(doubtful(labels, random.dirichlet(np.ones(5), 400)))


def test_right_labels_that_a_calibrated_model_misses_are_not_accused() -> None:
    random = np.random.default_rng(0)
    scores = random.dirichlet([0.15] * 4, 3000)
    labels = np.array([random.choice(4, p=row) for row in scores])
    assert 0.75 < (scores.argmax(axis=1) == labels).mean() < 0.9
    assert len(doubtful(labels, scores)) <= 3
    changed, wrong = flipped(labels, 0)
    found = doubtful(changed, scores)
    assert np.isin(found, wrong).mean() >= 0.5
    assert len(found) >= 0.3 * len(wrong)


def test_right_and_sure_predictions_accuse_no_labels() -> None:
    labels = np.arange(100) % 4
    scores = np.full((100, 4), 0.02)
    scores[np.arange(100), labels] = 0.94
    assert not len(doubtful(labels, scores))
    scores[[3, 50]] = [[0.997, 0.001, 0.001, 0.001], [0.015, 0.97, 0.002, 0.013]]
    assert doubtful(labels, scores).tolist() == [3, 50]  # labels 3 and 2, the least probable first


def test_few_or_infinite_scores_accuse_no_labels() -> None:
    labels = np.zeros(10, dtype=np.int64)
    assert not len(doubtful(labels, np.tile([0.0, 1.0], (10, 1))))
    assert not len(doubtful(np.arange(40) % 2, np.full((40, 2), np.nan)))


def test_held_out_splits_are_searched_and_training_is_not() -> None:
    x, truth = load_breast_cancer(return_X_y=True)
    labels, wrong = flipped(truth, 0)
    parts = {"train": np.arange(0, 300), "val": np.arange(300, 400), "test": np.arange(400, len(x))}
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(x[parts["train"]], labels[parts["train"]])
    splits, predictions = {}, {}
    for name, rows in parts.items():
        scores = torch.from_numpy(model.predict_proba(x[rows]))
        target = torch.from_numpy(labels[rows])
        splits[name] = Split((torch.from_numpy(x[rows]),), target, tuple(map(str, rows)))
        predictions[name] = Predictions(scores.argmax(dim=1), scores)
    found = find_wrong_labels(splits, predictions)  # type: ignore[arg-type]
    assert {one.split for one in found} == {"val", "test"}
    assert all(int(one.id) >= 300 for one in found)
    assert np.isin([int(one.id) for one in found], wrong).mean() >= 0.7
    assert [one.probability for one in found] == sorted(one.probability for one in found)
    words = describe_wrong_labels(found, ["bad", "good"], "diagnosis")
    assert found[0].id in words
    assert f"and {len(found) - 5} more" in words
    assert describe_wrong_labels((), ["bad", "good"], "diagnosis") == ""

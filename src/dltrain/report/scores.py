"""What is computed from a run's predictions and weights: confusion counts, scores of each class, ROC, coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.report.reading import Floats, Indices, Run, feature_scale


class Roc(NamedTuple):
    """One class against the rest: the rates `(n,)` along the thresholds, and the area below."""

    false_positive: Floats
    true_positive: Floats
    area: float


class Coefficients(NamedTuple):
    """A linear model's weights `(F + 1,)` in the raw units of features and target, the intercept last."""

    names: list[str]
    true: Floats
    learned: Floats


def confusion_counts(true: Indices, predicted: Indices, class_count: int) -> Indices:
    """Counts `(K, K)` of true class by predicted class."""
    cells = np.bincount(true * class_count + predicted, minlength=class_count * class_count)
    return cells.reshape(class_count, class_count).astype(np.int64)


def class_scores(counts: Indices) -> dict[str, Floats]:
    """Precision, recall and F1 of every class, each `(K,)`; 0 where undefined."""
    hits, predicted, true = counts.diagonal(), counts.sum(0), counts.sum(1)
    return {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(true, 1),
        "f1": 2 * hits / np.maximum(predicted + true, 1),
    }


def roc(positive: NDArray[np.bool_], scores: Floats) -> Roc | None:
    """The curve of one class against the rest; `None` where only one of the two occurs, or a score is not finite."""
    count = int(positive.sum())
    if count in (0, len(positive)) or not np.isfinite(scores).all():
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores share a threshold
    true_positive = np.append(0, np.cumsum(positive[order])[ends])
    false_positive = np.append(0, ends + 1) - true_positive
    x, y = false_positive / (len(positive) - count), true_positive / count
    return Roc(x, y, float(np.diff(x) @ (y[1:] + y[:-1]) / 2))


def roc_curves(run: Run) -> dict[int, Roc]:
    """The curve of each class against the rest by its index; of the positive class alone where there are two."""
    names = run.facts.classes
    said = run.predictions if names else None
    if said is None or said.scores.shape[1] != len(names):
        return {}
    wanted = [1] if len(names) == 2 else range(len(names))
    curves = {index: roc(said.true == index, said.scores[:, index]) for index in wanted}
    return {index: curve for index, curve in curves.items() if curve is not None}


def coefficients(run: Run) -> Coefficients | None:
    """A linear regression's weights beside the true ones; `None` where the truth or the weights are not known.

    The model computes `w · (x - mean) / std + b`, and the prediction is that times `target_std` plus `target_mean`. So
    a feature's raw weight is `target_std · w / std`, and the intercept is what all of it leaves at `x = 0`.
    """
    facts, scale = run.facts, feature_scale(run.facts)
    true = facts.truth.get("coefficients")
    if true is None or scale is None or facts.task != "regression":
        return None
    weight, bias = run.read_weight("linear.weight"), run.read_weight("linear.bias")
    if weight is None or weight.shape != (1, len(true)):
        return None
    mean, std = scale
    target_mean, target_std = facts.target_mean, facts.target_std
    if isinstance(target_mean, tuple) or isinstance(target_std, tuple):
        return None
    learned = target_std * weight[0].astype(np.float64) / std
    intercept = target_mean + target_std * (0.0 if bias is None else float(bias[0])) - float(learned @ mean)
    names = list(facts.features) if len(facts.features) == len(true) else [f"x{n}" for n in range(len(true))]
    return Coefficients(
        [*names, "intercept"],
        np.append(np.asarray(true, np.float64), float(facts.truth.get("bias", 0.0))),
        np.append(learned, intercept),
    )

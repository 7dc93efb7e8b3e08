"""What is computed from a run's predictions and weights: counts and scores of each class, curves, coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.wording import name_class
from dltrain.runs.reader import Run, feature_scale
from dltrain.tasks.predicted import NUMBERS, Floats, Indices


class Roc(NamedTuple):
    """One class against the rest: the rates `(n,)` along the thresholds, and the area below."""

    false_positive: Floats
    true_positive: Floats
    area: float


class PrecisionRecall(NamedTuple):
    """One class against the rest: precision by recall `(n,)`, the average precision, and the share of the class."""

    recall: Floats
    precision: Floats
    average: float
    base_rate: float


class OneClass(NamedTuple):
    """A class or a label: who has it `(N,)`, and how probable the model takes it to be `(N,)`."""

    name: str
    positive: NDArray[np.bool_]
    scores: Floats


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


def label_scores(true: Indices, predicted: Indices) -> dict[str, Floats]:
    """Precision, recall and F1 of every label, each `(L,)`, from `(N, L)` of 0 and 1; 0 where undefined."""
    hits, said, has = (true * predicted).sum(axis=0), predicted.sum(axis=0), true.sum(axis=0)
    return {
        "precision": hits / np.maximum(said, 1),
        "recall": hits / np.maximum(has, 1),
        "f1": 2 * hits / np.maximum(said + has, 1),
    }


def number_errors(pairs: Floats) -> tuple[float, float, float]:
    """RMSE, MAE and R² of true and predicted values `(2, N)`; R² is NaN where all true values are equal."""
    true, predicted = pairs
    squared = float(np.square(predicted - true).mean())
    spread = float(true.var())
    return squared**0.5, float(np.abs(predicted - true).mean()), 1 - squared / spread if spread else float("nan")


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


def precision_recall(positive: NDArray[np.bool_], scores: Floats) -> PrecisionRecall | None:
    """The curve of one class against the rest; `None` where it does not occur, or a score is not finite."""
    count = int(positive.sum())
    if count == 0 or not np.isfinite(scores).all():
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    recall, precision = hits / count, hits / (ends + 1)
    average = float(np.diff(recall, prepend=0) @ precision)
    return PrecisionRecall(np.append(0, recall), np.append(precision[0], precision), average, count / len(positive))


def one_against_rest(run: Run) -> list[OneClass]:
    """Each class or label with who has it and its scores; of two classes the positive one alone."""
    facts, said = run.facts, run.predictions
    if said is None or not said.scores.size:
        return []
    if facts.task == "multilabel":
        columns = zip(facts.outputs, said.true.T == 1, said.scores.T, strict=True)
        return [OneClass(name, positive, scores) for name, positive, scores in columns]
    if len(facts.classes) == 2:
        return [OneClass(name_class(facts, 1), said.true == 1, said.scores[:, 1])]
    return [OneClass(name, said.true == index, said.scores[:, index]) for index, name in enumerate(facts.classes)]


def number_pairs(run: Run) -> list[tuple[str, Floats]]:
    """Of each predicted number its name, and true and predicted values `(2, N)` where both are finite."""
    facts = run.facts
    said = run.predictions if facts.task in NUMBERS else None
    if said is None:
        return []
    names = facts.outputs or (facts.target,)
    pairs = np.stack([said.true, said.predicted]).astype(np.float64).reshape(2, -1, len(names))
    each = [(name, pairs[:, :, place]) for place, name in enumerate(names)]
    return [(name, one[:, np.isfinite(one).all(axis=0)]) for name, one in each if np.isfinite(one).all(axis=0).any()]


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

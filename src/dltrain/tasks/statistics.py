"""Statistics of predictions: confidence intervals, calibration, thresholds, and scores and curves of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BINS = 10
Z = 1.96
RESAMPLES = 1000
MOST_RESAMPLED = 2000  # samples; for more, the normal distribution of the mean is as good and much cheaper


@dataclass(frozen=True)
class Threshold:
    """A threshold on the probability of the positive class, chosen to maximise a metric.

    Args:
        aim: the metric.
        value: of the threshold, with as few digits as tell the samples apart.
        reached: the metric at this threshold, on these samples; on others it will be slightly lower.
        before: the metric at a threshold of one half.
    """

    aim: str
    value: float
    reached: float
    before: float


@dataclass(frozen=True)
class Calibration:
    """How well probabilities match frequencies.

    Args:
        error: the expected calibration error; `None` where no classes are predicted.
        thresholds: the best ones, for two classes.
    """

    error: float | None = None
    thresholds: tuple[Threshold, ...] = ()


class Roc(NamedTuple):
    """The ROC curve of one class against the rest: its rates `(n,)`, and the area under it."""

    false_positive: Floats
    true_positive: Floats
    area: float


class PrecisionRecall(NamedTuple):
    """Precision by recall of one class against the rest, `(n,)`, the average precision, and the share of the class."""

    recall: Floats
    precision: Floats
    average: float
    base_rate: float


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Returns the 95 % confidence interval of a share, of which `hits` of `count` samples were seen (Wilson, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    # With no or only hits the end is exactly 0 or 1, which rounding errors would hide.
    return 0.0 if hits == 0 else float(interval.low), 1.0 if hits == count else float(interval.high)


def rmse_interval(squared: Floats) -> tuple[float, float]:
    """Returns the 95 % confidence interval of the RMSE, from squared errors `(N,)`; by bootstrap for up to 2,000."""
    if len(squared) <= MOST_RESAMPLED:
        index = np.random.default_rng(0).integers(0, len(squared), (RESAMPLES, len(squared)))
        low, high = np.quantile(np.sqrt(squared[index].mean(axis=1)), (0.025, 0.975))
        return float(low), float(high)
    mean, half = float(squared.mean()), Z * float(squared.std(ddof=1)) / len(squared) ** 0.5
    return max(0.0, mean - half) ** 0.5, (mean + half) ** 0.5


@dataclass(frozen=True)
class Reliability:
    """Accuracy by confidence, the probability of the predicted class, in bins.

    Args:
        confidence: mean of each bin that has samples, `(n,)`.
        accuracy: share of right predictions in each bin, `(n,)`.
        counts: number of samples in each bin, `(n,)`.
    """

    confidence: Floats
    accuracy: Floats
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Returns the expected calibration error (Naeini et al., 2015), the mean gap of confidence and accuracy."""
        return float(np.abs(self.confidence - self.accuracy) @ self.counts / self.counts.sum())


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Returns accuracy by confidence, in bins of equal width.

    Args:
        confidence: `(N,)` probability of each sample's predicted class.
        right: `(N,)` whether each prediction is right.
        bins: number of bins.
    """
    at = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    filled = counts > 0
    sums, hits = (np.bincount(at, weights, bins)[filled] for weights in (confidence, right.astype(np.float64)))
    return Reliability(sums / counts[filled], hits / counts[filled], counts[filled])


def roc(positive: NDArray[np.bool_], scores: Floats) -> Roc | None:
    """Returns the ROC curve of one class against the rest; `None` where only one of the two occurs, or a score is not
    finite."""
    from sklearn.metrics import auc, roc_curve

    if int(positive.sum()) in (0, len(positive)) or not np.isfinite(scores).all():
        return None
    false_positive, true_positive, _ = roc_curve(positive, scores, drop_intermediate=False)
    return Roc(false_positive, true_positive, float(auc(false_positive, true_positive)))


def precision_recall(positive: NDArray[np.bool_], scores: Floats) -> PrecisionRecall | None:
    """Returns precision by recall of one class against the rest; `None` where it does not occur, or a score is not
    finite."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    if not positive.any() or not np.isfinite(scores).all():
        return None
    precision, recall, _ = precision_recall_curve(positive, scores)
    precision, recall = precision[::-1].copy(), recall[::-1]
    precision[0] = precision[1] if len(precision) > 1 else 1.0  # undefined at recall 0
    average = float(average_precision_score(positive, scores))
    return PrecisionRecall(recall, precision, average, float(positive.mean()))


def confusion_counts(true: Indices, predicted: Indices, class_count: int) -> Indices:
    """Returns counts `(K, K)` of true class by predicted class."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(true, predicted, labels=np.arange(class_count)), dtype=np.int64)


def confused_pairs(true: Indices, predicted: Indices, class_count: int) -> tuple[Indices, Indices]:
    """Returns the pairs of a true and another, predicted class that occur, `(n, 2)`, and how often each does, `(n,)`;
    the most frequent ones first, of equally frequent ones those with the larger share of the true class."""
    wrong = true != predicted
    codes, counts = np.unique(true[wrong] * class_count + predicted[wrong], return_counts=True)
    pairs = np.stack(np.divmod(codes, class_count), axis=1)
    shares = counts / np.bincount(true, minlength=class_count)[pairs[:, 0]]
    order = np.lexsort((-shares, -counts))
    return pairs[order], counts[order]


def scores_of_each(true: NDArray[Any], predicted: NDArray[Any], count: int) -> dict[str, Floats]:
    """Returns precision, recall and F1 of every class or label, each `(K,)`; 0 where undefined.

    Args:
        true: `(N,)` class indices, or `(N, L)` of 0 and 1.
        predicted: of the same shape.
        count: number of classes or labels.
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(true, predicted, labels=np.arange(count), average=None, zero_division=0)
    return dict(zip(("precision", "recall", "f1"), scores[:3], strict=True))


def best_thresholds(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[Threshold, ...]:
    """Returns the thresholds with the largest F1 and the largest balanced accuracy; none where a class is absent.

    Args:
        scores: `(N,)` probabilities of the positive class.
        positive: `(N,)` whether each sample belongs to it.
    """
    total, count = int(positive.sum()), len(positive)
    if total in (0, count):
        return ()
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), count - 1)  # a threshold cannot divide equal scores
    hits = np.cumsum(positive[order])[ends]
    chosen = ends + 1
    below = np.append(scores[order][ends[:-1] + 1], 0.0)
    above = scores[order][ends]
    half = _at_half(scores, positive)
    aims = {
        "f1": (2 * hits / (chosen + total), half[0]),
        "balanced_accuracy": ((hits / total + 1 - (chosen - hits) / (count - total)) / 2, half[1]),
    }
    return tuple(
        Threshold(aim, _between(below[(best := int(reached.argmax()))], above[best]), float(reached.max()), before)
        for aim, (reached, before) in aims.items()
    )


def _between(below: float, above: float) -> float:
    """Returns a number with few digits that is not less than the first and less than the second."""
    middle = (float(below) + float(above)) / 2
    rounded = (float(f"{middle:.{digits}g}") for digits in range(2, 17))
    return next((number for number in rounded if below <= number < above), middle)


def _at_half(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Returns F1 and balanced accuracy at a threshold of one half."""
    chosen = scores > 0.5
    hits, total = int((chosen & positive).sum()), int(positive.sum())
    right = int((~chosen & ~positive).sum())
    return 2 * hits / (int(chosen.sum()) + total), (hits / total + right / (len(positive) - total)) / 2

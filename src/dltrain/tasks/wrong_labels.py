"""Finds labels that are probably wrong by confident learning (Northcutt, Jiang and Chuang, 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dltrain.tasks.predictions import Predictions
from dltrain.types import Split, SplitName

FEWEST = 20  # samples, below which nothing is said
MOST = 0.2  # of the samples: of a model that contradicts more labels, it is the model that is wrong
SHARED_EVENLY = 1.5  # times a guess's share, which the probability of another class must exceed

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class WrongLabel:
    """A sample whose label is probably wrong.

    Args:
        split: that the sample is in.
        id: of the sample.
        label: as it stands, the index of its class.
        likely: the more probable class.
        probability: of the label.
        likely_probability: of the more probable class.
    """

    split: SplitName
    id: str
    label: int
    likely: int
    probability: float
    likely_probability: float


def find_wrong_labels(
    splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
) -> tuple[WrongLabel, ...]:
    """Returns the samples of held-out splits whose labels are probably wrong, the most certain first.

    A validation split of folds is the training split, which each fold's model has not seen.
    """
    held_out: tuple[SplitName, ...] = ("val", "test")
    targets, scores = [], []
    places: list[tuple[SplitName, str]] = []
    for name in held_out:
        if name not in predictions or (probabilities := predictions[name].probabilities) is None:
            continue
        scores.append(probabilities.double().numpy())
        targets.append(splits[name].target[: len(probabilities)].numpy())
        places += [(name, splits[name].ids[row]) for row in range(len(probabilities))]
    if not places:
        return ()
    target, score = np.concatenate(targets), np.concatenate(scores)
    chosen = doubtful(target, score)
    wrong = []
    for row in chosen.tolist():
        label, likely = int(target[row]), int(score[row].argmax())
        split, sample = places[row]
        wrong.append(WrongLabel(split, sample, label, likely, float(score[row, label]), float(score[row, likely])))
    return tuple(wrong)


def doubtful(target: Rows, scores: NDArray[np.float64]) -> Rows:
    """Returns the samples whose labels are probably wrong, the surest first; none for a model that errs too often.

    They are as many as have another class whose probability is at least its mean over the samples labelled with it,
    and of all samples those where the probability of another class exceeds that of the label most.

    Args:
        target: `(N,)` labels, class indices.
        scores: `(N, K)` probabilities by models that were not trained on the sample.
    """
    count, classes = scores.shape
    if count < FEWEST or not np.isfinite(scores).all():
        return np.zeros(0, dtype=np.int64)
    own = scores[np.arange(count), target]
    sums = np.bincount(target, own, classes)
    sizes = np.bincount(target, minlength=classes)
    usual = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    usual = np.maximum(usual, min(0.5, SHARED_EVENLY / classes))
    confident = np.where(scores >= usual, scores, -1.0)
    disputed = (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != target)
    number = int(disputed.sum())
    if number > MOST * count:
        return np.zeros(0, dtype=np.int64)
    margin = scores.max(axis=1) - own
    chosen = np.argsort(-margin, kind="stable")[:number]
    return chosen[margin[chosen] > 0]


def describe_wrong_labels(wrong: Sequence[WrongLabel], classes: Sequence[str], target: str, most: int = 5) -> str:
    """Returns a sentence that names the first of them; empty for none."""
    if not wrong:
        return ""
    named = [f"{one.id} ({classes[one.label]}, rather {classes[one.likely]})" for one in wrong[:most]]
    more = f" and {len(wrong) - most:,} more" if len(wrong) > most else ""
    labels = "1 held-out label is" if len(wrong) == 1 else f"{len(wrong):,} held-out labels are"
    return f"{labels} probably wrong ({target}), by a model that was not trained on them: {', '.join(named)}{more}"

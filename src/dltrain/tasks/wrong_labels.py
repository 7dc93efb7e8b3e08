"""Finds labels that may be wrong, by how improbable they are to models that were not trained on them.

Confident learning (Northcutt, Jiang and Chuang, 2021) takes as many as models contradict with confidence. A model that
often errs contradicts many right labels; so the number here is held against the number that its own probabilities
lead to expect among right labels, as for a false discovery rate (Benjamini and Hochberg, 1995).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dltrain.tasks.predictions import Predictions
from dltrain.types import Split, SplitName

FEWEST = 20  # samples, below which nothing is said
MOST = 0.25  # of the labels, beyond which it is rather the model that errs
RIGHT = 0.5  # of the labels that are named, the largest share that is expected to be right

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class WrongLabel:
    """A sample whose label may be wrong.

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
    """Returns the samples of held-out splits whose labels may be wrong, the least probable first.

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
    """Returns the samples whose labels may be wrong, the least probable first; none for a model that errs too often.

    Args:
        target: `(N,)` labels, class indices.
        scores: `(N, K)` calibrated probabilities by models that were not trained on the sample.
    """
    count = len(target)
    if count < FEWEST or not np.isfinite(scores).all() or (scores.argmax(axis=1) != target).mean() > MOST:
        return np.zeros(0, dtype=np.int64)
    own = scores[np.arange(count), target]
    order = np.argsort(own, kind="stable")
    each = np.sort(scores, axis=None)
    below = np.searchsorted(each, own[order], side="right")
    expected = np.cumsum(each)[below - 1]  # right labels that are no more probable, if the probabilities are right
    enough = np.flatnonzero(expected <= RIGHT * np.arange(1, count + 1))
    chosen = order[: enough[-1] + 1] if len(enough) else order[:0]
    return chosen[scores[chosen].argmax(axis=1) != target[chosen]]


def describe_wrong_labels(wrong: Sequence[WrongLabel], classes: Sequence[str], target: str, most: int = 5) -> str:
    """Returns a sentence that names the first of them; empty for none."""
    if not wrong:
        return ""
    named = [f"{one.id} ({classes[one.label]}, rather {classes[one.likely]})" for one in wrong[:most]]
    more = f" and {len(wrong) - most:,} more" if len(wrong) > most else ""
    labels = "1 held-out label" if len(wrong) == 1 else f"{len(wrong):,} held-out labels"
    return f"{labels} may be wrong ({target}), by a model that was not trained on them: {', '.join(named)}{more}"

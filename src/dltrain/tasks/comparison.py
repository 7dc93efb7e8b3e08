"""A model against the best of the baselines on the same samples: by how much it is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dltrain.tasks.predictions import Predictions

RESAMPLES = 1000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """What a baseline reaches on one split.

    Args:
        name: of the method.
        metrics: those of the task, without a loss.
        predictions: of the split's samples.
        seconds: that it took.
    """

    name: str
    metrics: dict[str, float]
    predictions: Predictions
    seconds: float

    @property
    def words(self) -> str:
        """The name as a reader wants it."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class Comparison:
    """A model against a baseline on the same samples.

    Args:
        baseline: its name.
        measure: the metric that was compared.
        difference: how much better the model is: points of accuracy, or by how many per cent the smaller RMSE (of
            several outputs that of their standardised errors) is below the larger one, bits per character, or points of
            NDCG; negative where the baseline is better.
        margin: half of the difference's 95 % interval, over the samples.
        words: the same as a sentence.
    """

    baseline: str
    measure: str
    difference: float
    margin: float
    words: str


def compare_errors(
    model: str,
    mine: Floats,
    theirs: Sequence[Floats],
    baselines: Sequence[Baseline],
    *,
    unit: str = "% of RMSE",
    together: int = 1,
) -> Comparison:
    """Compares squared errors `(N,)` by the root of their means, with a paired bootstrap over the samples.

    Args:
        model: its name.
        mine: the model's squared errors.
        theirs: those of each baseline.
        baselines: in the same order.
        unit: of the difference, in words.
        together: how many neighbouring samples are drawn together, because their errors are alike.
    """
    nearest = min(range(len(theirs)), key=lambda index: float(theirs[index].mean()))
    difference, margin = _less_rmse(mine, theirs[nearest], together)
    best = baselines[nearest]
    return Comparison(best.name, "rmse", difference, margin, words(model, best.words, difference, margin, 1, unit))


def compare_mistakes(model: str, mine: Floats, theirs: Sequence[Floats], baselines: Sequence[Baseline]) -> Comparison:
    """Compares mistakes `(N,)` of 0 and 1 in points of accuracy."""
    nearest = min(range(len(theirs)), key=lambda index: float(theirs[index].mean()))
    best = baselines[nearest]
    difference, margin = mean_and_margin(100.0 * (theirs[nearest] - mine))
    if difference == margin == 0:
        said = f"{model} and {best.words} agree on what is right in all {len(mine):,} samples"
    else:
        said = words(model, best.words, difference, margin, 1, "points of accuracy")
    return Comparison(best.name, "accuracy", difference, margin, said)


def mean_and_margin(gain: Floats) -> tuple[float, float]:
    """Returns the mean of `(N,)` and half of its 95 % interval."""
    return float(gain.mean()), 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5


def words(model: str, other: str, difference: float, margin: float, decimals: int, unit: str) -> str:
    """Says who is better, and by how much, where the interval leaves no doubt."""
    size = f"{abs(difference):.{decimals}f} ± {margin:.{decimals}f} {unit}"
    if abs(difference) <= margin:
        return f"{model} and {other} do not differ clearly: {difference:+.{decimals}f} ± {margin:.{decimals}f} {unit}"
    return f"{model} beats {other} by {size}" if difference > 0 else f"{other} beats {model} by {size}"


def _less_rmse(mine: Floats, theirs: Floats, together: int) -> tuple[float, float]:
    """Returns by how many per cent the smaller root of a mean is below the larger, positive where that is `mine`, and
    half of its 95 % interval."""
    count = len(mine)
    starts = np.random.default_rng(0).integers(0, count, (RESAMPLES, -(-count // together), 1))
    index = ((starts + np.arange(together)) % count).reshape(RESAMPLES, -1)[:, :count]
    floor = np.finfo(np.float64).tiny

    def less(a: Floats, b: Floats) -> Floats:
        ours, other = np.sqrt(a.mean(axis=-1)), np.sqrt(b.mean(axis=-1))
        return 100 * (other - ours) / np.maximum(np.maximum(ours, other), floor)

    return float(less(mine, theirs)), 1.96 * float(less(mine[index], theirs[index]).std(ddof=1))

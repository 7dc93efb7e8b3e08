"""Compares a model with the best baseline on the same samples, with a confidence interval of the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dltrain.tasks.predictions import Predictions

FEWEST_COMPARED = 3  # samples
RESAMPLES = 1000
MOST_RESAMPLED = 2000  # samples; of more, the means of so many stretches of neighbours are

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """The result of a baseline on a split.

    Args:
        name: of the baseline.
        metrics: of the task, without a loss.
        predictions: of the split's samples.
        seconds: that it took.
        note: what a reader must know about it; mostly empty.
    """

    name: str
    metrics: dict[str, float]
    predictions: Predictions
    seconds: float
    note: str = ""

    @property
    def words(self) -> str:
        """Returns the name with spaces instead of underscores."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class Comparison:
    """A model against a baseline on the same samples.

    Args:
        baseline: its name.
        measure: the metric that is compared.
        difference: by how much the model is better, negative where the baseline is: in points of accuracy, in points of
            NDCG, in bits per character, or by how many per cent the smaller RMSE is below the larger one (of several
            outputs the RMSE of standardised errors).
        margin: half the width of the difference's 95 % confidence interval over the samples.
        words: the comparison as a sentence, without a full stop.
    """

    baseline: str
    measure: str
    difference: float
    margin: float
    words: str


@dataclass(frozen=True)
class Contest:
    """What a model and baselines said of the same samples, of which there are at least `FEWEST_COMPARED`.

    Args:
        model: its name.
        target: of the samples, `(N, ...)`.
        ours: the model's predictions.
        baselines: at least one.
        weights: of the samples, as in `Split.weights`.
    """

    model: str
    target: Tensor
    ours: Predictions
    baselines: Sequence[Baseline]
    weights: Tensor | None = None


def compare_errors(
    contest: Contest, mine: Floats, theirs: Sequence[Floats], *, unit: str = "% of RMSE", together: int = 1
) -> Comparison:
    """Compares the model's RMSE with that of the best baseline, by a paired bootstrap over the samples.

    Args:
        contest: of the model and the baselines.
        mine: `(N,)` the model's squared errors.
        theirs: `(N,)` those of each baseline.
        unit: of the difference, in words.
        together: number of neighbouring samples that are resampled together, because their errors are similar.
    """
    first = min(range(len(theirs)), key=lambda index: float(theirs[index].mean()))
    difference, margin = _rmse_reduction(mine, theirs[first], together)
    best = contest.baselines[first]
    sentence = words(contest.model, best.words, difference, margin, 1, unit)
    return Comparison(best.name, "rmse", difference, margin, sentence)


def compare_mistakes(contest: Contest, mine: Floats, theirs: Sequence[Floats]) -> Comparison:
    """Compares the model's accuracy with that of the best baseline, from mistakes `(N,)`, 1 where a sample is wrong."""
    first = min(range(len(theirs)), key=lambda index: float(theirs[index].mean()))
    best = contest.baselines[first]
    difference, margin = mean_and_margin(100.0 * (theirs[first] - mine))
    if difference == margin == 0:
        sentence = f"{contest.model} and {best.words} are right on exactly the same of {len(mine):,} samples"
    else:
        sentence = words(contest.model, best.words, difference, margin, 1, "points of accuracy")
    return Comparison(best.name, "accuracy", difference, margin, sentence)


def mean_and_margin(gain: Floats) -> tuple[float, float]:
    """Returns the mean of `(N,)` and half the width of its 95 % confidence interval."""
    return float(gain.mean()), 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5


def words(model: str, other: str, difference: float, margin: float, decimals: int, unit: str) -> str:
    """Returns a sentence about which of two is better, and by how much; neither, if the interval contains 0."""
    size = f"{abs(difference):.{decimals}f} ± {margin:.{decimals}f} {unit}"
    if abs(difference) <= margin:
        return f"{model} and {other} do not differ clearly: {difference:+.{decimals}f} ± {margin:.{decimals}f} {unit}"
    return f"{model} beats {other} by {size}" if difference > 0 else f"{other} beats {model} by {size}"


def _rmse_reduction(mine: Floats, theirs: Floats, together: int) -> tuple[float, float]:
    """Returns by how many per cent the smaller RMSE is below the larger one, positive where `mine` is smaller, and half
    the width of its 95 % confidence interval."""
    difference = float(_reduction(mine, theirs))
    if (size := len(mine) / MOST_RESAMPLED) > 1:
        mine, theirs = _means_of_stretches(mine), _means_of_stretches(theirs)
        together = max(1, round(together / size))
    count = len(mine)
    starts = np.random.default_rng(0).integers(0, count, (RESAMPLES, -(-count // together), 1))
    index = ((starts + np.arange(together)) % count).reshape(RESAMPLES, -1)[:, :count]
    return difference, 1.96 * float(_reduction(mine[index], theirs[index]).std(ddof=1))


def _reduction(mine: Floats, theirs: Floats) -> Floats:
    """Returns the reduction of the RMSE in per cent, from squared errors `(..., N)`."""
    ours, other = np.sqrt(mine.mean(axis=-1)), np.sqrt(theirs.mean(axis=-1))
    return np.asarray(100 * (other - ours) / np.maximum(np.maximum(ours, other), np.finfo(np.float64).tiny))


def _means_of_stretches(values: Floats) -> Floats:
    """Returns the means of 2,000 stretches of neighbours, whose lengths differ by at most one."""
    bounds = np.linspace(0, len(values), MOST_RESAMPLED + 1).astype(np.int64)
    return np.asarray(np.add.reduceat(values, bounds[:-1]) / np.diff(bounds))

"""What a result means, in words: against the best plain method, and from the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dltrain.experiment.baselines import Baseline
from dltrain.tasks.metrics import gains
from dltrain.tasks.next_token import bits_of_each, characters_of
from dltrain.tasks.task import Predictions
from dltrain.types import Facts

RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """A model against a plain method on the same samples.

    Args:
        baseline: the method's name.
        measure: what was compared.
        difference: how much better the model is: points of accuracy, or by how many per cent the smaller RMSE (of
            several outputs that of their standardised errors) is below the larger one, bits per character, or points of
            NDCG; negative where the method is better.
        margin: half of the difference's 95 % interval, over the samples.
        words: the same as a sentence.
    """

    baseline: str
    measure: str
    difference: float
    margin: float
    words: str


def compare(
    model: str, facts: Facts, target: Tensor, ours: Predictions, baselines: Sequence[Baseline]
) -> Comparison | None:
    """The model against the best of the plain methods; `None` where there is none or only two samples."""
    if not baselines or len(target) < 3:
        return None
    if ours.places is not None:
        return _compare_places(model, ours.places, baselines)
    if ours.losses is not None:
        return _compare_surprise(model, facts, target, ours.losses, baselines)
    numbers = ours.probabilities is None
    mistakes = [_mistakes(said, target, facts) for said in (ours, *(baseline.predictions for baseline in baselines))]
    mine, *others = mistakes
    nearest = min(range(len(others)), key=lambda index: float(others[index].mean()))
    best, theirs = baselines[nearest], others[nearest]
    if numbers:
        measure, unit = "rmse", "% of standardised RMSE" if facts.outputs else "% of RMSE"
        # Forecasts that begin within a horizon of each other err alike, so they are drawn together.
        together = int(facts.preprocessing["horizon"]) if facts.kind == "series" else 1
        difference, margin = _less_rmse(mine, theirs, together)
    else:
        measure, unit = "accuracy", "points of accuracy"
        gain = 100.0 * (theirs - mine)
        difference, margin = float(gain.mean()), 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
    other = best.name.replace("_", " ")
    if difference == margin == 0 and not numbers:
        words = f"{model} and {other} agree on what is right in all {len(target):,} samples"
    else:
        words = _in_words(model, other, difference, margin, 1, unit)
    return Comparison(best.name, measure, difference, margin, words)


def _compare_surprise(
    model: str, facts: Facts, target: Tensor, ours: Tensor, baselines: Sequence[Baseline]
) -> Comparison:
    """By how many bits per character a model of the next token is better than the best plain one."""
    characters = characters_of(facts)
    measure = "bits_per_character"
    best = min(baselines, key=lambda baseline: baseline.metrics[measure])
    assert best.predictions.losses is not None
    (mine, letters), (theirs, _) = (
        bits_of_each(target, losses, characters) for losses in (ours, best.predictions.losses)
    )
    gain = (theirs - mine).numpy()
    total = float(letters.sum())
    difference, margin = float(gain.sum()) / total, 1.96 * float(gain.std(ddof=1)) * len(gain) ** 0.5 / total
    words = _in_words(model, best.name, difference, margin, 3, "bits per character")
    return Comparison(best.name, measure, difference, margin, words)


def _compare_places(model: str, ours: Tensor, baselines: Sequence[Baseline]) -> Comparison:
    """By how many points of NDCG a recommender is better than the best plain one."""
    measure = "ndcg@10"
    best = max(baselines, key=lambda baseline: baseline.metrics[measure])
    assert best.predictions.places is not None
    gain = 100 * (gains(ours) - gains(best.predictions.places)).numpy()
    difference, margin = float(gain.mean()), 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
    words = _in_words(model, best.name.replace("_", " "), difference, margin, 1, "points of NDCG@10")
    return Comparison(best.name, measure, difference, margin, words)


def _in_words(model: str, other: str, difference: float, margin: float, decimals: int, unit: str) -> str:
    """Who is better, and by how much, where the interval leaves no doubt."""
    size = f"{abs(difference):.{decimals}f} ± {margin:.{decimals}f} {unit}"
    if abs(difference) <= margin:
        return f"{model} and {other} do not differ clearly: {difference:+.{decimals}f} ± {margin:.{decimals}f} {unit}"
    return f"{model} beats {other} by {size}" if difference > 0 else f"{other} beats {model} by {size}"


def _mistakes(said: Predictions, target: Tensor, facts: Facts) -> NDArray[np.float64]:
    """Of each sample, `(N,)`: 1 where any of it is wrong, or its squared error, standardised where it is of several."""
    if said.probabilities is None:
        errors = np.asarray((said.values - target).double())
        scale = np.asarray(facts.target_std) if facts.outputs else 1.0
        return np.asarray(np.square(errors / scale).reshape(len(errors), -1).mean(axis=1))
    return np.asarray((said.values != target).reshape(len(target), -1).any(dim=1).double())


def _less_rmse(mine: NDArray[np.float64], theirs: NDArray[np.float64], together: int = 1) -> tuple[float, float]:
    """By how many per cent the smaller root of a mean is below the larger, positive where that is `mine`, and half
    its 95 % interval, from a paired bootstrap."""
    count = len(mine)
    starts = np.random.default_rng(0).integers(0, count, (RESAMPLES, -(-count // together), 1))
    index = ((starts + np.arange(together)) % count).reshape(RESAMPLES, -1)[:, :count]
    floor = np.finfo(np.float64).tiny

    def less(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        ours, other = np.sqrt(a.mean(axis=-1)), np.sqrt(b.mean(axis=-1))
        return 100 * (other - ours) / np.maximum(np.maximum(ours, other), floor)

    return float(less(mine, theirs)), 1.96 * float(less(mine[index], theirs[index]).std(ddof=1))


def diagnose(history: Sequence[Mapping[str, float]], best_epoch: int, epochs: int) -> list[str]:
    """What the curves say of over-fitting and of stopping too early, and what to try.

    Args:
        history: a row an epoch, with `train/loss` and perhaps `val/loss`.
        best_epoch: the epoch whose weights were kept, counted from 1.
        epochs: how many were allowed.
    """
    if len(history) < 5:
        return []
    tail = history[-max(1, len(history) // 10) :]
    train_start, train_end = history[0]["train/loss"], float(np.mean([row["train/loss"] for row in tail]))
    curve = "val/loss" if "val/loss" in history[-1] else "train/loss"
    values = np.array([row[curve] for row in history])
    lowest, end = float(values.min()), float(np.mean([row[curve] for row in tail]))
    found = []
    at_lowest = history[int(values.argmin())]["train/loss"]
    if curve == "val/loss" and end > lowest + 0.25 * abs(lowest) and train_end < at_lowest:
        found.append(
            f"over-fitting: after epoch {int(values.argmin()) + 1} the training loss still fell from {at_lowest:.3g} "
            f"to {train_end:.3g}, while the validation loss rose from {lowest:.3g} to {end:.3g}; try more data, "
            "model.dropout, a larger optimizer.weight_decay or a smaller model"
        )
    recent = float(np.mean(values[-max(2, len(values) // 5) : -len(tail)])) if len(values) > 2 * len(tail) else end
    if len(history) == epochs and best_epoch > 0.9 * epochs and end < recent - 0.02 * abs(recent):
        found.append(f"it was still getting better when it ended: try trainer.epochs={2 * epochs}")
    if train_end > 0.95 * train_start:
        found.append(
            f"under-fitting: the training loss hardly fell, from {train_start:.3g} to {train_end:.3g}; try another "
            "optimizer.lr, a larger model or more epochs"
        )
    return found

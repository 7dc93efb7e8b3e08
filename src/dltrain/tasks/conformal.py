"""Conformal prediction: intervals and sets that hold the truth as often as they say, from held-out samples.

The scores of n held-out samples, such as absolute errors, are exchangeable with that of a new one. So the new score is
at most the k-th smallest of them, k = ⌈(n + 1) · level⌉, with a probability of at least `level`, whatever the model and
the noise (split conformal prediction; Lei et al., 2018). Errors are divided by an estimate of their spread where this
helps, so that intervals are wide where the noise is large. Where a model itself predicts the ends of an interval, the
score is by how much the truth lies outside of them, negative within (Romano et al., 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Samples = tuple[Floats, Floats, Floats]  # true values (N,), predictions (N,) and inputs (N, F)

STORED = 500  # scores at most: of more, as many quantiles, each rounded up to the next stored one
FEWEST_PER_WEIGHT = 10  # training samples for each weight of the spread
SURE = 2.0  # standard errors by which an estimate of the spread must be better than a constant one
RIDGE = 10.0
ROUNDING = (
    1e-6  # relative: scores are stored with 7 digits, and a model computes in 32 bits; equal ones must stay equal
)
USUAL = 0.9  # level at which intervals must not become wider on average


@dataclass(frozen=True)
class Spread:
    """An estimate of how large errors are: the exponential of a linear function of inputs, prediction and squares.

    Args:
        mean: of each column in training, `(1 + F,)`; the first column is the prediction.
        std: of each column, likewise.
        weights: of the constant, the columns and their squares, `(1 + 2 (1 + F),)`.
        limits: smallest and largest logarithm that is returned.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: tuple[float, ...]
    limits: tuple[float, ...]

    @classmethod
    def fit(cls, errors: Floats, predicted: Floats, inputs: Floats) -> Spread | None:
        """Returns the estimate from absolute errors `(N,)`, predictions `(N,)` and inputs `(N, F)` of the training
        samples; `None` for too few of them."""
        columns = _columns(predicted, inputs)
        middle = float(np.median(errors)) if len(errors) else 0.0
        if middle <= 0 or len(errors) < FEWEST_PER_WEIGHT * (1 + 2 * columns.shape[1]):
            return None
        mean, std = columns.mean(axis=0), columns.std(axis=0)
        std[std == 0] = 1.0
        features = _features((columns - mean) / std)
        penalty = RIDGE * np.eye(features.shape[1])
        penalty[0, 0] = 0.0
        logs = np.log(np.maximum(errors, 1e-3 * middle))
        weights = np.linalg.solve(features.T @ features + penalty, features.T @ logs)
        low, high = np.quantile(features @ weights, (0.01, 0.99)).tolist()
        return cls(_rounded(mean), _rounded(std), _rounded(weights), (low, high))

    def of(self, predicted: Floats, inputs: Floats) -> Floats:
        """Returns the estimate for predictions `(N,)` and their inputs `(N, F)`, `(N,)`."""
        scaled = (_columns(predicted, inputs) - np.array(self.mean)) / np.array(self.std)
        return np.exp(np.clip(_features(scaled) @ np.array(self.weights), self.limits[0], self.limits[1]))


@dataclass(frozen=True)
class Conformal:
    """The scores of held-out samples, of which a new one is unlikely to be above the largest.

    Args:
        count: number of held-out samples.
        scores: their scores in ascending order, or quantiles of them.
        spread: by which errors were divided; `None` if by nothing.
    """

    count: int
    scores: tuple[float, ...]
    spread: Spread | None = None

    @classmethod
    def fit(
        cls, scores: Floats, spread: Spread | None = None, stored: int = STORED, units: int | None = None
    ) -> Conformal:
        """Returns what is stored of scores `(n,)`, at most `stored` of them.

        Args:
            scores: of held-out samples.
            spread: by which errors were divided.
            stored: number of scores to store.
            units: number of independent groups of scores, which then count as one sample each.
        """
        count = len(scores) if units is None else min(len(scores), units)
        size = min(count, stored)
        ranks = -(-np.arange(1, size + 1) * len(scores) // max(1, size))
        return cls(count, _rounded(np.sort(scores)[ranks - 1]), spread)

    @property
    def largest_level(self) -> float:
        """Returns the largest level that so few samples can vouch for, rounded down to 2 digits; 0 for none."""
        return math.floor(100 * self.count / (self.count + 1) + 1e-9) / 100

    def quantile(self, level: float) -> float:
        """Returns the score that a new sample's exceeds with a probability of at most 1 - `level`; infinite where there
        are too few samples."""
        rank = math.ceil((self.count + 1) * level - 1e-9)
        if rank > self.count:
            return math.inf
        score = self.scores[max(0, rank - 1) * len(self.scores) // self.count]  # of a rank that is not less
        return score + ROUNDING * abs(score)

    def radius(self, level: float, predicted: Floats, inputs: Floats) -> Floats:
        """Returns half the width of each prediction's interval, `(N,)`; arguments as for `Spread.of`."""
        scale = np.ones(len(predicted)) if self.spread is None else self.spread.of(predicted, inputs)
        return self.quantile(level) * scale

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Conformal:
        """Returns what `asdict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        spread = stored["spread"]
        scores = _numbers(stored["scores"])
        if type(stored["count"]) is not int or not 0 < len(scores) <= stored["count"]:
            raise ValueError("its scores are not as many as its samples")
        if spread is not None:
            parts = {name: _numbers(spread[name]) for name in ("mean", "std", "weights", "limits")}
            wanted = {"std": len(parts["mean"]), "weights": 1 + 2 * len(parts["mean"]), "limits": 2}
            if any(len(parts[name]) != size for name, size in wanted.items()):
                raise ValueError("the spread has another number of weights")
            spread = Spread(**parts)
        return cls(stored["count"], scores, spread)


def outside(true: Floats, low: Floats, high: Floats) -> Floats:
    """Returns by how much true values lie outside of intervals, negative within."""
    return np.maximum(low - true, true - high)


def fit_intervals(held_out: Samples, training: Samples | None, stored: int = STORED) -> Conformal | None:
    """Returns what intervals of a predicted number rest on; `None` where there is no held-out sample.

    The spread is learned from the training samples, so that all held-out ones are exchangeable with new ones. It is
    used where it makes their errors clearly likelier and intervals no wider on average.

    Args:
        held_out: the validation split.
        training: the training split; `None` for a constant spread.
        stored: number of scores to store.
    """
    true, predicted, inputs = _finite(*held_out)
    errors = np.abs(true - predicted)
    if not len(errors):
        return None
    spread = None
    if training is not None:
        y, fitted, x = _finite(*training)
        spread = Spread.fit(np.abs(y - fitted), fitted, x)
    plain = Conformal.fit(errors, None, stored)
    if spread is not None and _is_better(scale := spread.of(predicted, inputs), errors):
        adaptive = Conformal.fit(errors / scale, spread, stored)
        if adaptive.quantile(USUAL) * float(scale.mean()) <= plain.quantile(USUAL):
            return adaptive
    return plain


def _is_better(spread: Floats, errors: Floats) -> bool:
    """Tells whether the errors `(N,)` are clearly likelier with this spread than with a constant one, for Laplace's
    distribution."""
    mean = float(errors.mean())
    if len(errors) < 3 or mean == 0:
        return False
    scale = spread * float((errors / spread).mean())
    gains = (math.log(mean) + errors / mean) - (np.log(scale) + errors / scale)
    return float(gains.mean()) > SURE * float(gains.std(ddof=1)) / math.sqrt(len(gains))


def _finite(true: Floats, predicted: Floats, inputs: Floats) -> Samples:
    sound = np.isfinite(true) & np.isfinite(predicted) & np.isfinite(inputs).all(axis=1)
    return true[sound], predicted[sound], inputs[sound]


def _columns(predicted: Floats, inputs: Floats) -> Floats:
    return np.concatenate([predicted[:, None], inputs], axis=1)


def _features(scaled: Floats) -> Floats:
    scaled = np.clip(scaled, -3, 3)
    return np.concatenate([np.ones((len(scaled), 1)), scaled, np.square(scaled)], axis=1)


def _rounded(numbers: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(f"{number:.7g}") for number in numbers.tolist())


def _numbers(stored: Sequence[Any]) -> tuple[float, ...]:
    numbers = tuple(float(number) for number in stored)
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a number is not finite")
    return numbers

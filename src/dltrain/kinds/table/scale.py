"""How numbers are scaled: linearly, or to the scores of a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from dltrain.kinds.table.column_encoder import Floats

Numeric = Literal["quantile", "standard", "none"]

ROWS_PER_QUANTILE, FEWEST_QUANTILES, MOST_QUANTILES = 30, 10, 1000
ROWS_PER_BIN, MOST_BINS, MOST_BINS_OF_FEW_ROWS, FEW_ROWS = 20, 48, 16, 2000


@dataclass(frozen=True)
class Scale:
    """A monotone function of a number.

    Args:
        mean: subtracted if there are no edges.
        std: the divisor after that.
        edges: the values of `scores`, in ascending order; empty for a linear scale.
        scores: the scores of the edges, ascending; interpolated between edges, constant beyond them.
    """

    mean: float = 0.0
    std: float = 1.0
    edges: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(value, int | float) for value in (self.mean, self.std, *self.edges, *self.scores)):
            raise TypeError("a scale consists of numbers")  # as a damaged facts.json may not

    @classmethod
    def fit(cls, x: Floats, numeric: Numeric, fill: float | None = None) -> Self:
        """Returns the scale of training values `(N,)`.

        Args:
            x: the values, NaN where one is missing.
            numeric: `quantile` for normal scores, `standard` for mean 0 and standard deviation 1, `none` for none.
            fill: what a missing value counts as for mean and standard deviation; `None` for nothing.
        """
        present = x[~np.isnan(x)]
        if numeric == "none":
            return cls()
        if numeric == "quantile" and len(present) and present.min() < present.max():
            edges, scores = normal_scores(present)
            return cls(edges=tuple(edges.tolist()), scores=tuple(scores.tolist()))
        return cls(*standardisation(present if fill is None and len(present) else np.where(np.isnan(x), fill or 0, x)))

    def apply(self, x: Floats) -> Floats:
        """Returns scaled values, NaN where a value is NaN."""
        return np.interp(x, self.edges, self.scores) if self.edges else (x - self.mean) / self.std

    def invert(self, x: Floats) -> Floats:
        """Returns the values of scaled ones."""
        return np.interp(x, self.scores, self.edges) if self.edges else x * self.std + self.mean


def normal_scores(present: Floats) -> tuple[Floats, Floats]:
    """Returns edges at evenly spaced quantiles of the values, and the normal scores of these quantiles.

    The quantile of a value counts the values below it and half of its ties, so that repeated values are one edge and
    scores stay as small as the number of values justifies.
    """
    x = np.sort(present)
    first = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
    values, counts = x[first], np.diff(np.append(first, len(x)))
    quantiles = min(max(len(x) // ROWS_PER_QUANTILE, FEWEST_QUANTILES), MOST_QUANTILES)
    if len(values) > quantiles:
        at = np.unique(np.searchsorted(values, x[np.linspace(0, len(x) - 1, quantiles).round().astype(int)]))
        values, first, counts = values[at], first[at], counts[at]
    shares = (first + counts / 2) / len(x)
    return values, np.array([NormalDist().inv_cdf(share) for share in shares.tolist()])


def standardisation(x: Floats) -> tuple[float, float]:
    """Returns mean and standard deviation, 1 if the values differ only by rounding."""
    mean, std = float(x.mean()), float(x.std())
    return mean, std if std > 1e-15 * abs(mean) else 1.0


def bin_edges(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the edges of bins with about equal numbers of values, fewer for few values; empty without a bin.

    If values repeat so often that edges coincide, as in a column that is mostly 0, the bins follow the distinct values
    instead, so that the rare ones are distinguished too.
    """
    most = MOST_BINS_OF_FEW_ROWS if len(x) < FEW_ROWS else MOST_BINS
    count = max(1, min(most, len(x) // ROWS_PER_BIN))
    ordered = np.sort(x)
    edges = np.unique(_spread(ordered, count))
    if len(edges) <= count:
        distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
        edges = np.unique(_spread(distinct, count))
    return edges if len(edges) > 1 else edges[:0]


def _spread(ordered: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    return ordered[np.linspace(0, len(ordered) - 1, bins + 1).round().astype(int)]

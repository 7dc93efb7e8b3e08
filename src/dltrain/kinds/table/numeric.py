"""The encoders of columns of numbers: fill gaps, scale values, and choose bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, check_numbers
from dltrain.data.splits import Indices
from dltrain.kinds.table.columns import Oddity

Numeric = Literal["quantile", "standard", "none"]
Impute = Literal["median", "mean", "most_frequent", "interpolate", "drop", "category"]
Floats = NDArray[np.float64]

ROWS_PER_QUANTILE, FEWEST_QUANTILES, MOST_QUANTILES = 30, 10, 1000
ROWS_PER_BIN, MOST_BINS, MOST_BINS_OF_FEW_ROWS, FEW_ROWS = 20, 48, 16, 2000
ROUNDING = 1e-6  # relative rounding error of 32-bit numbers, in comparisons with a range


@dataclass(frozen=True)
class NumericEncoder:
    """The encoder of a column of numbers: fills gaps, scales, and adds an indicator of gaps.

    Args:
        name: the name of the column.
        fill: the value of a missing cell, in the column's own unit; `None` for 0 after scaling.
        indicator: whether a second input tells that the cell was missing.
        mean: subtracted if there are no edges.
        std: the divisor after that.
        edges: the values of `scores`, in ascending order; empty for a linear scale.
        scores: the scores of the edges, ascending; interpolated between edges, constant beyond them.
        interpolate: whether gaps are interpolated between the rows around them, instead of `fill`.
        limits: lowest and highest value, to which values are clipped; `None` for none.
        seen: smallest and largest value of the training rows; `None` if they had none.
    """

    name: str
    fill: float | None
    indicator: bool
    mean: float = 0.0
    std: float = 1.0
    edges: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    interpolate: bool = False
    limits: tuple[float, float] | None = None
    seen: tuple[float, float] | None = None

    @classmethod
    def fit(
        cls,
        name: str,
        cells: Cells,
        *,
        numeric: Numeric = "quantile",
        impute: Impute = "median",
        limits: tuple[float, float] | None = None,
    ) -> NumericEncoder:
        """Returns an encoder fitted to the cells of the training rows, clipped to `limits`."""
        x = cells.as_numbers()
        present = x[~np.isnan(x)]
        seen = (float(present.min()), float(present.max())) if len(present) else None
        if limits is not None:
            x, present = np.clip(x, *limits), np.clip(present, *limits)
        fill = _fill_value(present, impute)
        indicator = len(present) < len(x) and impute not in ("interpolate", "drop")
        plain = cls(name, fill, indicator, interpolate=impute == "interpolate", limits=limits, seen=seen)
        if numeric == "none":
            return plain
        if numeric == "quantile" and len(present) and present.min() < present.max():
            edges, scores = normal_scores(present)
            return replace(plain, edges=tuple(edges.tolist()), scores=tuple(scores.tolist()))
        filled = present if fill is None and len(present) else np.where(np.isnan(x), fill or 0.0, x)
        mean, std = standardisation(filled)
        return replace(plain, mean=mean, std=std)

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the names of the inputs, in their order."""
        return (self.name, f"{self.name} missing") if self.indicator else (self.name,)

    @property
    def linear_scale(self) -> tuple[float, float] | None:
        """Returns mean and standard deviation if the only input is a linear function of the number; else `None`."""
        return None if self.indicator or self.edges else (self.mean, self.std)

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, 1)`, or `(N, 2)` with the indicator.

        Args:
            cells: the cells of any rows.
            interpolate_from: positions of the rows from which gaps may be interpolated; `None` for all rows.

        Raises:
            DataError: a cell is no number.
        """
        check_numbers(self.name, cells, strict=True)
        by_value = not self.interpolate and len(cells.numbers) < len(cells.codes)
        x = np.append(cells.numbers, np.nan) if by_value else cells.as_numbers()
        missing = np.isnan(x)
        if self.interpolate and missing.any():
            x = _interpolate(x, cells.rows, interpolate_from)
        if self.limits is not None:
            x = np.clip(x, self.limits[0], self.limits[1])
        if self.fill is not None:
            x = np.where(np.isnan(x), self.fill, x)
        x = np.interp(x, self.edges, self.scores) if self.edges else (x - self.mean) / self.std
        columns = [np.where(np.isnan(x), 0.0, x)]
        if self.indicator:
            columns.append(missing)
        encoded = np.stack(columns, axis=1).astype(np.float32)
        return encoded[cells.codes] if by_value else encoded

    def decode(self, x: Floats) -> Floats:
        """Returns encoded numbers `(N,)` in the column's own unit again."""
        return np.interp(x, self.scores, self.edges) if self.edges else x * self.std + self.mean

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are outside the training range, and which are missing if none was in training."""
        if self.seen is not None:
            yield _beyond(self.name, cells, *self.seen)
        if not self.indicator and not self.interpolate:
            yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)


@dataclass(frozen=True)
class StandardEncoder:
    """The encoder of a column of 32-bit numbers, for data that consists of tensors and not of cells.

    Args:
        name: the name of the column.
        mean: subtracted.
        std: the divisor after that.
        seen: smallest and largest value of the training rows; `None` if unknown.
    """

    name: str
    mean: float = 0.0
    std: float = 1.0
    seen: tuple[float, float] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the name of the only input."""
        return (self.name,)

    @property
    def linear_scale(self) -> tuple[float, float]:
        """Returns mean and standard deviation."""
        return self.mean, self.std

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, 1)`; a missing cell becomes 0, since training had none.

        Raises:
            DataError: a cell is no number.
        """
        check_numbers(self.name, cells, strict=True)
        x = self.scale(cells.as_numbers().astype(np.float32))
        return np.where(np.isnan(x), np.float32(0), x)[:, None]

    def scale(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns scaled numbers `(N,)`."""
        return (x - np.float32(self.mean)) / np.float32(self.std)

    def decode(self, x: Floats) -> Floats:
        """Returns encoded numbers `(N,)` in the column's own unit again."""
        return x * self.std + self.mean

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are outside the training range, and which are missing."""
        if self.seen is not None:
            yield _beyond(self.name, cells, *self.seen)
        yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)


def _beyond(name: str, cells: Cells, low: float, high: float) -> Oddity:
    x, reach = cells.as_numbers(), ROUNDING * max(abs(low), abs(high))
    return Oddity(f"{name} outside {low:g} to {high:g}", (x < low - reach) | (x > high + reach))


def _fill_value(present: Floats, impute: Impute) -> float | None:
    if impute == "category":
        return None
    if len(present) == 0:
        return 0.0
    if impute == "mean":
        return float(present.mean())
    if impute == "most_frequent":
        values, counts = np.unique(present, return_counts=True)
        return float(values[counts.argmax()])
    return float(np.median(present))


def _interpolate(x: Floats, rows: Indices, interpolate_from: Indices | None) -> Floats:
    """Returns values with gaps interpolated linearly; before the first and after the last value, by the nearest."""
    usable = ~np.isnan(x)
    if interpolate_from is not None:
        usable &= np.isin(np.arange(len(x)), interpolate_from)
    if not usable.any():
        return x
    order = np.argsort(rows[usable], kind="stable")
    return np.where(np.isnan(x), np.interp(rows, rows[usable][order], x[usable][order]), x)


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

"""Evenly spaced values of one series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.date_format import DateFormat
from dltrain.errors import DataError
from dltrain.kinds.series.time_axis import TimeAxis

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegularSeries:
    """Evenly spaced values of one series.

    Args:
        names: the names of the columns of values.
        values: `(n, C)` float64.
        filled: `(n,)` whether any value of a step was missing.
        missing: `(n, C)` which values were, where the model is to know; None where it is not.
        axis: the times.
        first: the step on the axis of the first value.
        name: of the series; empty where there is one alone.
        times: of the steps, as the source writes them, and of rows after them that hold covariates alone.
        covariates: `(n + A, K)` of the steps and of `A` steps after them; NaN where one is not given after them.
        static: the cells of the columns that are the same in all of its rows.
        notes: what was sorted, left out and interpolated.
    """

    names: tuple[str, ...]
    values: Floats
    filled: NDArray[np.bool_]
    axis: TimeAxis
    first: int
    name: str = ""
    times: tuple[str, ...] = ()
    covariates: Floats | None = None
    static: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def beside(self) -> Floats:
        """Returns the covariates `(n + A, K)`, of which there may be none."""
        return np.empty((len(self), 0)) if self.covariates is None else self.covariates

    def spell(self, position: int) -> str:
        """Returns the time of the value at a position, as the source writes it, or would write it."""
        return self.times[position] if position < len(self.times) else self.axis.spell(self.first + position)

    def moments(self, count: int) -> pd.DatetimeIndex:
        """Returns the times of the first steps `(count,)` of a series with dates."""
        positions = np.arange(self.first, self.first + count)
        if self.axis.unit == "seconds":
            seconds = (positions - self.axis.at) * self.axis.step
            return pd.Timestamp(self.axis.start) + pd.to_timedelta(seconds, unit="s")
        if self.axis.unit == "sessions":
            dates = self.axis.dates or DateFormat()
            known = pd.DatetimeIndex(dates.read(self.times, local=True))
            after = [self.axis.moment(int(position)) for position in positions[len(known) :]]
            return pd.DatetimeIndex([*known[:count], *after])
        return pd.DatetimeIndex([self.axis.moment(int(position)) for position in positions])


class IncompleteSeries(DataError):
    """A series lacks too many values to be used; of several, it is left out."""

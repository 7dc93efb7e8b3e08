"""What a model remembers of each series that it was trained on: its scale, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.kinds.series.regular import RegularSeries
from dltrain.kinds.series.time_axis import TimeAxis

Floats = NDArray[np.float64]
SCALES = 5  # numbers of each column in `SeriesState.scale`


@dataclass(frozen=True, eq=False)
class SeriesState:
    """The scale of a series and its end.

    Args:
        name: of the series; empty where there is one alone.
        static: the cells of its columns that never change.
        axis: its times.
        mean: `(C,)` the mean of its training values.
        std: `(C,)` their standard deviation; 1 for a constant column.
        naive: `(2, C)` mean absolute and mean squared error of the seasonal naive forecast in training.
        last: `(T, C)` its last values, from which forecasts continue.
        beside: `(T + A, K)` the covariates of these steps and of those after them that the source gives.
        last_step: the step on the axis of its last value.
        times: of the steps of `beside`, as the source writes them.
        missing: `(T, C)` which of its last values are; None where the model does not know.
    """

    name: str
    static: tuple[str, ...]
    axis: TimeAxis
    mean: Floats
    std: Floats
    naive: Floats
    last: Floats
    beside: Floats
    last_step: int
    times: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None

    @classmethod
    def fit(cls, series: RegularSeries, training: int, window: int, period: int | None) -> SeriesState:
        """Returns the state of a series, whose scale is that of the first `training` steps."""
        values = series.values[:training]
        std = values.std(axis=0)
        begin = max(0, len(series) - window)
        return cls(
            series.name,
            series.static,
            series.axis,
            values.mean(axis=0),
            np.where(std > 0, std, 1.0),
            naive_errors(values, series.filled[:training], period),
            series.values[begin:],
            series.beside[begin:],
            series.first + len(series) - 1,
            series.times[begin:],
            None if series.missing is None else series.missing[begin:],
        )

    def as_series(self, names: Sequence[str]) -> RegularSeries:
        """Returns the end of the series."""
        first = self.last_step - len(self.last) + 1
        filled = np.zeros(len(self.last), dtype=bool)
        return RegularSeries(
            tuple(names),
            self.last,
            filled,
            self.axis,
            first,
            self.name,
            self.times,
            self.beside,
            self.static,
            missing=self.missing,
        )

    @property
    def scale(self) -> NDArray[np.float32]:
        """Returns `(5 · C,)`: mean in two parts, because float32 alone is not exact enough, deviation, naive errors."""
        coarse = self.mean.astype(np.float32)
        rest = (self.mean - coarse).astype(np.float32)
        return np.concatenate([coarse, rest, self.std, *self.naive]).astype(np.float32)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SeriesState:
        """Returns the state that `to_json` stored, or the one series of an older run.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        arrays = {name: np.asarray(stored[name], np.float64) for name in ("mean", "std", "last")}
        columns = len(arrays["mean"])
        beside = np.asarray(stored.get("beside", np.empty((len(arrays["last"]), 0))), np.float64)
        return cls(
            name=str(stored.get("name", "")),
            static=tuple(map(str, stored.get("static", ()))),
            axis=TimeAxis.from_json(stored["axis"]),
            naive=np.asarray(stored.get("naive", np.ones((2, columns))), np.float64),
            beside=beside.reshape(len(beside), -1),
            last_step=int(stored["last_step"]),
            times=tuple(map(str, stored.get("times", ()))),
            missing=np.asarray(stored["missing"], bool) if stored.get("missing") else None,
            **arrays,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `from_json` reads."""
        return {
            "name": self.name,
            "static": list(self.static),
            "axis": self.axis.to_json(),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "naive": self.naive.tolist(),
            "last": self.last.tolist(),
            "beside": [[None if np.isnan(cell) else cell for cell in row] for row in self.beside.tolist()],
            "last_step": self.last_step,
            "times": list(self.times),
            **({} if self.missing is None else {"missing": self.missing.tolist()}),
        }


def naive_errors(values: Floats, filled: NDArray[np.bool_], period: int | None) -> Floats:
    """Returns mean absolute and mean squared error of the seasonal naive forecast, `(2, C)`, of steps with a value.

    Without a season, or where the series is shorter, it is the forecast of the value before (Hyndman and Koehler,
    2006). An error of 0 becomes that of the value before, or 1.
    """
    errors = np.ones((2, values.shape[1]))
    for lag in (1, period or 1):
        if lag < len(values):
            both = ~filled[lag:] & ~filled[:-lag]
            if both.any():
                changes = (values[lag:] - values[:-lag])[both]
                measured = np.stack([np.abs(changes).mean(axis=0), np.square(changes).mean(axis=0)])
                errors = np.where(measured > 0, measured, errors)
    return errors

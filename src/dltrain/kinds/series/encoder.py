"""The encoder of series: windows of values as inputs, in training and in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import name_list
from dltrain.errors import DataError
from dltrain.kinds.series.date_columns import join_dates
from dltrain.kinds.series.read import RegularSeries, read_series
from dltrain.kinds.series.time_axis import TimeAxis
from dltrain.types import Encoded, Facts

if TYPE_CHECKING:
    from dltrain.types import Raw

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WindowEncoder:
    """Cuts a series into all its windows; the id of a window is the time of its last step.

    Args:
        names: the names of the columns, C.
        window: the number of steps that a forecast is based on, T.
        horizon: the number of steps that are forecast, H.
        axis: the times of the training series.
        mean: `(C,)` the mean of the training values.
        std: `(C,)` their standard deviation; 1 for a constant column.
        period: the steps of a season; None if nothing repeats.
        last: `(T, C)` the end of the whole series, from which forecasts continue.
        last_step: the step on the axis of its last value.
    """

    names: tuple[str, ...]
    window: int
    horizon: int
    axis: TimeAxis
    mean: Floats
    std: Floats
    period: int | None
    last: Floats
    last_step: int

    suffixes: ClassVar[frozenset[str]] = frozenset()
    takes_rows: ClassVar[bool] = True
    apart: ClassVar[bool] = False
    prepare: ClassVar[None] = None

    @classmethod
    def fit(
        cls, series: RegularSeries, training: int, *, window: int, horizon: int, period: int | None
    ) -> WindowEncoder:
        """Returns an encoder with the scale of each column in the first `training` steps alone.

        Raises:
            DataError: every column is constant there.
        """
        mean, std = series.values[:training].mean(axis=0), series.values[:training].std(axis=0)
        if not (std > 0).any():
            raise DataError(
                f"every training value of {name_list(series.names)} is the same: there is nothing to forecast",
                where="data.target",
                fix="choose another column",
            )
        return cls(
            names=series.names,
            window=window,
            horizon=horizon,
            axis=series.axis,
            mean=mean,
            std=np.where(std > 0, std, 1.0),
            period=period,
            last=series.values[-window:],
            last_step=series.first + len(series) - 1,
        )

    @classmethod
    def of(cls, facts: Facts) -> WindowEncoder:
        """Returns the encoder that the facts describe.

        Raises:
            DataError: the facts do not say how values become windows.
        """
        stored = facts.preprocessing
        try:
            (window, columns) = facts.input_shape
            encoder = cls(
                names=tuple(facts.features),
                window=window,
                horizon=int(stored["horizon"]),
                axis=TimeAxis.from_json(stored["axis"]),
                mean=np.asarray(stored["mean"], np.float64),
                std=np.asarray(stored["std"], np.float64),
                period=None if stored["period"] is None else int(stored["period"]),
                last=np.asarray(stored["last"], np.float64),
                last_step=int(stored["last_step"]),
            )
            shapes = (encoder.mean.shape, encoder.std.shape, encoder.last.shape)
            if shapes != ((columns,), (columns,), (window, columns)) or len(encoder.names) != columns:
                raise ValueError(shapes)
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how values become windows", fix="train again") from None
        return encoder

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts, except the names and the shape of windows."""
        return {
            "axis": self.axis.to_json(),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "horizon": self.horizon,
            "period": self.period,
            "last": self.last.tolist(),
            "last_step": self.last_step,
        }

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the columns of times and values, or an array `(n, C)` of values; interpolates all
        missing values.

        Raises:
            DataError: a column is missing, or the series is shorter than a window.
        """
        series = self.read(raw)
        ids = tuple(map(series.spell, range(self.window - 1, len(series))))
        return Encoded((self.encode_windows(series.values).contiguous(),), ids, ((),) * len(ids))

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the steps after each window, `(N, H·C)`; NaN after the end of the series and for missing values."""
        return self.encode_targets(self.read(raw))

    def read(self, raw: Raw) -> RegularSeries:
        """Returns new samples as an evenly spaced series.

        Raises:
            DataError: a column is missing, or the series is shorter than a window.
        """
        if isinstance(raw, pd.DataFrame):
            frame = raw.set_axis([str(name).strip() for name in raw.columns], axis="columns")
            if self.axis.name not in frame.columns:
                frame = join_dates(frame, self.names)
            time = self.axis.name if self.axis.name in frame.columns else None
            series = read_series(
                frame, self.names, time, "interpolate" if time else "ignore", len(frame), self.axis.dates or "auto"
            )
        elif isinstance(raw, np.ndarray) and raw.reshape(len(raw), -1).shape[1] == len(self.names):
            frame = pd.DataFrame(raw.reshape(len(raw), -1), columns=list(self.names))
            series = read_series(frame, self.names, None, "ignore", len(frame))
        elif isinstance(raw, Sequence):
            raise DataError("the model takes a table instead of files: it was trained on a series", fix="give a table")
        else:
            raise DataError(f"an array must have the shape (n, {len(self.names)}), and this one has {raw.shape}")
        if len(series) < self.window:
            raise DataError(
                f"{len(series)} steps are fewer than the window of {self.window} that a forecast needs",
                fix="give more of the preceding steps",
            )
        return series

    def encode_windows(self, values: Floats) -> Tensor:
        """Returns every window of values `(n, C)`, scaled, `(n - T + 1, T, C)` float32: views of one series."""
        scaled = torch.from_numpy(self.scale(values).astype(np.float32))
        return scaled.unfold(0, self.window, 1).transpose(1, 2)

    def encode_targets(self, series: RegularSeries) -> Tensor:
        """Returns the steps after each window in the series' unit, `(n - T + 1, H·C)` float64: views of one series if
        no value was missing, else with NaN for missing values.

        A window that ends in an interpolated value has no targets, since that value depends on the next one.
        """
        values = np.where(series.filled[:, None], np.nan, series.values)
        beyond = np.full((self.horizon, values.shape[1]), np.nan)
        steps = torch.from_numpy(np.concatenate([values[self.window :], beyond]))
        targets = steps.unfold(0, self.horizon, 1).transpose(1, 2).flatten(1)
        filled = torch.from_numpy(series.filled[self.window - 1 :])
        return targets.masked_fill(filled[:, None], np.nan) if filled.any() else targets

    def scale(self, values: Floats) -> Floats:
        """Returns values `(..., C)` in the series' unit in the scale of the windows."""
        return (values - self.mean) / self.std

    def unscale(self, values: Floats) -> Floats:
        """Returns values `(..., C)` in the scale of the windows in the series' unit."""
        return values * self.std + self.mean

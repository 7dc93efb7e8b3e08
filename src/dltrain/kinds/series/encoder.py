"""New values of a series, as windows for a model that was trained on earlier or on similar ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.errors import DataError
from dltrain.kinds.series.dates import join_dates
from dltrain.kinds.series.read import Series, read_series
from dltrain.kinds.series.time_axis import TimeAxis
from dltrain.types import Encoded, Facts

if TYPE_CHECKING:
    from dltrain.types import Raw


@dataclass(frozen=True)
class WindowEncoder:
    """Cuts a series into every window that it holds; each is named by the time of its last step.

    Gaps are interpolated, however long.
    """

    facts: Facts
    axis: TimeAxis
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    suffixes: frozenset[str] = frozenset()
    takes_rows: bool = True
    apart: bool = False
    prepare: None = None

    @classmethod
    def of(cls, facts: Facts) -> WindowEncoder:
        """The encoder that the facts describe.

        Raises:
            DataError: they do not say how values became windows.
        """
        said: Any = facts.preprocessing
        try:
            axis = TimeAxis.from_json(said["axis"])
            return cls(facts, axis, np.asarray(said["mean"], np.float64), np.asarray(said["std"], np.float64))
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how values become windows", fix="train again") from None

    @property
    def window(self) -> int:
        return self.facts.input_shape[0]

    @property
    def horizon(self) -> int:
        return int(self.facts.preprocessing["horizon"])

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the columns of times and values, or an array `(n, C)` of values.

        Raises:
            DataError: it lacks a column, or is shorter than a window.
        """
        found = self.read(raw)
        windows = np.lib.stride_tricks.sliding_window_view(found.values, self.window, axis=0)  # (N, C, T)
        ends = range(found.first + self.window - 1, found.first + len(found.values))
        ids = tuple(map(found.axis.spell, ends))
        return Encoded((self.scaled(windows.transpose(0, 2, 1)),), ids, ((),) * len(ids))

    def scaled(self, windows: NDArray[np.float64]) -> Tensor:
        """Windows `(N, T, C)` in the series' unit, as the model's inputs."""
        return torch.from_numpy(((windows - self.mean) / self.std).astype(np.float32))

    def targets(self, raw: Raw, /) -> Tensor:
        """What follows each window, `(N, H·C)`; NaN where the series ends before, or a value was missing."""
        found = self.read(raw)
        values = np.where(found.filled[:, None], np.nan, found.values)
        after = np.full((self.horizon, values.shape[1]), np.nan)
        steps = np.lib.stride_tricks.sliding_window_view(np.concatenate([values, after]), self.horizon, axis=0)
        after_window = steps[self.window :].transpose(0, 2, 1)
        # A filled value was drawn towards the one after it, so no forecast from there is judged.
        after_window = np.where(found.filled[self.window - 1 :, None, None][: len(after_window)], np.nan, after_window)
        return torch.tensor(after_window).flatten(1)

    def read(self, raw: Raw) -> Series:
        """The values as an evenly spaced series.

        Raises:
            DataError: it lacks a column, or is shorter than a window.
        """
        names = self.facts.features
        if isinstance(raw, pd.DataFrame):
            frame = raw.set_axis([str(name).strip() for name in raw.columns], axis="columns")
            if self.axis.name not in frame.columns:
                frame = join_dates(frame, names)
            time = self.axis.name if self.axis.name in frame.columns else None
            found = read_series(frame, names, time, "interpolate" if time else "ignore", len(frame))
        elif isinstance(raw, np.ndarray) and raw.reshape(len(raw), -1).shape[1] == len(names):
            frame = pd.DataFrame(raw.reshape(len(raw), -1), columns=list(names))
            found = read_series(frame, names, None, "ignore", len(frame))
        elif isinstance(raw, Sequence):
            raise DataError("files where a table is due: the model was trained on a series", fix="give a table")
        else:
            raise DataError(f"an array of shape {raw.shape}, where the model takes (n, {len(names)})")
        if len(found.values) < self.window:
            raise DataError(
                f"{len(found.values)} steps are fewer than the window of {self.window} that a forecast is made from",
                fix="give more of what came before",
            )
        return found

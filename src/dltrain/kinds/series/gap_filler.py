"""Fills what is missing at the end of a window by a forecast from what is before, since a line to the next value would
reveal it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_LAGS = 96
ROWS_FOR_EACH = 4  # training steps at least, on average, for each lag
MOST_ROWS = 20_000

Floats = NDArray[np.float64]
Gaps = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class GapFiller:
    """A linear forecast of the next step of each column from the steps before, relative to the last one.

    So a linear model makes the best forecast from within a gap with the weights that are best elsewhere.

    Args:
        weights: `(C, P)` of the P steps before, the last one excluded from P; `(C, 0)` repeats the last value.
    """

    weights: Floats

    @classmethod
    def fit(cls, training: Sequence[tuple[Floats, Gaps]], window: int) -> GapFiller:
        """Returns the ridge regression of the training steps.

        Args:
            training: of each series its values `(n, C)`, interpolated and in one scale, and which were missing.
            window: the most steps that a forecast may rest on.
        """
        from sklearn.linear_model import RidgeCV

        columns = training[0][0].shape[1]
        steps = sum(len(values) for values, _ in training)
        lags = max(0, min(window - 1, MOST_LAGS, steps // ROWS_FOR_EACH, max(len(v) for v, _ in training) - 2))
        weights = np.zeros((columns, lags))
        for column in range(columns if lags else 0):
            rows = [_rows(values[:, column], missing[:, column], lags) for values, missing in training]
            x, y = (np.concatenate(part) for part in zip(*rows, strict=True))
            if len(y):
                every = -(-len(y) // MOST_ROWS)
                weights[column] = RidgeCV(np.logspace(-3, 3, 13), fit_intercept=False).fit(x[::every], y[::every]).coef_
        return cls(weights)

    def fill(self, values: Floats, missing: Gaps) -> Floats:
        """Returns values `(n, C)` in which each missing one is the forecast from those before it."""
        lags, filled = self.weights.shape[1], values.copy()
        for column, weights in enumerate(self.weights):
            for step in np.flatnonzero(missing[:, column]).tolist():
                if step == 0:
                    continue
                if not missing[step - 1, column]:
                    before = values[max(0, step - 1 - lags) : step, column]
                    before = np.concatenate([np.full(lags + 1 - len(before), before[0]), before])
                filled[step, column] = before[-1] + (before[:-1] - before[-1]) @ weights
                before = np.append(before[1:], filled[step, column])
        return filled


def _rows(values: Floats, missing: Gaps, lags: int) -> tuple[Floats, Floats]:
    """Returns the steps before each given one `(R, P)` and that one `(R,)`, relative to the last one before it."""
    if len(values) < lags + 2:
        return np.empty((0, lags)), np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(values, lags + 2)  # P lags, the last value, the next one
    given = ~(missing[lags:-1] | missing[lags + 1 :])
    windows = windows[given]
    last = windows[:, -2]
    return windows[:, :-2] - last[:, None], windows[:, -1] - last

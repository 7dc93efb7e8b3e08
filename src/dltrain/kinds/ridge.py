"""Ridge regression of many samples, some of which choose its penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge, RidgeCV

PENALTIES = np.logspace(-3, 3, 13)
MOST_CHOOSING = 5_000  # samples; beyond them the penalty hardly changes


class RidgeOfMany(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression with the penalty of the lowest leave-one-out error of at most 5,000 samples."""

    def fit(self, x: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> RidgeOfMany:
        """Fits to samples `x` `(N, F)` with targets `y` `(N,)` or `(N, K)`; returns itself."""
        some = np.sort(np.random.default_rng(0).permutation(len(y))[:MOST_CHOOSING])
        weight = None if sample_weight is None else sample_weight[some]
        mode = "svd" if len(some) > x.shape[1] else "auto"  # half of the time where there are more samples than inputs
        self.penalty_ = float(RidgeCV(PENALTIES, gcv_mode=mode).fit(x[some], y[some], weight).alpha_)
        self.model_ = Ridge(self.penalty_).fit(x, y, sample_weight)
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Returns the predictions `(N,)` or `(N, K)`."""
        return np.asarray(self.model_.predict(x))

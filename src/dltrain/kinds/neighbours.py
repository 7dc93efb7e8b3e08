"""Nearest neighbours, whose number is chosen by cross-validation with one search a fold for all numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

MOST_FOR_TREE = 5  # inputs, beyond which comparing with every sample is faster than a tree of them


class _Neighbours(BaseEstimator):  # type: ignore[misc]
    """Nearest neighbours by standardised inputs.

    Args:
        counts: numbers of neighbours to choose from, in ascending order.
        splitter: scikit-learn's, which makes the folds.
    """

    kind: type[KNeighborsClassifier | KNeighborsRegressor]

    def __init__(self, counts: tuple[int, ...] = (5,), splitter: Any = None) -> None:
        self.counts = counts
        self.splitter = splitter

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> _Neighbours:
        """Fits to samples `x` `(N, F)` with targets `y` `(N,)` or `(N, K)`; returns itself."""
        scores = np.zeros(len(self.counts))
        for train, held_out in self.splitter.split(x, y) if len(self.counts) > 1 else ():
            model = self._model(self.counts[-1], x).fit(x[train], y[train])
            nearest = model[-1].kneighbors(model[:-1].transform(x[held_out]), return_distance=False)
            answers = y[train][nearest]
            scores += [self._score(y[held_out], answers[:, :count]) for count in self.counts]
        self.count_ = self.counts[int(np.nan_to_num(scores, nan=-np.inf).argmax())]
        self.model_ = self._model(self.count_, x).fit(x, y)
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Returns the mean or the commonest of the neighbours' targets."""
        return np.asarray(self.model_.predict(x))

    def _model(self, count: int, x: NDArray[Any]) -> Pipeline:
        algorithm = "auto" if x.shape[1] <= MOST_FOR_TREE else "brute"
        return make_pipeline(StandardScaler(), self.kind(count, algorithm=algorithm))

    def _score(self, y: NDArray[Any], answers: NDArray[Any]) -> float:
        """Returns how good predictions by neighbours are, whose targets are `answers` `(N, k)` or `(N, k, K)`."""
        raise NotImplementedError


class NeighboursRegressor(RegressorMixin, _Neighbours):  # type: ignore[misc]
    """Predicts the mean of the nearest neighbours' numbers; the number with the best R² is chosen."""

    kind = KNeighborsRegressor

    def _score(self, y: NDArray[Any], answers: NDArray[Any]) -> float:
        return float(r2_score(y, answers.mean(axis=1)))


class NeighboursClassifier(ClassifierMixin, _Neighbours):  # type: ignore[misc]
    """Predicts the commonest class of the nearest neighbours; the number with the best accuracy is chosen."""

    kind = KNeighborsClassifier

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes in the order of `predict_proba`."""
        return np.asarray(self.model_.classes_)

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the share `(N, C)` of each class among the neighbours."""
        return np.asarray(self.model_.predict_proba(x))

    def _score(self, y: NDArray[Any], answers: NDArray[Any]) -> float:
        answers = np.sort(answers, axis=1)
        times = (answers[:, :, None] == answers[:, None]).sum(axis=2)  # (N, k) how often each is there
        commonest = np.take_along_axis(answers, times.argmax(axis=1)[:, None], axis=1)  # the smallest of several
        return float((commonest[:, 0] == y).mean())

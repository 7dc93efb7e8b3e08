"""Nearest neighbours: the same number and the same answers as scikit-learn's own search finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dltrain.kinds.neighbours import NeighboursClassifier, NeighboursRegressor

COUNTS = (1, 3, 5, 9, 15, 25)


@pytest.mark.parametrize("load", [load_wine, load_digits])
@pytest.mark.parametrize("columns", [3, 64])
def test_classes_are_those_of_a_grid_search(load: Any, columns: int) -> None:
    x, y = load(return_X_y=True)
    x = x[:, :columns] + np.random.default_rng(0).normal(size=x[:, :columns].shape)  # of equal distances any is right
    splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    own = NeighboursClassifier(COUNTS, splitter).fit(x[::2], y[::2])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        {"kneighborsclassifier__n_neighbors": COUNTS},
        cv=splitter,
    ).fit(x[::2], y[::2])
    assert own.count_ == search.best_params_["kneighborsclassifier__n_neighbors"]
    np.testing.assert_array_equal(own.classes_, search.classes_)
    np.testing.assert_allclose(own.predict_proba(x), search.predict_proba(x))


@pytest.mark.parametrize("outputs", [1, 2])
def test_numbers_are_those_of_a_grid_search(outputs: int) -> None:
    x, y = load_diabetes(return_X_y=True)
    if outputs == 2:
        y = np.stack([y, -3 * y + x[:, 0]], axis=1)
    splitter = KFold(5, shuffle=True, random_state=0)
    own = NeighboursRegressor(COUNTS, splitter).fit(x, y)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KNeighborsRegressor()),
        {"kneighborsregressor__n_neighbors": COUNTS},
        cv=splitter,
    ).fit(x, y)
    assert own.count_ == search.best_params_["kneighborsregressor__n_neighbors"]
    np.testing.assert_allclose(own.predict(x), search.predict(x))

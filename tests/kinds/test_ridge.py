"""The ridge regression of many samples: the penalty that scikit-learn finds, and its predictions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from dltrain.kinds import ridge
from dltrain.kinds.ridge import PENALTIES, RidgeOfMany


@pytest.mark.parametrize("noise", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("inputs", [3, 40, 90])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_penalty_and_the_predictions_are_those_of_leaving_one_out(
    noise: float, outputs: int, inputs: int, weighted: bool
) -> None:
    random = np.random.default_rng(0)
    x = (random.normal(size=(80, inputs)) + 5).astype(np.float32)
    y = x @ random.normal(size=(inputs, outputs)) + noise * random.normal(size=(80, outputs))
    y = y[:, 0] if outputs == 1 else y
    weight = random.uniform(0.1, 4, 80) if weighted else None
    own, other = RidgeOfMany().fit(x, y, weight), RidgeCV(PENALTIES).fit(x, y, weight)
    assert own.penalty_ == other.alpha_
    np.testing.assert_allclose(own.predict(x), other.predict(x), rtol=1e-3, atol=1e-3)


def test_of_many_samples_some_choose_the_penalty_and_all_are_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "MOST_CHOOSING", 50)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 20)), random.normal(size=400)
    own = RidgeOfMany().fit(x, y)
    assert own.penalty_ in PENALTIES
    np.testing.assert_allclose(own.predict(x), Ridge(own.penalty_).fit(x, y).predict(x))

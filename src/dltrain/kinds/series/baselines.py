"""Plain methods for series: the last value, the last season, and a ridge regression on the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.kinds.series.window_scale import LEAST_SPREAD
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, Split, SplitName

MAX_ROWS = 20_000

Floats = NDArray[np.float64]


def predictors(data: Data, split: SplitName) -> Iterator[tuple[str, Callable[[], Predictions]]]:
    """Names of methods, and what predicts a split, in the series' unit."""
    said = data.facts.preprocessing
    horizon, season = said["horizon"], data.splits[split].season
    yield "last_value", partial(_predict, data, split, lambda x: np.repeat(x[:, -1:], horizon, axis=1))
    if season is not None:
        yield "seasonal", partial(Predictions, season)
    yield "ridge", partial(_ridge, data, split)


def _predict(data: Data, split: SplitName, forecast: Callable[[Floats], Floats]) -> Predictions:
    x = data.splits[split].inputs[0].double().numpy()
    return _in_unit(data, forecast(x))


def _in_unit(data: Data, steps: Floats) -> Predictions:
    """Forecasts `(N, H, C)` in the scale of the stored windows, as predictions."""
    said = data.facts.preprocessing
    values = steps * np.asarray(said["std"]) + np.asarray(said["mean"])
    return Predictions(torch.from_numpy(np.ascontiguousarray(values.reshape(len(values), -1))))


def _ridge(data: Data, split: SplitName) -> Predictions:
    """Windows and targets less the window's last value, divided by its spread, as the models see them."""
    from sklearn.linear_model import RidgeCV

    said, train = data.facts.preprocessing, data.splits["train"]
    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:MAX_ROWS])
    x, last, spread = _scaled(train)
    target = train.target.numpy().reshape(len(train), -1, len(said["mean"]))
    y = ((target - np.asarray(said["mean"])) / np.asarray(said["std"]) - last) / spread
    method = RidgeCV(np.logspace(-3, 3, 13)).fit(x[chosen], y.reshape(len(y), -1)[chosen])
    x, last, spread = _scaled(data.splits[split])
    steps = np.asarray(method.predict(x)).reshape(len(x), -1, last.shape[2])
    return _in_unit(data, steps * spread + last)


def _scaled(split: Split) -> tuple[Floats, Floats, Floats]:
    """Flat windows `(N, T·C)`, their last values `(N, 1, C)` and their spreads `(N, 1, C)`."""
    x = split.inputs[0].double().numpy()
    last, spread = x[:, -1:], x.std(axis=1, keepdims=True) + LEAST_SPREAD
    return ((x - last) / spread).reshape(len(x), -1), last, spread

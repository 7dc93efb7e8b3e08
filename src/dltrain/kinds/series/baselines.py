"""Baselines for series: the last value, the last season, and a ridge regression on the window."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from dltrain.kinds.method import Method
from dltrain.kinds.series.encoder import Floats, WindowEncoder
from dltrain.kinds.series.splits import WindowSplit
from dltrain.kinds.series.window_scale import LEAST_SPREAD
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, Split, SplitName

MAX_ROWS = 20_000


def predictors(data: Data, name: SplitName) -> Iterator[Method]:
    """Yields baselines; each predicts a split, in the series' unit."""
    encoder, split = WindowEncoder.of(data.facts), data.splits[name]
    yield Method("last_value", partial(_repeat_last_value, encoder, split))
    if isinstance(split, WindowSplit) and split.season is not None:
        yield Method("seasonal", partial(Predictions, split.season))
    yield Method("ridge", partial(_ridge, encoder, data.splits["train"], split))


def _repeat_last_value(encoder: WindowEncoder, split: Split) -> Predictions:
    windows = split.inputs[0].double().numpy()
    return _in_unit(encoder, np.repeat(windows[:, -1:], encoder.horizon, axis=1))


def _in_unit(encoder: WindowEncoder, steps: Floats) -> Predictions:
    """Returns predictions from forecasts `(N, H, C)` in the scale of the stored windows."""
    values = encoder.unscale(steps)
    return Predictions(torch.from_numpy(np.ascontiguousarray(values.reshape(len(values), -1))))


def _ridge(encoder: WindowEncoder, train: Split, split: Split) -> Predictions:
    """Returns the forecasts of a ridge regression on windows and targets relative to the last value and spread."""
    from sklearn.linear_model import RidgeCV

    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:MAX_ROWS])
    x, last, spread = _relative(train)
    target = train.target.numpy().reshape(len(train), -1, len(encoder.names))
    y = (encoder.scale(target) - last) / spread
    model = RidgeCV(np.logspace(-3, 3, 13)).fit(x[chosen], y.reshape(len(y), -1)[chosen])
    x, last, spread = _relative(split)
    steps = np.asarray(model.predict(x)).reshape(len(x), -1, last.shape[2])
    return _in_unit(encoder, steps * spread + last)


def _relative(split: Split) -> tuple[Floats, Floats, Floats]:
    """Returns flat windows `(N, T·C)`, their last values `(N, 1, C)` and their spreads `(N, 1, C)`."""
    x = split.inputs[0].double().numpy()
    last, spread = x[:, -1:], x.std(axis=1, keepdims=True) + LEAST_SPREAD
    return ((x - last) / spread).reshape(len(x), -1), last, spread

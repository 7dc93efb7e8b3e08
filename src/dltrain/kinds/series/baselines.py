"""Baselines for series: the last value, the last season, the Theta method, and a ridge regression."""

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
SMOOTHINGS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)
THETA_ROWS = 2000
MOST_NUMBERS = 40_000_000  # of the rows that a ridge regression is fitted to


def predictors(data: Data, name: SplitName) -> Iterator[Method]:
    """Yields baselines; each predicts a split, in the series' unit."""
    encoder, split = WindowEncoder.of(data.facts), data.splits[name]
    yield Method("last_value", partial(_repeat_last_value, encoder, split))
    if isinstance(split, WindowSplit) and split.season is not None:
        season = split.season.reshape(len(split), encoder.horizon, -1).double().numpy()
        yield Method("seasonal", partial(_predictions, encoder, split, season))
    yield Method("theta", partial(_theta, encoder, data.splits["train"], split))
    rows = most_rows(encoder)
    note = f"fitted to {rows:,} of {len(data.splits['train']):,} windows" if rows < len(data.splits["train"]) else ""
    yield Method("ridge", partial(_ridge, encoder, data.splits["train"], split), note)


def _theta(encoder: WindowEncoder, train: Split, split: Split) -> Predictions:
    """Returns the forecasts of the Theta method for each window: exponential smoothing with half of the window's slope
    as drift (Assimakopoulos and Nikolopoulos, 2000; Hyndman and Billah, 2003), without the season, which is added.

    The smoothing is the one with the smallest error on the training split.
    """
    some = torch.from_numpy(np.sort(np.random.default_rng(0).permutation(len(train))[:THETA_ROWS]))
    few = Split(tuple(tensor[some] for tensor in train.inputs), train.target[some], ())
    target = in_scale(encoder, few.target.numpy().reshape(len(few), -1, len(encoder.names)), few)
    values = _values_of(encoder, few)
    errors = [float(np.nanmean(np.square(_theta_of(values, encoder, alpha) - target))) for alpha in SMOOTHINGS]
    steps = _theta_of(_values_of(encoder, split), encoder, SMOOTHINGS[int(np.argmin(errors))])
    return _predictions(encoder, split, encoder.unscale(steps, split.tensors))


def _theta_of(values: Floats, encoder: WindowEncoder, alpha: float) -> Floats:
    """Returns the forecasts `(N, H, C)` of windows `(N, T, C)` with a smoothing."""
    count, period, horizon = values.shape[1], encoder.period, encoder.horizon
    times = np.arange(count) - (count - 1) / 2
    slope = np.tensordot(values, times, axes=(1, 0)) / np.square(times).sum()  # (N, C)
    season = np.zeros((len(values), horizon, values.shape[2]))
    if period is not None and 2 * period <= count:
        trended = values - times[None, :, None] * slope[:, None] - values.mean(axis=1, keepdims=True)
        phases = np.stack([trended[:, phase::period].mean(axis=1) for phase in range(period)], axis=1)  # (N, period, C)
        values = values - phases[:, np.arange(count) % period]
        season = phases[:, (count + np.arange(horizon)) % period]
    level = values[:, 0]
    for step in range(1, count):
        level = alpha * values[:, step] + (1 - alpha) * level
    drift = np.arange(horizon) + (1 - (1 - alpha) ** count) / alpha
    return level[:, None] + slope[:, None] / 2 * drift[None, :, None] + season


def most_rows(encoder: WindowEncoder) -> int:
    steps, channels = encoder.input_shape
    return min(MAX_ROWS, max(1000, MOST_NUMBERS // (steps * channels)))


def _values_of(encoder: WindowEncoder, split: Split) -> Floats:
    """Returns the values of windows as they are stored, `(N, T, C)`."""
    return split.inputs[0][:, : encoder.window, : len(encoder.names)].double().numpy()


def _repeat_last_value(encoder: WindowEncoder, split: Split) -> Predictions:
    last = np.repeat(_values_of(encoder, split)[:, -1:], encoder.horizon, axis=1)
    return _predictions(encoder, split, encoder.unscale(last, split.tensors))


def _predictions(encoder: WindowEncoder, split: Split, values: Floats) -> Predictions:
    """Returns forecasts `(N, H, C)` in the series' unit as predictions."""
    naive = None
    if encoder.is_panel:
        naive = split.tensors[2].double().unflatten(1, (-1, len(encoder.names)))[:, 3:]
    return Predictions(torch.from_numpy(np.ascontiguousarray(values.reshape(len(values), -1))), naive=naive)


def _ridge(encoder: WindowEncoder, train: Split, split: Split) -> Predictions:
    """Returns the forecasts of a ridge regression on windows and targets relative to the last value and spread, and on
    what is beside the values in the window and its horizon."""
    from sklearn.linear_model import RidgeCV

    complete = np.flatnonzero(~train.target.isnan().any(dim=1).numpy())
    if not len(complete):
        complete = np.arange(len(train))
    chosen = np.sort(complete[np.random.default_rng(0).permutation(len(complete))[: most_rows(encoder)]])
    some = Split(tuple(tensor[torch.from_numpy(chosen)] for tensor in train.inputs), train.target[chosen], ())
    x, last, spread = _relative(encoder, some)
    target = some.target.numpy().reshape(len(some), -1, len(encoder.names))
    y = (in_scale(encoder, target, some) - last) / spread
    model = RidgeCV(np.logspace(-3, 3, 13)).fit(x, y.reshape(len(y), -1))
    x, last, spread = _relative(encoder, split)
    steps = np.asarray(model.predict(x)).reshape(len(x), -1, last.shape[2])
    return _predictions(encoder, split, encoder.unscale(steps * spread + last, split.tensors))


def in_scale(encoder: WindowEncoder, values: Floats, split: Split) -> Floats:
    """Returns values `(N, H, C)` in the series' unit in the scale of the stored windows."""
    zero = encoder.unscale(np.zeros_like(values), split.tensors)
    return (values - zero) / (encoder.unscale(np.ones_like(values), split.tensors) - zero)


def _relative(encoder: WindowEncoder, split: Split) -> tuple[Floats, Floats, Floats]:
    """Returns flat windows `(N, F)`, their last values `(N, 1, C)` and their spreads `(N, 1, C)`, by which they are
    divided where nothing is given beside the values."""
    values, count = _values_of(encoder, split), len(split)
    last, spread = values[:, -1:], values.std(axis=1, keepdims=True) + LEAST_SPREAD
    if encoder.covariates:
        spread = np.ones_like(last)
    beside = split.inputs[0][:, :, len(encoder.names) :].double().numpy()
    past, ahead = beside[:, : encoder.window], beside[:, encoder.window :]
    columns = [((values - last) / spread).reshape(count, -1), past.reshape(count, -1), ahead.reshape(count, -1)]
    return np.concatenate(columns, axis=1), last, spread

"""Forecasts: their errors, the plain methods, and a whole run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from dltrain.experiment.baselines import run_baselines
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds.series.baselines import _theta_of
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.load import series
from dltrain.tasks.forecasting import _last_of_each
from dltrain.tasks.metrics import forecast_errors
from dltrain.types import ForecastTimes


def test_errors_are_over_all_steps_alike() -> None:
    rng = np.random.default_rng(0)
    true, said = rng.normal(10, 3, (40, 6)), rng.normal(10, 3, (40, 6))
    metric = forecast_errors(1, (9.0,))
    sums = sum(metric.update(torch.tensor(said[part]), torch.tensor(true[part])) for part in (slice(15), slice(15, 40)))
    assert isinstance(sums, torch.Tensor)
    found = metric.compute(sums)
    assert found["rmse"] == pytest.approx(np.sqrt(np.square(said - true).mean()))
    assert found["mae"] == pytest.approx(np.abs(said - true).mean())
    assert found["smape"] == pytest.approx((200 * np.abs(said - true) / (np.abs(said) + np.abs(true))).mean())
    assert found["r2"] == pytest.approx(1 - np.square(said - true).sum() / np.square(true - true.mean()).sum())


def test_two_zeros_are_no_error() -> None:
    metric = forecast_errors(1, (0.0,))
    assert metric.compute(metric.update(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 0.0]])))["smape"] == 100


def test_plain_methods_are_those_of_the_plain_formulas() -> None:
    data = series(rows=400, horizon=30, window=48)
    task = build_task(data.facts, build_loss({}, data.facts))
    found = {one.name: one.predictions.values.numpy() for one in run_baselines(data, task, "test", 20.0)}
    assert list(found) == ["last_value", "seasonal", "theta", "ridge"]
    assert data.facts.preprocessing["period"] == 24
    whole = np.concatenate([data.splits[name].target[:, 0].numpy() for name in ("test",)])
    true = data.splits["test"].target.numpy()
    for sample in range(26, len(true), 7):
        # whole[i] is the first step after the i-th origin, so that the origin itself is whole[sample - 1]
        np.testing.assert_allclose(found["last_value"][sample], whole[sample - 1], rtol=1e-5)
        season = whole[sample - 24 : sample]
        np.testing.assert_allclose(found["seasonal"][sample], np.concatenate([season, season[:6]]), rtol=1e-5)
    errors = {name: float(np.square(values - true).mean()) for name, values in found.items()}
    assert errors["ridge"] < errors["seasonal"] < errors["last_value"]


def test_the_last_season_is_told_of_where_a_window_is_shorter() -> None:
    data = series(rows=400, horizon=3, window=6)
    task = build_task(data.facts, build_loss({}, data.facts))
    found = {one.name: one.predictions.values.numpy() for one in run_baselines(data, task, "test", 20.0)}
    whole = data.splits["test"].target[:, 0].numpy()
    np.testing.assert_allclose(found["seasonal"][30], whole[6:9])


def test_a_run_forecasts_better_than_the_last_season(dltrain: Callable) -> None:
    called = dltrain("data=series", "data.rows=800", "data.horizon=6", "data.window=48")
    assert called.code == 0
    result = called.result
    assert result["test"]["rmse"] < result["baseline"]["seasonal"]["rmse"] < result["baseline"]["last_value"]["rmse"]
    assert list(result["test"]) == ["loss", "mse", "rmse", "mae", "smape", "r2", "mase", "rmsse"]
    assert "Linear" in called.out
    head = called.run.predictions.read_text("utf-8").splitlines()[0]
    assert head == "time,origin,step,true,predicted,low,high"


def test_other_models_take_series_too(dltrain: Callable) -> None:
    for number, model in enumerate(("mlp", "lstm")):
        options = ("data=series", "data.rows=300", "data.window=12", "trainer.epochs=2", f"hydra.run.dir=r{number}")
        assert dltrain(f"model={model}", *options).code == 0
    refused = dltrain("model=cnn", "data=series", "data.rows=300")
    assert refused.code == 2
    assert "model=linear" in refused.err


def test_ratings_train_by_their_recipe_and_the_shape_of_one_linear_layer(dltrain: Callable) -> None:
    called = dltrain("data=ratings", "data.rows=3000", "hydra.run.dir=r")
    assert called.code == 0
    result = called.result
    assert {"rmse", "mae"} <= set(result["test"])
    assert result["test"]["rmse"] < result["baseline"]["mean"]["rmse"]
    assert called.run.kept.exists()
    assert dltrain("experiment=recommender", "data.rows=1000", "trainer.epochs=2").code == 0
    refused = dltrain("model=mlp", "data=ratings", "data.rows=300")
    assert refused.code == 2
    assert "model=recommender" in refused.err


def test_theta_is_smoothing_with_half_the_slope_beside_the_season() -> None:
    data = series(rows=300, horizon=5, window=48, calendar=False)
    encoder = WindowEncoder.of(data.facts)
    window = 3 + 0.5 * np.arange(48.0)[None, :, None]
    line = replace(encoder, period=None)
    drift = np.arange(5) + (1 - 0.5**48) / 0.5
    level = 26.5 - 0.5 * sum(0.5**lag for lag in range(1, 48))  # of exponential smoothing, along a line
    np.testing.assert_allclose(_theta_of(window, line, 0.5)[0, :, 0], level + 0.25 * drift, rtol=1e-9)
    wave = np.tile([1.0, -1.0, 0.0, 0.0], 12)[None, :, None]
    np.testing.assert_allclose(_theta_of(wave, replace(encoder, period=4), 0.1)[0, :, 0], [1, -1, 0, 0, 1], atol=0.1)


def test_a_table_of_too_many_forecasts_holds_the_last_of_each_series() -> None:
    times = ForecastTimes(("a", "b"), np.array([0] * 5 + [1] * 3), tuple(map(str, range(20))), np.arange(8), 2)
    assert _last_of_each(times, 8).tolist() == list(range(8))
    assert _last_of_each(times, 4).tolist() == [3, 4, 6, 7]

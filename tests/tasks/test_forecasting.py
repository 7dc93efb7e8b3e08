"""Forecasts: their errors, the plain methods, and a whole run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
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
    assert "each alone: ridge" in called.out
    head = called.run.predictions.read_text("utf-8").splitlines()[0]
    assert head == "time,origin,step,true,predicted,low,high"


def test_other_models_take_series_too(dltrain: Callable) -> None:
    for number, model in enumerate(("mlp", "lstm")):
        options = ("data=series", "data.rows=300", "data.window=12", "trainer.epochs=2", f"hydra.run.dir=r{number}")
        assert dltrain(f"model={model}", *options).code == 0
    refused = dltrain("model=cnn", "data=series", "data.rows=300")
    assert refused.code == 2
    assert "model=auto" in refused.err


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


def test_the_default_tries_linear_models_and_a_network_and_says_which_it_took(dltrain: Callable) -> None:
    options = ("data=series", "data.rows=300", "data.window=24", "data.horizon=2", "trainer.epochs=2", "baseline=none")
    called = dltrain(*options, "hydra.run.dir=a")
    assert called.code == 0, called.err
    result = called.result
    assert set(result["blend"]["votes"]) == {"ridge", "dlinear", "patchtst"}
    assert sum(result["blend"]["votes"].values()) == 8
    assert "blend: " in called.out
    assert dltrain("predict", "a", "--steps", "5").code == 0
    named = dltrain("model=auto", *options, "hydra.run.dir=b")
    assert (named.folder / "b/predictions.csv").read_text() == (named.folder / "a/predictions.csv").read_text()
    refused = dltrain(*options, "model.candidates=[mlp]")
    assert refused.code == 2
    assert "mlp is no candidate for series data" in refused.err
    assert "model.candidates=[ridge,dlinear,patchtst]" in refused.err


def test_the_solved_candidate_is_as_good_as_the_ridge_baseline(dltrain: Callable) -> None:
    options = ("data=series", "data.rows=600", "data.window=24", "data.calendar=false", "trainer.epochs=1")
    called = dltrain(*options, "model.candidates=[ridge,dlinear]")
    result = called.result
    assert result["blend"]["votes"]["ridge"] >= 6
    assert result["test"]["rmse"] == pytest.approx(result["baseline"]["ridge"]["rmse"], rel=0.03)
    refused = dltrain(*options, "model.candidates=[ridge]")
    assert refused.code == 2
    assert "nothing to train" in refused.err


@pytest.mark.parametrize("source", [["data.horizon=3"], ["data.path=panel.csv", "data.horizon=2"]])
def test_a_quantile_loss_gives_the_ends_of_intervals(source: list[str], dltrain: Callable) -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=200)
    waves = [size * (10 + np.sin(np.arange(200) * 0.9) + rng.normal(0, 0.2, 200)) for size in (1, 100)]
    parts = [pd.DataFrame({"unique_id": at, "ds": days, "y": y}) for at, y in zip("ab", waves, strict=True)]
    pd.concat(parts).to_csv("panel.csv", index=False)
    options = ("data=series", "data.rows=600", "data.window=24", "loss=quantile", "baseline=none")
    called = dltrain(*options, *source, "model.candidates=[ridge,dlinear]", "hydra.run.dir=run")
    assert called.code == 0, called.err
    table = pd.read_csv(called.run.predictions)
    assert (table["low"] <= table["predicted"]).all()
    assert (table["predicted"] <= table["high"]).all()
    held = ((table["low"] <= table["true"]) & (table["true"] <= table["high"])).mean()
    assert held > 0.82
    assert (table["high"] - table["low"]).mean() < 6 * (table["predicted"] - table["true"]).std()
    assert called.result["certainty"]["measured"]["coverage"] == pytest.approx(held, abs=0.01)
    ahead = dltrain("predict", "run", "--steps", "3")
    assert ahead.code == 0, ahead.err
    assert "low" in ahead.out.splitlines()[0]


def test_members_of_a_panel_keep_the_exact_scale() -> None:
    facts = replace(series(rows=100, window=5).facts, preprocessing={"series": []})
    task = build_task(facts, build_loss({}, facts))
    scale = torch.tensor([1234567.0, 0.0123, 3.3333333, 1.7, 2.9])
    output = torch.cat([torch.randn(4, 6, 1), scale.expand(4, 6, 5)], dim=2)
    combined = task.combine_members(output)
    assert torch.equal(combined[:, 1:], scale.expand(4, 5))
    torch.testing.assert_close(combined[:, :1], output[..., :1].mean(dim=1))

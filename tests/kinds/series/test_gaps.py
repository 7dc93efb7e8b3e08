"""Series with natural gaps: a model that is told of missing values, and what counts of them."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_series
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.gap_filler import GapFiller
from dltrain.kinds.series.load import series

MISSING = 0.1


def with_gaps(tmp_path: Path, rows: int = 300, columns: int = 1) -> tuple[str, np.ndarray, np.ndarray]:
    """Writes an hourly series with missing values; returns its path, its values `(n, C)` and which are missing."""
    rng = np.random.default_rng(0)
    values = np.arange(1.0, rows + 1)[:, None] * np.arange(1, columns + 1)
    missing = rng.random(values.shape) < MISSING
    missing[[0, -1]] = False
    frame = pd.DataFrame({f"v{at}": np.where(missing[:, at], np.nan, values[:, at]) for at in range(columns)})
    frame.insert(0, "time", pd.date_range("2026-01-01", periods=rows, freq="h"))
    path = tmp_path / "gaps.csv"
    frame.to_csv(path, index=False)
    return str(path), values, missing


@pytest.mark.parametrize("columns", [1, 2])
def test_a_window_says_what_is_missing_and_never_shows_what_follows(tmp_path: Path, columns: int) -> None:
    path, values, missing = with_gaps(tmp_path, columns=columns)
    data = series(path=path, window=12, horizon=3, gaps="mask", calendar=False)
    encoder = WindowEncoder.of(data.facts)
    assert encoder.filler is not None
    count = 0
    for name, split in data.splits.items():
        x = split.inputs[0].double().numpy()
        assert x.shape[1:] == (12, 2 * columns)
        shown = x[..., :columns] * encoder.states[0].std + encoder.states[0].mean
        assert split.times is not None
        for at, first in enumerate(split.times.first.tolist()):
            window, ahead = slice(first - 12, first), slice(first, first + 3)
            np.testing.assert_array_equal(x[at, :, columns:] > 0, missing[window], err_msg=name)
            for column in range(columns):
                given = np.flatnonzero(~missing[window, column])
                last = given[-1] + 1  # lines between given values are the values themselves
                np.testing.assert_allclose(shown[at, :last, column], values[window, column][:last], atol=1e-3)
            target = np.where(missing[ahead], np.nan, values[ahead]).ravel()
            np.testing.assert_allclose(split.target[at].numpy(), target)
            count += 1
    filled = series(path=path, window=12, horizon=3, calendar=False)
    assert count > 1.3 * sum(map(len, filled.splits.values()))


def test_a_missing_value_at_the_end_of_a_window_rests_on_what_is_before_it_alone() -> None:
    rng = np.random.default_rng(0)
    values = np.zeros(600)
    for step in range(1, 600):
        values[step] = 0.9 * values[step - 1] + rng.normal()
    missing = rng.random(600) < 0.2
    filler = GapFiller.fit([(values[:, None], missing[:, None])], window=8)
    filled = filler.fill(values[:, None], missing[:, None])[:, 0]
    for step in np.flatnonzero(missing)[1::20].tolist():
        hidden = np.concatenate([values[:step], np.full(600 - step, 1e6)])
        again = filler.fill(hidden[:, None], missing[:, None])[:, 0]
        assert again[step] == filled[step] != values[step]
    np.testing.assert_array_equal(filled[~missing], values[~missing])
    alone = missing & ~np.roll(missing, 1)
    alone[0] = False
    held = np.abs(np.roll(values, 1) - values)[alone].mean()
    assert np.abs(filled - values)[alone].mean() < held
    older = GapFiller(np.empty((1, 0)))  # of runs that repeated the last value
    assert older.fill(np.array([[1.0], [5.0], [6.0]]), np.array([[False], [True], [True]])).tolist() == [[1.0]] * 3


def test_missing_steps_count_in_no_loss_and_no_metric(dltrain: Callable, tmp_path: Path) -> None:
    path, *_ = with_gaps(tmp_path, columns=2)
    options = (f"data.path={path}", "data.gaps=mask", "data.horizon=3", "data.window=12", "trainer.epochs=2")
    called = dltrain("data=series", *options, "hydra.run.dir=run")
    assert called.code == 0, called.err
    result = called.result
    assert all(np.isfinite(value) for value in result["test"].values())
    assert all(np.isfinite(value) for one in result["baseline"].values() for value in one.values())
    table = pd.read_csv(called.run.predictions)
    assert 0.05 < table["true_v0"].isna().mean() < 0.2
    assert table["predicted_v0"].notna().all()
    error = (table["predicted_v0"] - table["true_v0"]).abs().mean()
    assert result["outputs"]["v0"]["mae"] == pytest.approx(error, rel=1e-4)
    assert "told the model of" in called.out
    assert "cannot be drawn" not in called.out + called.err
    assert "is left out" not in called.out + called.err
    plots = {plot.stem for plot in called.run.plots.glob("*.png")}
    assert {"forecasts", "worst_forecasts", "predicted_against_true"} <= plots
    evaluated = dltrain("evaluate", "run", f"data.path={path}", "--json")
    assert evaluated.code == 0, evaluated.err
    ahead = dltrain("predict", "run", "--steps", "4")
    assert ahead.code == 0, ahead.err
    same = dltrain("predict", "run", path, "--steps", "4")
    assert same.out.splitlines()[:2] == ahead.out.splitlines()[:2]


def test_a_panel_with_gaps_is_trained_in_the_scale_of_each_series(dltrain: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    days = pd.date_range("2024-01-01", periods=90)
    parts = []
    for name, size in (("a", 1.0), ("b", 1000.0)):
        y = size * (5 + np.sin(2 * np.pi * np.arange(90) / 7) + rng.normal(0, 0.05, 90))
        y[rng.choice(np.arange(1, 89), 8, replace=False)] = np.nan
        parts.append(pd.DataFrame({"unique_id": name, "ds": days, "y": y}))
    pd.concat(parts).to_csv(tmp_path / "panel.csv", index=False)
    options = ("data.path=panel.csv", "data.gaps=mask", "data.horizon=2", "data.window=14", "baseline=none")
    called = dltrain("data=series", *options, "model=dlinear", "data.test_steps=20")
    assert called.code == 0, called.err
    assert called.result["test"]["mase"] < 1.5
    assert called.result["train"]["loss"] < 0.1


def test_a_model_that_knows_of_gaps_is_no_worse_than_one_of_filled_values(dltrain: Callable, tmp_path: Path) -> None:
    frame = generate_series(1200, 0)
    name = frame.columns[1]
    rng = np.random.default_rng(0)
    missing = rng.random(1200) < MISSING
    missing[[0, -1]] = False
    frame.loc[missing, name] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    errors = {}
    for gaps in ("interpolate", "mask"):
        run = f"hydra.run.dir={gaps}"
        options = ("data.path=gaps.csv", "data.window=48", "data.calendar=false", "baseline=none", "trainer.epochs=2")
        candidates = "model.candidates=[ridge,dlinear]"
        assert dltrain("data=series", *options, candidates, f"data.gaps={gaps}", run).code == 0
        table = pd.read_csv(tmp_path / gaps / "predictions.csv").dropna().set_index("time")
        errors[gaps] = (table["predicted"] - table["true"]) ** 2
    both = errors["mask"].index.intersection(errors["interpolate"].index)
    assert len(errors["mask"]) > 1.1 * len(both) > 100
    assert errors["mask"][both].mean() < 1.02 * errors["interpolate"][both].mean()


def test_a_longer_gap_is_no_error_where_the_model_knows(tmp_path: Path) -> None:
    times = pd.date_range("2026-01-01", periods=200, freq="h")
    frame = pd.DataFrame({"time": times, "v": np.sin(np.arange(200.0))}).drop(index=range(50, 80))
    frame.to_csv(tmp_path / "long.csv", index=False)
    data = series(path=str(tmp_path / "long.csv"), window=10, horizon=2, gaps="mask", calendar=False)
    first = np.concatenate([split.times.first for split in data.splits.values() if split.times is not None])
    assert not (set(range(60, 80)) & set(first.tolist()))  # windows without any value
    assert torch.cat([split.target for split in data.splits.values()]).isfinite().any(dim=1).all()


@pytest.mark.parametrize("gaps", ["interpolate", "mask"])
def test_whole_numbers_with_gaps_are_forecast_whole_and_not_negative_however_far(
    dltrain: Callable, tmp_path: Path, gaps: str
) -> None:
    rng = np.random.default_rng(2)
    sold = rng.poisson(14, 200).astype(float)
    sold[rng.choice(np.arange(5, 195), 20, replace=False)] = np.nan
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=200), "sold": sold})
    frame.to_csv(tmp_path / "s.csv", index=False)
    options = (f"data.path={tmp_path}/s.csv", f"data.gaps={gaps}", "data.horizon=3", "model=dlinear")
    called = dltrain("data=series", *options, "trainer.epochs=2", "hydra.run.dir=run")
    assert called.code == 0, called.err
    ahead = dltrain("predict", "run", "--steps", "60")
    assert ahead.code == 0, ahead.err
    table = pd.read_csv(StringIO(ahead.out))[["predicted", "low", "high"]]
    assert (table == table.round()).all(axis=None)
    assert (table.iloc[-1]["high"] - table.iloc[-1]["low"]) > 12
    assert (table >= 0).all(axis=None)

"""Runs of series as forecasters have them: their tables, what they predict, and what they refuse."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltrain.inference.load import load

FEW = ("baseline=none", "trainer.epochs=3")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def dates(count: int) -> list[str]:
    return pd.date_range("2022-01-01", periods=count).strftime("%Y-%m-%d").tolist()


def panel(count: int = 80) -> pd.DataFrame:
    """Three series of integers above zero, of very different size."""
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": dates(count),
                "y": np.round(size * (5 + np.sin(2 * np.pi * np.arange(count) / 7) + rng.normal(0, 0.1, count))),
            }
        )
        for name, size in (("=sum", 1), ("b", 100), ("c", 10_000))
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_prediction_has_the_time_that_it_is_for(dltrain: Callable, tmp_path: Path) -> None:
    table = pd.DataFrame({"ds": dates(150), "y": 10.0 + np.arange(150) % 7})
    table.to_csv(tmp_path / "week.csv", index=False)
    called = dltrain("data=series", "data.path=week.csv", "hydra.run.dir=run", *FEW)
    assert called.code == 0
    truth = dict(zip(table["ds"], table["y"], strict=True))
    rows = rows_of(called.run.predictions.read_text("utf-8"))
    assert list(rows[0]) == ["time", "true", "predicted", "low", "high"]
    assert [row["time"] for row in rows] == dates(150)[-30:]
    assert all(float(row["true"]) == truth[row["time"]] for row in rows)
    predicted = rows_of(dltrain("predict", "run", "week.csv").out)
    assert predicted[-1]["time"] == "2022-05-31"  # the day after the last
    by_time = {row["time"]: float(row["predicted"]) for row in predicted}
    assert all(by_time[row["time"]] == pytest.approx(float(row["predicted"]), rel=1e-5) for row in rows)
    ahead = rows_of(dltrain("predict", "run", "--steps", "1").out)
    assert ahead[0]["time"] == "2022-05-31"
    assert float(ahead[0]["predicted"]) == pytest.approx(by_time["2022-05-31"], rel=1e-5)


def test_a_panel_is_forecast_with_the_names_of_its_series(dltrain: Callable, tmp_path: Path) -> None:
    panel().to_csv(tmp_path / "m.csv", index=False)
    called = dltrain("data=series", "data.path=m.csv", "data.horizon=3", "hydra.run.dir=run")
    assert called.code == 0
    truth = {(row.unique_id, row.ds): row.y for row in panel().itertuples()}
    rows = rows_of(called.run.predictions.read_text("utf-8"))
    assert list(rows[0]) == ["series", "time", "origin", "step", "true", "predicted", "low", "high"]
    assert all(float(row["true"]) == truth[row["series"].lstrip("'"), row["time"]] for row in rows)
    assert {row["series"] for row in rows} == {"'=sum", "b", "c"}
    origins = pd.to_datetime([row["origin"] for row in rows])
    steps = pd.to_timedelta([int(row["step"]) for row in rows], unit="D")
    assert (origins + steps == pd.to_datetime([row["time"] for row in rows])).all()

    result = called.result
    assert list(result["metrics"]) == ["mase"]  # which is shown first
    assert result["test"]["mase"] < min(line["mase"] for name, line in result["baseline"].items() if name != "ridge")
    error = {}
    for name, state in zip(("=sum", "b", "c"), load(tmp_path / "run").encoder.states, strict=True):
        mine = [row for row in rows if row["series"].lstrip("'") == name]
        errors = [abs(float(row["predicted"]) - float(row["true"])) for row in mine]
        error[name] = (np.mean(errors) / state.naive[0, 0], len(mine))
    expected = sum(mean * count for mean, count in error.values()) / sum(count for _, count in error.values())
    assert result["test"]["mase"] == pytest.approx(expected, rel=1e-4)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "MASE" in page.split("Key numbers")[0]
    assert "The series with the largest errors first" in page

    every = rows_of(dltrain("predict", "run", "m.csv").out)
    assert [row["series"] for row in every[:: len(every) - 1]] == ["'=sum", "c"]
    assert every[-1]["time"] == "2022-03-24"
    ahead = rows_of(dltrain("predict", "run", "--steps", "4").out)
    assert [row["series"] for row in ahead[3::4]] == ["'=sum", "b", "c"]
    assert {row["time"] for row in ahead[3::4]} == {"2022-03-25"}
    assert all(float(row["low"]) <= float(row["predicted"]) <= float(row["high"]) for row in ahead)
    other = panel()[lambda t: t["unique_id"] == "b"].assign(unique_id="new")
    other.to_csv(tmp_path / "new.csv", index=False)
    said = dltrain("predict", "run", "new.csv", "--steps", "1")
    assert "series new: new" in said.err
    assert 300 < float(rows_of(said.out)[0]["predicted"]) < 700

    evaluated = dltrain("evaluate", "run", "data.path=m.csv", "--json")
    assert evaluated.code == 0
    assert json.loads(evaluated.out)["interval"]["measure"] == "mase"
    groups = dltrain("evaluate", "run", "data.path=m.csv", "--slices", "series", "--json")
    assert [group["name"] for group in json.loads(groups.out)["groups"]] == ["=sum", "b", "c"]
    assert dltrain("evaluate", "run", "data.path=m.csv", "--slices", "unique_id").code == 2
    assert dltrain("evaluate", "run").code == 0
    assert dltrain("export", "run", "--format", "torch-export").code == 0
    epochs = result["epochs"] + 1
    assert dltrain("resume", "run", f"trainer.epochs={epochs}").code == 0


def test_whole_numbers_above_zero_are_forecast_so(dltrain: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    units = np.where(rng.random(300) < 0.8, 0, rng.poisson(3, 300) + 1)
    table = pd.DataFrame({"date": dates(300), "units": units, "visits": 200 + 20 * (np.arange(300) % 7) + units})
    table.to_csv(tmp_path / "u.csv", index=False)
    few = dltrain("data=series", "data.path=u.csv", "data.target=units", *FEW)
    assert not any("season" in note for note in json.loads(few.run.facts.read_text("utf-8"))["notes"])
    rows = rows_of(few.run.predictions.read_text("utf-8"))
    assert min(float(row["predicted"]) for row in rows) >= 0
    assert all(float(row[end]) % 1 == 0 and float(row[end]) >= 0 for row in rows for end in ("low", "high"))
    many = dltrain("data=series", "data.path=u.csv", "data.target=visits", "hydra.run.dir=many", *FEW)
    assert many.code == 0
    rows = rows_of((tmp_path / "many" / "predictions.csv").read_text("utf-8"))
    assert all(float(row["predicted"]) % 1 == 0 for row in rows)


def test_no_headline_averages_dollars_and_shares(dltrain: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    close = 100 + rng.normal(0, 1, 200).cumsum()
    frame = pd.DataFrame({"Date": dates(200), "Close": close.round(2), "Volume": rng.integers(10**7, 4 * 10**7, 200)})
    frame.to_csv(tmp_path / "ACME.csv", index=False)
    called = dltrain("data=series", "data.path=ACME.csv", "trainer.epochs=3")
    assert not {"rmse", "mae", "mse"} & set(called.result["test"])
    assert {"mase", "rmsse"} <= set(called.result["test"])
    assert called.result["outputs"]["Close"]["rmse"] < 100
    assert "test/mase" in dltrain("runs").out


def test_intervals_hold_about_as_often_as_they_say(dltrain: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    season = 10 * np.sin(2 * np.pi * np.arange(600) / 7)
    pd.DataFrame({"ds": dates(600), "y": season + rng.normal(0, 2, 600)}).to_csv(tmp_path / "s.csv", index=False)
    called = dltrain("data=series", "data.path=s.csv", "data.horizon=3", "trainer.epochs=40", "hydra.run.dir=run")
    rows = rows_of(called.run.predictions.read_text("utf-8"))
    held = np.mean([float(row["low"]) <= float(row["true"]) <= float(row["high"]) for row in rows])
    assert 0.82 <= held <= 0.97
    assert called.result["certainty"]["measured"]["coverage"] == pytest.approx(held, abs=0.01)
    assert "Intervals of 90 % hold" in called.run.report.read_text("utf-8")
    narrow, wide = (rows_of(dltrain("predict", "run", "s.csv", "--interval", level).out) for level in ("0.5", "0.95"))
    assert float(narrow[0]["high"]) < float(wide[0]["high"])


def test_a_promotion_that_is_known_is_forecast(dltrain: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    promo = (rng.random(403) < 0.15).astype(int)
    sales = (100 + 60 * promo + 5 * np.sin(2 * np.pi * np.arange(403) / 7) + rng.normal(0, 2, 403)).round(1)
    table = pd.DataFrame({"date": dates(403), "sales": sales.astype(object), "promo": promo})
    table.loc[400:, "sales"] = ""
    table.to_csv(tmp_path / "p.csv", index=False)
    table[:400].to_csv(tmp_path / "now.csv", index=False)
    options = ("data=series", "data.target=sales", "data.known=[promo]", "hydra.run.dir=run")
    called = dltrain(*options, "data.path=now.csv")
    assert called.result["test"]["rmse"] < 2.6
    assert called.result["baseline"]["last_value"]["rmse"] > 20
    refused = dltrain("predict", "run", "--steps", "1")
    assert refused.code == 2
    assert "no value of promo is given for 2023-02-05, and a forecast needs it" in refused.err
    ahead = rows_of(dltrain("predict", "run", "p.csv", "--steps", "3").out)
    assert [row["time"] for row in ahead] == ["2023-02-05", "2023-02-06", "2023-02-07"]
    for row, sold in zip(ahead, sales[400:], strict=True):
        assert float(row["predicted"]) == pytest.approx(sold, abs=9)

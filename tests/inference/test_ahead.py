"""Forecasts and recommendations from a run folder alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import DataError
from dltrain.inference.load import load
from dltrain.kinds.series.forecast import forecast


def line(rows: int = 90) -> pd.DataFrame:
    """A straight line by months, which a linear model of the window can go on with exactly."""
    times = pd.date_range("2001-01-01", periods=rows, freq="MS").strftime("%Y-%m")
    return pd.DataFrame({"Month": times, "Sales": 100.0 + 5 * np.arange(rows)})


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_forecast_goes_on_from_the_end_of_the_series(dltrain: Callable, tmp_path: Path) -> None:
    line().to_csv(tmp_path / "line.csv", index=False)
    options = ("data=series", "data.path=line.csv", "data.window=6", "data.horizon=3", "trainer.epochs=150")
    assert dltrain(*options, "baseline=none", "hydra.run.dir=run").code == 0
    (tmp_path / "line.csv").unlink()  # the run folder is enough
    called = dltrain("predict", "run", "--steps", "8")
    assert called.code == 0
    found = rows_of(called.out)
    assert [row["time"] for row in found] == [f"2008-{month:02}" for month in range(7, 13)] + ["2009-01", "2009-02"]
    np.testing.assert_allclose([float(row["predicted"]) for row in found], 100 + 5 * np.arange(90, 98), rtol=0.02)
    assert "beyond its training horizon of 3" in called.err

    line(40).to_csv(tmp_path / "other.csv", index=False)
    found = rows_of(dltrain("predict", "run", "other.csv", "--steps=2").out)
    assert [row["time"] for row in found] == ["2004-05", "2004-06"]
    np.testing.assert_allclose([float(row["predicted"]) for row in found], [300, 305], rtol=0.02)
    answer = json.loads(dltrain("predict", "run", "--steps", "1", "--json").out)
    assert answer["predictions"][0]["time"] == "2008-07"

    every = rows_of(dltrain("predict", "run", "other.csv").out)  # three steps of each window
    assert [row["time"] for row in every[:3]] == ["2001-07", "2001-08", "2001-09"]
    assert list(every[0]) == ["time", "origin", "step", "predicted", "low", "high", "remarks"]
    last = every[-3]
    assert (last["time"], last["origin"], last["step"]) == ("2004-05", "2004-04", "1")
    assert float(last["predicted"]) == pytest.approx(300, rel=0.02)
    model = load(tmp_path / "run")
    frame, remarks = forecast(model, 5, line(40)["Sales"].to_numpy())
    assert len(frame) == 5
    assert "beyond its training horizon of 3" in remarks[0]
    with pytest.raises(DataError, match="5 steps are fewer than the window of 6"):
        forecast(model, 5, line(5))
    for wrong in (("--steps", "0"), ("--user", "1"), ("--top", "3")):
        assert dltrain("predict", "run", *wrong).code == 2


def test_recommendations_hold_nothing_that_was_rated(dltrain: Callable, tmp_path: Path) -> None:
    frame = generate_ratings(600, 0)
    frame.to_csv(tmp_path / "r.csv", index=False)
    (tmp_path / "t.csv").write_text("item,title\ni1,=First\n", encoding="utf-8")
    options = ("data=ratings", "data.path=r.csv", "data.titles=t.csv", "trainer.epochs=3", "hydra.run.dir=run")
    assert dltrain(*options).code == 0
    for name in ("r.csv", "t.csv"):
        (tmp_path / name).unlink()
    for user in frame["user"].unique()[:15]:
        found = rows_of(dltrain("predict", "run", "--user", user, "--top", "20").out)
        assert len(found) == 20
        assert not {row["item"] for row in found} & set(frame.loc[frame["user"] == user, "item"])
        said = [float(row["predicted"]) for row in found]
        assert said == sorted(said, reverse=True)
        assert 1 <= min(said) <= max(said) <= 5
    stranger = dltrain("predict", "run", "--user", "nobody", "--top", "3")
    assert stranger.code == 0
    assert len(rows_of(stranger.out)) == 3
    assert "user nobody is new" in stranger.err
    shown = (tmp_path / "run" / "recommendations.csv").read_text("utf-8")
    assert {row["user"] for row in rows_of(shown)} <= set(frame["user"])
    assert ",=First" not in shown
    assert dltrain("predict", "run", "--steps", "3").code == 2


def test_new_pairs_are_predicted_and_strangers_remarked(dltrain: Callable, tmp_path: Path) -> None:
    frame = generate_ratings(600, 0)
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert dltrain("data=ratings", "data.path=r.csv", "trainer.epochs=3", "hydra.run.dir=run").code == 0
    asked = pd.DataFrame({"item": [frame["item"][0], "never"], "user": [frame["user"][0], "nobody"]})
    asked.to_csv(tmp_path / "asked.csv", index=False)
    called = dltrain("predict", "run", "asked.csv")
    known, strange = rows_of(called.out)
    assert known["remarks"] == ""
    assert strange["remarks"] == "user new: nobody; item new: never"
    mean = load(tmp_path / "run").facts.target_mean
    assert float(strange["predicted"]) == pytest.approx(mean, rel=1e-5)

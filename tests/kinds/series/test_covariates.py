"""What is given beside the values: known ahead, observed, and the calendar."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_series
from dltrain.errors import ConfigError, DataError
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.load import series
from dltrain.types import Data

STEPS, AHEAD = 200, 4


def shop(ahead: int = AHEAD) -> pd.DataFrame:
    """Daily sales that a promotion and an event raise, and rows after them that have no sales yet."""
    rng = np.random.default_rng(0)
    count = STEPS + ahead
    promo, event = (rng.random(count) < 0.2).astype(int), np.where(rng.random(count) < 0.1, "fair", "")
    sales = 100 + 40 * promo + 30 * (event == "fair") + 5 * np.sin(2 * np.pi * np.arange(count) / 7)
    sales = (sales + rng.normal(0, 1, count)).round(2).astype(object)
    sales[STEPS:] = ""
    dates = pd.date_range("2022-01-01", periods=count).strftime("%Y-%m-%d")
    return pd.DataFrame({"date": dates, "sales": sales, "promo": promo, "event": event, "price": np.arange(count) % 5})


def load(frame: pd.DataFrame, folder: Path, **options: Any) -> Data:
    frame.to_csv(folder / "s.csv", index=False)
    return series(path=str(folder / "s.csv"), **({"target": "sales"} | options))


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    notes = load(shop(), tmp_path).notes
    assert any("not used: promo, event, price (data.known" in note for note in notes)
    assert not any(
        "not used" in note for note in load(shop(), tmp_path, known=["promo", "event"], observed="price").notes
    )
    with pytest.raises(DataError, match="no column 'promos'") as refused:
        load(shop(), tmp_path, known="promos")
    assert refused.value.override == "data.known=promo"


def test_what_is_known_ahead_is_seen_in_the_horizon_and_what_is_observed_only_before(tmp_path: Path) -> None:
    data = load(shop(), tmp_path, known=["promo", "event"], observed="price", window=5, horizon=3, calendar=False)
    frame, split = shop(), data.splits["test"]
    assert data.facts.input_shape == (8, 4)  # sales, price, promo and event=fair
    row = frame["date"].tolist().index(split.ids[0])
    window = split.inputs[0][0].numpy()
    assert np.abs(window[5:, :2]).max() == 0
    given = np.stack([frame["promo"], frame["event"] == "fair"], axis=1).astype(float)[row - 5 : row + 3]
    encoder = WindowEncoder.of(data.facts)
    np.testing.assert_allclose(window[:, 2:] * encoder.spread[1:] + encoder.center[1:], given, atol=1e-6)
    price = window[:5, 1] * encoder.spread[0] + encoder.center[0]
    np.testing.assert_allclose(price, frame["price"][row - 5 : row], atol=1e-5)


def test_a_horizon_without_its_covariates_says_which_rows_are_missing(tmp_path: Path) -> None:
    encoder = WindowEncoder.of(load(shop(), tmp_path, known=["promo", "event"], horizon=3).facts)
    whole = encoder.encode(shop())
    assert whole.ids[-1] == "2022-07-20"
    assert whole.remarks[-1] == ()
    hole = encoder.encode(shop().drop(index=[STEPS + 1]))
    assert hole.ids[-1] == "2022-07-18"  # whose horizon lies within the sales
    assert "is given for 2022-07-21" in str(hole.remarks[-1][0])
    with pytest.raises(DataError, match="no value of promo, event is given for 2022-07-20 to 2022-07-22") as refused:
        encoder.encode(shop(0).tail(encoder.window))
    assert "append a row for each of these times, with promo, event and without sales" in refused.value.fix
    with pytest.raises(DataError, match="no column 'promo', which the model needs"):
        encoder.encode(shop().drop(columns="promo"))


def test_the_calendar_is_an_input_where_a_window_does_not_show_it(tmp_path: Path) -> None:
    def cycles(**options: Any) -> tuple[str, ...]:
        return WindowEncoder.of(load(shop(0), tmp_path, **options).facts).calendar.cycles

    assert cycles(window=5) == ("weekday",)
    assert cycles(window=14) == ()
    assert cycles(window=14, known="promo") == ("weekday",)  # promotions hide the week in the window
    assert cycles(window=5, calendar=False) == ()
    assert cycles(window=14, calendar=["month"]) == ("month",)
    generate_series(400, 0).to_csv(tmp_path / "h.csv", index=False)
    assert WindowEncoder.of(series(path=str(tmp_path / "h.csv"), window=12).facts).calendar.cycles == ("hour",)
    with pytest.raises(ConfigError, match="needs times that are dates") as refused:
        load(shop(0).drop(columns="date"), tmp_path, calendar=True)
    assert refused.value.override == "data.calendar=false"


def test_holidays_are_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("holidays")
    package.list_supported_countries = lambda: {"DE": []}  # type: ignore[attr-defined]
    package.country_holidays = lambda country, years: {pd.Timestamp("2022-05-01").date()}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "holidays", package)
    data = load(shop(0), tmp_path, holidays="DE", calendar=False, window=7)
    split = data.splits["train"]
    assert split.inputs[0][:, -1, -1].nonzero().flatten().tolist() == [split.ids.index("2022-05-01")]
    with pytest.raises(ConfigError, match="no country 'Atlantis'"):
        load(shop(0), tmp_path, holidays="Atlantis")
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match="needs, is not installed"):
        load(shop(0), tmp_path, holidays="DE")


def test_what_is_read_back_encodes_covariates_as_training_did(tmp_path: Path) -> None:
    data = load(shop(), tmp_path, known=["promo", "event"], observed="price", window=5, horizon=2)
    encoded = WindowEncoder.of(data.facts).encode(shop())
    place = {name: position for position, name in enumerate(encoded.ids)}
    for split in data.splits.values():
        assert torch.equal(encoded.inputs[0][[place[name] for name in split.ids]], split.inputs[0])

"""Dates as inputs: the calendar's cycles, the days since the first date, and gaps."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from dltrain.data.cells import Cells, read_cells
from dltrain.data.date_format import DateFormat
from dltrain.data.dates import infer_cells
from dltrain.kinds.table.calendar import CalendarEncoder, calendar_features


def cells_of(texts: object) -> Cells:
    return read_cells(pd.Series(texts, dtype=object))


def fit(texts: object) -> CalendarEncoder:
    cells = cells_of(texts)
    form = infer_cells(cells)
    assert isinstance(form, DateFormat)
    return CalendarEncoder.fit("when", cells, form)


def test_features_follow_the_calendar() -> None:
    moments = np.array(["2024-01-01", "2024-01-06T12:00", "2025-01-01", "NaT"], "datetime64[us]")
    names, values = calendar_features(moments)
    of = dict(zip(names, values.T.tolist(), strict=True))
    assert of["year"][:3] == [2024, 2024, 2025]
    assert of["days since"][:3] == [0, 5.5, 366]
    assert of["weekend"][:3] == [0, 1, 0]
    np.testing.assert_allclose([of["hour cos"][0], of["hour cos"][1]], [1, -1], atol=1e-6)
    np.testing.assert_allclose([of["day of year cos"][0], of["day of year cos"][2]], [1, 1])
    np.testing.assert_allclose(of["weekday sin"][:3], np.sin(2 * np.pi * np.array([0, 5, 2]) / 7), atol=1e-6)
    assert np.isnan(values[3]).all()
    assert calendar_features(moments, np.datetime64("2023-12-31", "us"))[1][0, names.index("days since")] == 1


def test_a_linear_model_finds_a_trend_and_any_weekday_in_the_inputs() -> None:
    dates = pd.date_range("2024-01-01", periods=400)
    encoder = fit(dates.strftime("%d/%m/%Y"))
    x = encoder.encode(cells_of(dates.strftime("%d/%m/%Y")))
    y = 0.1 * np.arange(400) + np.array([3.0, -1, 4, 1, -5, 9, 2])[dates.day_of_week]
    weights = np.linalg.lstsq(np.c_[x, np.ones(400)], y, rcond=None)[0]
    np.testing.assert_allclose(np.c_[x, np.ones(400)] @ weights, y, atol=1e-3)


def test_what_does_not_vary_is_left_out() -> None:
    days = fit(pd.date_range("2024-01-01", periods=30).astype(str)).features
    assert "when year" not in days and not any("hour" in name for name in days)
    assert {"when weekday sin", "when weekend", "when days since"} <= set(days)
    hours = fit(pd.date_range("2023-12-30", periods=100, freq="h").astype(str)).features
    assert {"when year", "when hour sin"} <= set(hours)
    years = fit([f"{year}-01-01" for year in range(2010, 2017)]).features
    assert not any("day of" in name for name in years)


def test_inputs_of_new_rows_have_the_scale_and_the_reading_of_the_training() -> None:
    texts = pd.date_range("2024-01-01", periods=60).strftime("%d/%m/%Y").tolist()
    encoder = fit(texts)
    stored = json.loads(json.dumps(encoder.to_json()))
    again = CalendarEncoder.from_json(stored)
    assert again == encoder
    x = encoder.encode(cells_of(texts))
    assert x.shape == (60, len(encoder.features)) and x.dtype == np.float32
    since = encoder.features.index("when days since")
    assert abs(x[:, since].mean()) < 1e-6 and x[:, since].std() == pytest.approx(1)
    np.testing.assert_array_equal(again.encode(cells_of(["05/02/2024"])), x[35:36])
    np.testing.assert_array_equal(again.encode(cells_of(["2024-02-05"])), x[35:36])
    with pytest.raises(TypeError):
        CalendarEncoder.from_json({**stored, "surprise": 1})


def test_gaps_have_an_input_only_if_training_had_some() -> None:
    texts = ["2024-01-01", "", "2024-03-05", "2024-07-09"]
    gaps = fit(texts)
    x = gaps.encode(cells_of(texts))
    assert gaps.features[-1] == "when missing"
    assert x[:, -1].tolist() == [0, 1, 0, 0]
    assert not x[1, :-1].any()
    assert len(gaps.measured) == len(gaps.features)
    assert "when missing" not in fit(["2024-01-01", "2024-03-05"]).features


def test_odd_cells_are_found() -> None:
    encoder = fit(pd.date_range("2024-01-01", "2024-12-31").astype(str))
    new = cells_of(["2024-05-05", "soon", "", "2025-01-01", "05/05/2024"])
    odd = {oddity.what: np.flatnonzero(oddity.rows).tolist() for oddity in encoder.find_oddities(new)}
    assert odd == {
        "when is no date as in training": [1, 4],
        "when outside 2024-01-01 to 2024-12-31": [3],
        "when missing": [2],
    }
    assert not encoder.encode(new)[[1, 2, 4]].any()


def test_hours_are_those_of_the_clock_where_the_row_was_written() -> None:
    texts = [
        f"2024-{month}-05 {hour:02}:00:00{zone}"
        for month, zone in (("01", "+01:00"), ("07", "+02:00"))
        for hour in range(24)
    ]
    encoder = fit(texts)
    x = encoder.encode(cells_of(texts))
    hour = encoder.features.index("when hour sin")
    np.testing.assert_array_equal(x[:24, hour], x[24:, hour])

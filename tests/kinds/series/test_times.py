"""The time of a forecast is that of the file, whatever way times are written; what cannot be spaced is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from series_tables import days, encoder_of, load, next_times, wave

from dltrain.errors import DataError
from dltrain.kinds.series.period import guess_period


def spells(count: int, template: str) -> list[str]:
    return [template.format(y=2000 + at // 4, q=at % 4 + 1) for at in range(count)]


@pytest.mark.parametrize(
    ("times", "unit", "after"),
    [
        (spells(60, "{q}-{y}"), "months", "1-2015"),
        (spells(60, "{y}Q{q}"), "months", "2015Q1"),
        (spells(60, "Q{q}-{y}"), "months", "Q1-2015"),
        (spells(60, "{y}-Q{q}"), "months", "2015-Q1"),
        (days("2015-01-05", 60, "%G-W%V", "W-MON"), "seconds", "2016-W09"),
        (days("1949-01-01", 60, "%b-%y", "MS"), "months", "Jan-54"),
        (days("1949-01-01", 60, "%YM%m", "MS"), "months", "1954M01"),
        ([f"{1 + at // 12}-{at % 12 + 1:02}" for at in range(36)], "numbers", "4-01"),
        ([f"{t.month}/{t.day}/{t:%y}" for t in pd.date_range("2022-01-03", periods=60)], "seconds", "3/4/22"),
        ([str(1640995200 + 3600 * at) for at in range(60)], "seconds", "1641211200"),
        ([str(1640995200000 + 3600000 * at) for at in range(60)], "seconds", "1641211200000"),
        ([f"V{at}" for at in range(2, 62)], "numbers", "V62"),
        (
            [f"Week {t.week} {t:%G}" for t in pd.date_range("2020-01-06", periods=60, freq="7D")],
            "seconds",
            "Week 9 2021",
        ),
    ],
)
def test_a_time_is_given_as_the_file_writes_it(times: list[str], unit: str, after: str, tmp_path: Path) -> None:
    data = load(pd.DataFrame({"when": times, "v": wave(len(times))}), tmp_path, time="when", calendar=False)
    assert encoder_of(data).axis.unit == unit
    assert next_times(data) == [after]
    held_out = data.splits["test"]
    truth = dict(zip(times, wave(len(times)).tolist(), strict=True))
    assert held_out.target.flatten().tolist() == [truth[name] for name in held_out.ids]


def test_seconds_since_1970_stay_what_they_are_where_they_are_dates(tmp_path: Path) -> None:
    times = [1640995200 + 3600 * at for at in range(80)]
    data = load(pd.DataFrame({"t": times, "v": wave(80)}), tmp_path, dates="unix", time="t")
    assert encoder_of(data).axis.unit == "seconds"
    assert next_times(data) == [str(1640995200 + 3600 * 80)]


def test_offsets_that_change_are_kept_and_the_next_time_is_later(tmp_path: Path) -> None:
    hours = pd.date_range("2021-10-20", "2021-11-10", freq="h", tz="Europe/Berlin")
    written = [f"{time:%Y-%m-%d %H:%M:%S}{str(time)[-6:]}" for time in hours]
    data = load(pd.DataFrame({"time": written, "load": wave(len(hours), 24)}), tmp_path)
    assert any("offsets +01:00 and +02:00; later times are given with +01:00" in note for note in data.notes)
    assert data.splits["test"].ids[-1] == written[-1]
    assert next_times(data, 2) == ["2021-11-10 01:00:00+01:00", "2021-11-10 02:00:00+01:00"]
    assert pd.Timestamp(next_times(data)[0]) - pd.Timestamp(written[-1]) == pd.Timedelta("1h")


def test_days_at_midnight_stay_days_where_clocks_change(tmp_path: Path) -> None:
    times = pd.date_range("2021-09-01", "2021-12-01", freq="D", tz="Europe/Berlin")
    written = [f"{time:%Y-%m-%d %H:%M:%S}{str(time)[-6:]}" for time in times]
    data = load(pd.DataFrame({"time": written, "v": wave(len(times))}), tmp_path)
    assert (encoder_of(data).axis.step, next_times(data)) == (86_400, ["2021-12-02 00:00:00+01:00"])


def test_an_hour_that_comes_twice_is_explained_and_averaged_if_that_is_wanted(tmp_path: Path) -> None:
    hours = pd.date_range("2021-10-20", "2021-11-10", freq="h", tz="Europe/Berlin").tz_localize(None)
    frame = pd.DataFrame({"time": hours.strftime("%Y-%m-%d %H:%M"), "load": wave(len(hours), 24)})
    with pytest.raises(DataError, match="two rows have the time 2021-10-31 02:00") as refused:
        load(frame, tmp_path)
    assert "clocks were set back" in refused.value.fix
    assert refused.value.override == "data.repeats=mean"
    for repeats, value in (("mean", frame["load"][266:268].mean()), ("first", frame["load"][266])):
        data = load(frame, tmp_path, repeats=repeats, window=24, calendar=False)
        train = data.splits["train"]
        assert train.target[train.ids.index("2021-10-31 02:00")].item() == pytest.approx(value)


def test_a_history_of_another_step_is_refused(tmp_path: Path) -> None:
    hourly = pd.DataFrame({"time": days("2021-01-01", 400, "%Y-%m-%d %H:%M", "h"), "load": wave(400, 24)})
    encoder = encoder_of(load(hourly, tmp_path))
    for step, words in ((3, "3 hours"), (24, "1 day")):
        rows = pd.DataFrame({"time": days("2021-02-01", 120, "%Y-%m-%d %H:%M", f"{step}h"), "load": wave(120)})
        for use in (encoder.encode, encoder.targets):
            with pytest.raises(DataError, match=f"these rows are {words} apart, and .* steps of 1 hour"):
                use(rows)
    assert len(encoder.encode(hourly[100:].drop(index=[150]))) > 200


def test_rows_that_are_mostly_further_apart_are_refused(tmp_path: Path) -> None:
    chosen = np.sort(np.random.default_rng(0).choice(300, 150, replace=False))
    times = np.array(days("2022-01-01", 300))[chosen]
    with pytest.raises(DataError, match=r"have no value: most rows are further apart") as refused:
        load(pd.DataFrame({"date": times, "v": wave(150)}), tmp_path)
    assert refused.value.override == "data.gaps=ignore"
    assert "data.freq" in refused.value.fix
    assert len(load(pd.DataFrame({"date": times, "v": wave(150)}), tmp_path, gaps="ignore").splits["test"]) == 30


def test_the_step_can_be_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": days("2022-01-03", 90, freq="B"), "v": wave(90)})
    assert next_times(load(frame, tmp_path)) == ["2022-05-09"]  # after Friday comes Monday
    assert next_times(load(frame, tmp_path, freq="D")) == ["2022-05-07"]
    with pytest.raises(DataError, match="is not a whole number of steps") as refused:
        load(frame, tmp_path, freq="W")
    assert "data.freq" in refused.value.fix
    with pytest.raises(DataError, match="'daily' is not the length of a step") as refused:
        load(frame, tmp_path, freq="daily")
    assert refused.value.override == "data.freq=D"


@pytest.mark.parametrize("spelled", ["%H:%M:%S", "%H.%M.%S", "%H"])
def test_a_date_and_a_time_of_day_are_one_time(spelled: str, tmp_path: Path) -> None:
    times = pd.date_range("2006-12-16 17:00", periods=200, freq="h")
    frame = pd.DataFrame({"Date": times.strftime("%d/%m/%Y"), "Time": times.strftime(spelled), "power": wave(200, 24)})
    data = load(frame, tmp_path)
    assert data.facts.preprocessing["axis"]["name"] == "Date Time"
    assert next_times(data)[0].startswith("25/12/2006 01")
    assert encoder_of(data).encode(frame).ids[-1] == next_times(data)[0]


def test_year_month_day_and_hour_are_one_time_and_a_counter_is_no_value(tmp_path: Path) -> None:
    times = pd.date_range("2010-01-01", periods=200, freq="h")
    parts = {name: getattr(times, name) for name in ("year", "month", "day", "hour")}
    data = load(pd.DataFrame({"No": range(1, 201), **parts, "pm": wave(200, 24)}), tmp_path)
    assert data.facts.features == ("pm",)
    assert next_times(data) == ["2010-01-09 08:00"]
    whole = pd.date_range("2019-12-01", periods=100)
    frame = pd.DataFrame({"YEAR": whole.year, "DOY": whole.day_of_year, "v": wave(100)})
    assert next_times(load(frame, tmp_path)) == ["2020-03-10"]
    weeks = pd.date_range("2015-01-05", periods=60, freq="W-MON")
    frame = pd.DataFrame({"year": weeks.strftime("%G"), "week": weeks.strftime("%V"), "v": wave(60)})
    assert next_times(load(frame, tmp_path)) == ["2016-W09"]


def test_the_newest_row_may_come_first(tmp_path: Path) -> None:
    times = days("2022-01-03", 120, "%m/%d/%Y", "B")
    frame = pd.DataFrame({"Date": times, "Close": wave(120, 5)})
    tidy, turned = load(frame, tmp_path), load(frame[::-1], tmp_path)
    assert turned.splits["test"].ids == tidy.splits["test"].ids
    assert any("sorted the rows by Date" in note for note in turned.notes)


def test_closed_days_of_a_market_are_no_gaps(tmp_path: Path) -> None:
    times = pd.date_range("2021-01-04", periods=300, freq="B").delete([30, 31, 90, 155, 200, 270])
    frame = pd.DataFrame({"Date": times.strftime("%Y-%m-%d"), "Close": wave(294, 5)})
    data = load(frame, tmp_path, horizon=20, window=40)
    assert any("closed days, and no gaps: 6" in note for note in data.notes)
    assert sum(len(split) for split in data.splits.values()) == 294 - 40 - 20 + 1 - 2 * 19  # but those across splits
    assert next_times(data, 2) == ["2022-02-28", "2022-03-01"]
    assert encoder_of(data).encode(frame.tail(60)).times.times[-1] == next_times(data, 20)[-1]


def test_white_noise_has_no_season() -> None:
    for usual, draw in (((7, 364), lambda rng: rng.normal(0, 1, 280)), ((7,), lambda rng: rng.poisson(0.3, 280) * 1.0)):
        found = [guess_period(draw(np.random.default_rng(seed)), usual) for seed in range(200)]
        assert sum(period is not None for period in found) <= 10


def test_a_history_is_read_with_the_repeats_of_the_run(tmp_path: Path) -> None:
    hours = pd.date_range("2021-10-20", "2021-11-10", freq="h", tz="Europe/Berlin").tz_localize(None)
    frame = pd.DataFrame({"time": hours.strftime("%Y-%m-%d %H:%M"), "load": wave(len(hours), 24)})
    encoder = encoder_of(load(frame, tmp_path, repeats="first"))
    assert encoder.encode(frame).ids[-1] == "2021-11-10 01:00"


def test_a_part_of_a_date_names_no_series(tmp_path: Path) -> None:
    frame = pd.DataFrame({"year": np.repeat(range(1990, 2020), 6), "two_months": list(range(6)) * 30, "v": wave(180)})
    with pytest.raises(DataError, match="two rows have the time 1990"):
        load(frame, tmp_path, target="v")

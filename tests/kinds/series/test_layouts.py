"""Layouts of tables in which times are parts of the names of columns, or columns are no values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dltrain.errors import DataError
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.load import series
from dltrain.kinds.series.period import guess_period
from dltrain.types import Data

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def wave(count: int, period: int = 12, seed: int = 0) -> np.ndarray:
    """A season with noise, above zero."""
    noise = np.random.default_rng(seed).normal(0, 1, count)
    return (50 + 10 * np.sin(2 * np.pi * np.arange(count) / period) + noise).round(3)


def load(frame: pd.DataFrame, folder: Path, **options: Any) -> Data:
    """Loads a table from a file."""
    path = folder / "s.csv"
    frame.to_csv(path, index=False)
    return series(path=str(path), **options)


def next_time(data: Data) -> str:
    """The time after the end of the first series."""
    encoder = WindowEncoder.of(data.facts)
    ended = encoder.states[0].as_series(encoder.names)
    return ended.spell(len(ended))


def first_values(data: Data, count: int) -> list[float]:
    """The first targets of training after the window."""
    return data.splits["train"].target[:count, 0].tolist()


@pytest.mark.parametrize(
    ("names", "whole", "after"),
    [
        (MONTHS, [*range(1990, 2010)], "2010-01"),
        (["January", "February", "March", "April", "May", "June", "July", "August", "September", *MONTHS[9:]],
         [*range(1990, 2010)], "2010-01"),
        (["Q1", "Q2", "Q3", "Q4"], [*range(1960, 2000)], "2000-Q1"),
        ([f"H{hour}" for hour in range(24)], pd.date_range("2021-02-01", periods=20).strftime("%Y-%m-%d"),
         "2021-02-21 00:00"),
        ([f"HE{hour}" for hour in range(1, 25)], pd.date_range("2021-02-01", periods=20).strftime("%Y-%m-%d"),
         "2021-02-21 01:00"),
        ([f"{at // 2:02}:{at % 2 * 30:02}" for at in range(48)],
         pd.date_range("2021-02-01", periods=20).strftime("%d/%m/%Y"), "21/02/2021 00:00"),
    ],
)  # fmt: skip
def test_a_year_or_a_day_in_each_row_becomes_as_many_steps(
    names: list[str], whole: list[Any], after: str, tmp_path: Path
) -> None:
    values = wave(len(names) * len(whole))
    frame = pd.DataFrame(values.reshape(len(whole), -1), columns=names)
    frame.insert(0, "Year" if len(names) < 20 else "Date", whole)
    data = load(frame.assign(Total=values.reshape(len(whole), -1).sum(axis=1)), tmp_path, window=4)
    assert data.facts.features == ("value",)
    assert next_time(data) == after
    assert first_values(data, 30) == pytest.approx(values[4:34].tolist(), rel=1e-5)
    assert any(f"each row is {len(names)} steps" in note for note in data.notes)


def test_a_year_of_each_station_in_each_row_is_several_series(tmp_path: Path) -> None:
    rows = [[name, year, *wave(12, seed=year)] for name in ("north", "south") for year in range(1990, 2002)]
    data = load(pd.DataFrame(rows, columns=["station", "year", *MONTHS]), tmp_path)
    assert WindowEncoder.of(data.facts).numbers == {"north": 0, "south": 1}
    assert next_time(data) == "2002-01"


def test_columns_with_numbers_beside_a_column_of_dates_are_no_times(tmp_path: Path) -> None:
    frame = pd.DataFrame({str(at): wave(200, 24, at) for at in range(8)})
    frame.insert(0, "date", pd.date_range("2020-01-01", periods=200, freq="h").strftime("%Y-%m-%d %H:%M:%S"))
    data = load(frame.assign(OT=wave(200, 24)), tmp_path)
    assert data.facts.features == (*map(str, range(8)), "OT")
    assert next_time(data) == "2020-01-09 08:00:00"


@pytest.mark.parametrize(
    ("spelled", "after"), [("W{}", "W60"), ("Y{}", "Y60"), ("{0} [YR{0}]", "2060"), ("YR{}", "YR60")]
)
def test_weeks_and_years_with_a_word_are_times(spelled: str, after: str, tmp_path: Path) -> None:
    start = 0 if after == "W60" else 2000
    names = [spelled.format(start + at) for at in range(60)]
    frame = pd.DataFrame([wave(60, seed=seed) for seed in range(5)], columns=names)
    for at in range(60):
        frame[f"Normalized {at}"] = frame[names[at]] / 100
    frame.insert(0, "Code", [f"P{at}" for at in range(5)])
    data = load(frame if start == 0 else frame[["Code", *names]], tmp_path, window=8)
    assert len(WindowEncoder.of(data.facts).states) == 5
    assert next_time(data) == (after if start == 0 else after.replace("60", "2060") if len(after) < 4 else
                               spelled.format(2060).split(" ")[0])  # fmt: skip
    assert any("Normalized 0" in note for note in data.notes) == (start == 0)


@pytest.mark.parametrize(
    ("day", "clock", "values", "after"),
    [
        ("Date", "HE", [*range(1, 25)], "2021-01-11 01:00"),
        ("Date", "Hour Ending", [*range(1, 25)], "2021-01-11 01:00"),
        ("SETTLEMENT_DATE", "SETTLEMENT_PERIOD", [*range(1, 49)], "2021-01-11 00:00"),
        ("date", "hhmm", [f"{at // 4}{at % 4 * 15:02}" for at in range(96)], "2021-01-11 00:00"),
    ],
)
def test_hours_and_periods_of_a_day_are_times_and_no_series(
    day: str, clock: str, values: list[Any], after: str, tmp_path: Path
) -> None:
    days = pd.date_range("2021-01-01", periods=10).strftime("%Y-%m-%d")
    frame = pd.DataFrame({day: np.repeat(days, len(values)), clock: values * 10, "load": wave(10 * len(values), 24)})
    data = load(frame, tmp_path, window=8)
    assert (data.facts.features, next_time(data)) == (("load",), after)
    compact = load(frame.assign(**{day: frame[day].str.replace("-", "")}), tmp_path, window=8)
    assert next_time(compact) == after


def test_parts_of_dates_and_what_a_series_keeps_are_no_values(tmp_path: Path) -> None:
    dates = pd.date_range("2020-01-01", periods=80)
    parts = [
        pd.DataFrame(
            {
                "shop": at,
                "date": dates,
                "month": dates.month,
                "weekday": dates.day_of_week,
                "size": 100 + at % 2,
                "sales": wave(80),
            }
        )
        for at in range(6)
    ]
    data = load(pd.concat(parts), tmp_path)
    assert data.facts.features == ("sales",)
    assert WindowEncoder.of(data.facts).roles.static == ("size",)
    assert any("not used: month, weekday" in note for note in data.notes)
    assert load(parts[0].drop(columns=["shop", "sales"]), tmp_path, target="month").facts.features == ("month",)


def test_the_largest_value_of_a_series_says_nothing_of_it(tmp_path: Path) -> None:
    dates = pd.date_range("2020-01-01", periods=80)
    parts = [pd.DataFrame({"shop": at, "date": dates, "max": 60 + at % 2, "v": wave(80)}) for at in range(6)]
    assert WindowEncoder.of(load(pd.concat(parts), tmp_path).facts).roles.static == ()


@pytest.mark.parametrize("name", ["ts", "epoch", "step_of_it"])
def test_a_first_column_that_climbs_evenly_is_the_time(name: str, tmp_path: Path) -> None:
    data = load(pd.DataFrame({name: 1640995200 + 600 * np.arange(90), "v": wave(90)}), tmp_path)
    assert (data.facts.features, next_time(data)) == (("v",), "1641049200")


def test_rows_that_may_be_no_steps_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"week": [f"{at % 52 + 1:02}/{2019 + at // 52}" for at in range(120)], "v": wave(120)})
    with pytest.raises(DataError, match="differs in every row, as in '01/2019'") as refused:
        load(frame.rename(columns={"week": "when"}), tmp_path)
    assert refused.value.override == "data.gaps=ignore"
    assert load(frame.rename(columns={"week": "when"}), tmp_path, gaps="ignore").facts.features == ("v",)


def test_rows_in_which_one_column_has_ended_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=100), "a": wave(100), "b": wave(100)})
    frame.loc[80:, "b"] = np.nan
    data = load(frame, tmp_path)
    assert any("left out 20 rows at the ends: b has no value there" in note for note in data.notes)
    assert not any("left out" in note for note in load(frame, tmp_path, target="a").notes)


def test_noise_does_not_make_a_year_of_months_two() -> None:
    quarters = [
        guess_period(10 * np.sin(np.pi * np.arange(84) / 2) + np.random.default_rng(seed).normal(0, 2, 84), (4,))
        for seed in range(100)
    ]
    assert quarters == [4] * 100
    of_two_weeks = np.tile([5.0, 1, 4, 2, 8, 9, 1, 6, 1, 4, 2, 2, 9, 1], 20)
    assert guess_period(of_two_weeks + np.random.default_rng(0).normal(0, 1, 280), (7,)) == 14


def test_the_best_of_periods_that_are_alike_is_found() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        waves = 10 * np.sin(2 * np.pi * np.arange(420) / 60)
        values = np.stack([waves + rng.normal(0, 2, 420), waves + rng.normal(0, 2, 420), rng.random(420)], axis=1)
        assert guess_period(values, (60,)) == 60


@pytest.mark.parametrize(("second", "unit"), [(1, "unix"), (1000, "unix_ms")])
def test_seconds_since_1970_are_dates_and_stay_numbers(second: int, unit: str, tmp_path: Path) -> None:
    times = second * (1609459200 + 3600 * np.arange(200))
    data = load(pd.DataFrame({"timestamp": times, "v": wave(200, 24)}), tmp_path)
    encoder = WindowEncoder.of(data.facts)
    assert (encoder.axis.unit, encoder.axis.spelling, encoder.axis.step_words) == ("seconds", unit, "1 hour")
    assert next_time(data) == str(second * (1609459200 + 3600 * 200))


def test_periods_of_statistical_offices_are_months_and_a_point_is_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"year": np.repeat(range(1995, 2005), 12), "period": [f"M{at % 12 + 1:02}" for at in range(120)]}
    )
    data = load(frame.assign(value=[*wave(60), ".", *wave(59)]), tmp_path)
    assert (data.facts.features, next_time(data)) == (("value",), "2005-01")
    assert any("interpolated 1 of 120" in note for note in data.notes)
    quarters = frame[::3].assign(period=[f"Q0{at % 4 + 1}" for at in range(40)], value=wave(40, 4))
    assert next_time(load(quarters, tmp_path)) == "2005-Q1"


def test_a_stated_step_allows_for_days_that_shift(tmp_path: Path) -> None:
    fridays = [
        day - pd.Timedelta(days=int(at % 30 == 7))
        for at, day in enumerate(pd.date_range("2015-01-02", freq="7D", periods=120))
    ]
    frame = pd.DataFrame({"date": fridays, "v": wave(120)})
    with pytest.raises(DataError, match="not a whole number of steps") as refused:
        load(frame, tmp_path)
    assert "data.freq" in refused.value.fix
    data = load(frame, tmp_path, freq="W")
    assert next_time(data) == "2017-04-21"
    shown = {time for split in data.splits.values() for time in split.ids}
    assert shown <= {f"{day:%Y-%m-%d}" for day in fridays}
    with pytest.raises(DataError, match="not a whole number of steps"):
        load(
            pd.DataFrame({"date": pd.date_range("2020-01-01", periods=200, freq="h"), "v": wave(200)}),
            tmp_path,
            freq="D",
        )


def test_a_number_that_may_mean_nothing_is_named(tmp_path: Path) -> None:
    values = wave(200)
    values[20:24] = -200
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=200), "co": values})
    assert any("co: -200, which 4 cells hold" in note for note in load(frame, tmp_path).notes)
    assert not any("-200" in note for note in load(frame.assign(co=np.linspace(-200, 500, 200)), tmp_path).notes)


def test_what_happens_or_not_is_no_value_unless_it_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=100), "promo": [0, 1, 1, 0] * 25, "v": wave(100)})
    data = load(frame, tmp_path)
    assert data.facts.features == ("v",)
    assert any("not used: promo (data.known" in note for note in data.notes)
    assert load(frame, tmp_path, target="promo").facts.features == ("promo",)


def test_a_counter_of_any_name_is_no_value(tmp_path: Path) -> None:
    frame = pd.DataFrame({"instant": range(1, 101), "date": pd.date_range("2020-01-01", periods=100), "cnt": wave(100)})
    assert load(frame, tmp_path).facts.features == ("cnt",)

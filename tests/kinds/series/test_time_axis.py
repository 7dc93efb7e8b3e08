"""Times as steps and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrain.data.cells import read_cells
from dltrain.errors import DataError
from dltrain.kinds.series.axis_reader import read_axis
from dltrain.kinds.series.period import guess_period
from dltrain.kinds.series.time_axis import TimeAxis, parse_frequency, usual_periods


def axis_of(times: list[str]) -> tuple[TimeAxis, list[int]]:
    axis, steps = read_axis(read_cells(pd.Series(times, dtype=object)), "time")
    return axis, steps.tolist()


def dates(start: str, count: int, freq: str, spelling: str) -> list[str]:
    return pd.date_range(start, periods=count, freq=freq).strftime(spelling).tolist()


@pytest.mark.parametrize(
    ("times", "unit", "next_time", "usual"),
    [
        (dates("1949-01-01", 30, "MS", "%Y-%m"), "months", "1951-07", (12,)),
        (dates("1749-01-01", 700, "MS", "%Y-%m"), "months", "1807-05", (12,)),
        (dates("2001-01-31", 30, "BME", "%Y-%m-%d"), "month ends", "2003-07-31", (12,)),
        (dates("2001-03-30", 12, "BQE", "%Y-%m-%d"), "month ends", "2004-03-31", (4,)),
        (dates("2001-01-31", 30, "ME", "%Y-%m-%d"), "months", "2003-07-31", (12,)),
        (dates("2001-01-01", 12, "QS", "%Y-%m-%d"), "months", "2004-01-01", (4,)),
        (dates("2026-01-01", 30, "h", "%Y-%m-%d %H:%M"), "seconds", "2026-01-02 06:00", (24, 168, 8736)),
        (dates("2026-01-01", 30, "D", "%Y-%m-%d"), "seconds", "2026-01-31", (7, 364)),
        (dates("2026-01-01", 30, "B", "%Y-%m-%d"), "weekdays", "2026-02-12", (5,)),
        (dates("2026-01-01", 30, "D", "%d/%m/%Y"), "seconds", "31/01/2026", (7, 364)),
        ([str(year) for year in range(1950, 1980)], "numbers", "1980", ()),
        (dates("1949-01-01", 30, "MS", "%b-%y"), "months", "Jul-51", (12,)),
        (
            [f"{quarter}-{year}" for year in (2015, 2016) for quarter in (1, 2, 3, 4)],
            "months",
            "1-2017",
            (4,),
        ),
        (dates("2026-01-01", 30, "MS", "05/%m/%Y"), "months", "05/07/2028", (12,)),
        (dates("2001-01-01", 30, "MS", "%Y%m"), "months", "200307", (12,)),
    ],
)
def test_times_are_whole_steps_and_go_on(times: list[str], unit: str, next_time: str, usual: tuple[int, ...]) -> None:
    axis, steps = axis_of(times)
    assert axis.unit == unit
    assert steps == list(range(len(times)))
    assert axis.spell(len(times)) == next_time
    assert usual_periods(axis) == usual
    assert TimeAxis.from_json(axis.to_json()) == axis


def test_a_missing_time_leaves_its_step_free() -> None:
    times = dates("2026-01-01", 30, "h", "%Y-%m-%dT%H:%M:%S")
    assert axis_of(times[:5] + times[8:])[1] == [*range(5), *range(8, 30)]


def test_a_date_that_begins_with_the_year_has_its_month_second() -> None:
    axis, steps = axis_of(dates("2012-01-02", 260, "W-MON", "%Y-%m-%d %H:%M"))
    assert (axis.step, steps) == (7 * 86_400, list(range(260)))


def test_where_most_weeks_are_missing_a_step_is_still_a_week() -> None:
    kept = np.flatnonzero(np.random.default_rng(0).random(200) > 0.6)
    weeks = dates("2015-01-05", 200, "W-MON", "%d/%m/%Y")
    axis, steps = axis_of([weeks[week] for week in kept])
    assert (axis.step, steps) == (7 * 86_400, (kept - kept[0]).tolist())


def test_dates_that_may_be_read_in_several_ways_are_refused_until_the_user_chooses() -> None:
    cells = read_cells(pd.Series(dates("2026-01-01", 9, "D", "%d/%m/%Y")))
    with pytest.raises(DataError, match=r"'02/01/2026' may be 2026-01-02 .*=dmy\) or 2026-02-01 .*=mdy\)") as refused:
        read_axis(cells, "time")
    assert refused.value.override == "data.dates=dmy"
    assert (read_axis(cells, "time", "dmy")[0].unit, read_axis(cells, "time", "mdy")[0].unit) == ("seconds", "months")


def test_a_later_file_is_read_as_the_first_one_was() -> None:
    axis, _ = axis_of(dates("2026-01-01", 30, "D", "%d/%m/%Y"))
    axis = TimeAxis.from_json(axis.to_json())
    assert axis.dates is not None
    later, steps = read_axis(read_cells(pd.Series(["03/02/2026", "04/02/2026"])), "time", axis.dates)
    assert (later.start, steps.tolist()) == ("2026-02-03T00:00:00", [0, 1])


def test_one_time_that_slipped_does_not_make_a_step_shorter() -> None:
    hours = dates("2026-01-01", 30, "h", "%Y-%m-%d %H:%M")
    with pytest.raises(DataError, match=r"2026-01-01 10:30 is not a whole number of steps \(1 hour\) after"):
        axis_of([*hours[:10], "2026-01-01 10:30", *hours[11:]])


@pytest.mark.parametrize("period", [7, 12, 24])
def test_the_period_of_a_noisy_season_is_found(period: int) -> None:
    rng = np.random.default_rng(period)
    steps = np.arange(20 * period)
    shape = rng.normal(0, 1, period)
    x = shape[steps % period] + 0.05 * steps + rng.normal(0, 0.3, len(steps))
    assert guess_period(x) == period


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.3])
def test_the_year_of_a_slow_noisy_wave_of_weeks_is_found_over_its_gaps(missing: float) -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(210)
    x = 10 * np.sin(2 * np.pi * steps / 52) + rng.normal(0, 3, len(steps))
    filled = rng.random(len(steps)) < missing
    x[filled] = np.interp(steps[filled], steps[~filled], x[~filled])
    assert guess_period(x, usual=(52,), filled=filled) == 52


def test_what_was_filled_in_has_no_say_in_the_season() -> None:
    steps = np.arange(120)
    x = np.where(steps % 6 == 0, 5.0, 0.0) + np.random.default_rng(0).normal(0, 0.1, len(steps))
    filled = np.random.default_rng(1).random(len(steps)) < 0.4
    x[filled] = 100.0 * (steps[filled] % 10)
    assert guess_period(x, filled=filled) == 6


def test_noise_and_a_wander_have_no_calendar_season() -> None:
    rng = np.random.default_rng(0)
    assert guess_period(np.cumsum(rng.normal(0, 1, 500)), usual=(12,)) != 12
    assert guess_period(np.arange(10.0)) is None


@pytest.mark.parametrize("spelled", ["2020年{:02d}月01日", "2020年{}月"])
def test_chinese_dates_are_read(spelled: str) -> None:
    cells = read_cells(pd.Series([spelled.format(month) for month in (1, 2, 3, 4)]))
    axis, steps = read_axis(cells, "日期")
    assert axis.unit == "months"
    assert steps.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("times", "after"),
    [
        (["2020-03-20T22:00:00+08:00", "2020-03-20T23:00:00+08:00"], "2020-03-21T00:00:00+08:00"),
        (["2020-03-20 22:00Z", "2020-03-20 23:00Z"], "2020-03-21 00:00Z"),
        (["29.05.2020", "30.05.2020"], "31.05.2020"),
        (["2020/01/30", "2020/01/31"], "2020/02/01"),
        (["2020年01月", "2020年02月"], "2020年03月"),
        (["201911", "201912"], "202001"),
    ],
)
def test_what_comes_next_is_spelled_as_the_source_does(times: list[str], after: str) -> None:
    axis, steps = read_axis(read_cells(pd.Series(times, dtype=object)), "time")
    assert steps.tolist() == [0, 1]
    assert axis.spell(2) == after
    assert TimeAxis.from_json(axis.to_json()) == axis


def test_the_last_day_of_a_market_may_come_before_the_last_weekday() -> None:
    times = dates("2017-01-31", 40, "BME", "%Y-%m-%d")
    times[14] = "2018-03-29"  # the day before Good Friday
    axis, steps = axis_of(times)
    assert (axis.unit, axis.step, axis.step_words) == ("month ends", 1, "1 month")
    assert steps == list(range(40))
    assert [axis.spell(at) for at in (13, 14, 40)] == ["2018-02-28", "2018-03-30", "2020-05-29"]
    assert parse_frequency("BME") == ("month ends", 1)
    assert parse_frequency("2bq") == ("month ends", 6)

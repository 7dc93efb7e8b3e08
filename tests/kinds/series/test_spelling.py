"""A later time is written as the file writes its times; what is a date only by its even steps is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from series_tables import days, encoder_of, load, next_times, wave

from dltrain.errors import DataError
from dltrain.kinds.series.doubtful_times import read_elapsed

COUNT = 60
GERMAN = ("Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez")


def written(template: str, start: str = "1980-01-01", freq: str = "MS", count: int = COUNT + 1) -> list[str]:
    """Times by a template of `str.format`, of which t is a timestamp, with its parts as names."""
    times = pd.date_range(start, periods=count, freq=freq)
    parts = [{"y": t.year, "m": t.month, "d": t.day, "q": t.quarter, "yy": t.year % 100, "h": t.hour} for t in times]
    return [template.format(t=t, **part) for t, part in zip(times, parts, strict=True)]


SPELLED = {
    "1980:1": written("{y}:{m}"),
    "1980:01": written("{y}:{m:02}"),
    "1980:1 of quarters": written("{y}:{q}", freq="QS"),
    "1980.01": written("{y}.{m:02}"),
    "1980m1": written("{y}m{m}"),
    "1980-M01": written("{y}-M{m:02}"),
    "M01/1980": written("M{m:02}/{y}"),
    "80Q1": written("{yy:02}Q{q}", freq="QS"),
    "Q1'80": written("Q{q}'{yy:02}", freq="QS"),
    "1. Quartal 1980": written("{q}. Quartal {y}", freq="QS"),
    "JAN-49": [text.upper() for text in written("{t:%b-%y}", "1949-01-01")],
    "Wednesday, 01 March 2023": written("{t:%A, %d %B %Y}", "2023-03-01", "D"),
    "01MAR2023:00:00:00": [text.upper() for text in written("{t:%d%b%Y:%H:%M:%S}", "2023-03-01", "h")],
    "1.3.2023": written("{d}.{m}.{y}", "2023-03-01", "D"),
    "3/1/2023 12:00 am": [text.lower() for text in written("{m}/{d}/{y} {t:%I:%M %p}", "2023-03-01", "h")],
    "10 ms": [text[:-3] for text in written("{t:%Y-%m-%d %H:%M:%S.%f}", "2023-03-01", "10ms")],
    "2023030100": written("{t:%Y%m%d%H}", "2023-03-01", "h"),
    "2020w02": written("{t:%Gw%V}", "2020-01-06", "7D"),
    "a German name of a month": [f"{GERMAN[at % 12]} {2010 + at // 12}" for at in range(COUNT + 1)],
    "days of a week": [
        f"{t:%Y-%m-%d}/{t + pd.Timedelta(days=6):%Y-%m-%d}" for t in pd.date_range("2020-01-06", periods=61, freq="7D")
    ],
    "an hour": [
        f"{t:%d.%m.%Y %H:%M} - {t + pd.Timedelta(hours=1):%H:%M}"
        for t in pd.date_range("2020-01-20", periods=61, freq="h")
    ],
    "a month": [
        f"{t:%d.%m.%Y} bis {t + pd.offsets.MonthEnd(0):%d.%m.%Y}"
        for t in pd.date_range("2010-01-01", periods=61, freq="MS")
    ],
    "seconds with a fraction": [f"{1577836800 + 3600 * at}.0" for at in range(COUNT + 1)],
    "microseconds": [str(1577836800_000000 + 250_000 * at) for at in range(COUNT + 1)],
    "nanoseconds": [str(1577836800_000000000 + 10**10 * at) for at in range(COUNT + 1)],
    "parts of a year": [f"{1959 + at / 12:.3f}" for at in range(COUNT + 1)],
    "numbers with zeros": [f"{at:04}" for at in range(COUNT + 1)],
    "numbers with decimals": [f"{0.02 * at:.2f}" for at in range(COUNT + 1)],
    "hours since a beginning": [f"{at // 2:02}:{at % 2 * 30:02}" for at in range(COUNT + 1)],
}
SAID = {
    "01/49": (written("{t:%m/%y}", "1949-01-01"), "1949-01: data.dates=my"),
    "49-01": (written("{t:%y-%m}", "1949-01-01"), "1949-01: data.dates=ym"),
    "202002": (written("{t:%G%V}", "2020-01-06", "7D"), "the week from 2020-01-06 on: data.dates=weeks"),
    "2020-02": (written("{t:%G-%V}", "2020-01-06", "7D"), "the week from 2020-01-06 on: data.dates=weeks"),
    "1900/01": ([f"{y}/{(y + 1) % 100:02}" for y in range(1900, 1961)], "a year from 1900 on: data.dates=seasons"),
    "1900-1901": ([f"{y}-{y + 1}" for y in range(1900, 1961)], "a year from 1900 on: data.dates=seasons"),
    "milliseconds": (
        [str(1577836800_123 + 250 * at) for at in range(COUNT + 1)],
        "milliseconds from 1970 on, in UTC: data.dates=unix_ms",
    ),
}


@pytest.mark.parametrize("name", [*SPELLED, *SAID])
def test_the_next_time_is_written_as_those_of_the_file(name: str, tmp_path: Path) -> None:
    times, said = SAID[name] if name in SAID else (SPELLED[name], "")
    values = wave(COUNT).tolist()
    data = load(pd.DataFrame({"when": times[:-1], "v": values}), tmp_path, time="when", calendar=False)
    assert next_times(data) == times[-1:]
    held_out = data.splits["test"]
    truth = dict(zip(times, values, strict=False))
    assert held_out.target.flatten().tolist() == [truth[time] for time in held_out.ids]
    assert any(said in note for note in data.notes)
    later = pd.DataFrame({"when": times[-25:], "v": wave(25)})  # which alone may not tell how it is written
    assert encoder_of(data).read(later)[0][0].times == tuple(times[-25:])


@pytest.mark.parametrize(
    ("times", "keys"),
    [
        (written("{t:%m/%y}", "2001-01-01", count=12), "data.dates=my"),  # the first to the twelfth of January
        ([f"{at:02}/{at:02}" for at in range(1, 13)], "data.dates=my"),
    ],
)
def test_what_may_be_days_of_one_year_is_asked(times: list[str], keys: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"when": times, "v": wave(len(times))})
    with pytest.raises(DataError) as refused:
        load(frame, tmp_path, time="when", test_steps=2)
    assert refused.value.override in (keys, "data.gaps=ignore")
    data = load(frame.head(12), tmp_path, time="when", test_steps=2, dates="my") if times[1] != "02/02" else None
    assert data is None or next_times(data) == ["01/02"]


def test_numbers_that_look_like_weeks_or_seconds_stay_numbers_where_that_is_said(tmp_path: Path) -> None:
    for times in ([202013 + at for at in range(40)], [1577836800 + 60 * at for at in range(40)]):
        data = load(pd.DataFrame({"when": times, "v": wave(40)}), tmp_path, time="when", dates="numbers")
        assert encoder_of(data).axis.unit == "numbers"


def test_times_of_a_day_are_no_times_since_a_beginning(tmp_path: Path) -> None:
    assert read_elapsed(["08:00", "08:30", "09:00"]) is None
    assert read_elapsed(["23:30", "24:00", "24:30"]) is not None
    assert read_elapsed(["0:00:00", "0:00:05"]) is not None
    with pytest.raises(DataError, match="'00:00' is not a date or time"):
        load(pd.DataFrame({"time": days("2023-01-01", 40, "%H:%M", "30min"), "v": wave(40)}), tmp_path)


@pytest.mark.parametrize("name", ["FY23 W01", "P01 2015"])
def test_a_count_within_a_year_is_refused(name: str, tmp_path: Path) -> None:
    times = [name.replace("01", f"{at:02}") for at in range(1, 41)]
    with pytest.raises(DataError, match="is not a date or time"):
        load(pd.DataFrame({"week": times, "v": wave(40)}), tmp_path)


def test_thirty_frames_a_second_do_not_drift(tmp_path: Path) -> None:
    times = [f"{pd.Timestamp('2023-01-01') + pd.Timedelta(at / 30, 's'):%Y-%m-%d %H:%M:%S.%f}" for at in range(3002)]
    frame = pd.DataFrame({"time": times, "v": wave(3002)})
    data = load(frame.head(3000), tmp_path, calendar=False)
    later = next_times(data, 2)
    assert [
        abs(pd.Timestamp(one) - pd.Timestamp(other)).microseconds for one, other in zip(later, times[-2:], strict=True)
    ] <= [2, 2]
    assert len(encoder_of(data).encode(frame.tail(100)).ids) > 0

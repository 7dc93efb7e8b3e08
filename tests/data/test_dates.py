"""The one reader of dates: every usual way to write them, decided by the whole column, and refused where it is open."""

from __future__ import annotations

import datetime
import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrain.data.cells import Cells, read_cells
from dltrain.data.date_format import AmbiguousDates, DateFormat
from dltrain.data.dates import are_dates, infer_dates, read_moments
from dltrain.errors import DataError

TODAY = datetime.date(2026, 11, 21)
DAYS = ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%y", "%m/%d/%y", "%y-%m-%d"]
DAYS += ["%d-%b-%y", "%Y%m%d", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%Y年%m月%d日", "%a, %d %b %Y"]
CLOCKS = [" %H:%M", "T%H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %H:%M:%SZ", "T%H:%M:%S+02:00"]
MONTHS = ["%b-%y", "%B %Y", "%Y-%m", "%m/%Y", "%Y%m", "%Y年%m月", "%b %Y"]
QUARTERS = ["{year}Q{quarter}", "Q{quarter} {year}", "{quarter}-{year}", "{year}-{quarter}", "{quarter}Q{short:02}"]


def cells_of(*texts: object) -> Cells:
    return read_cells(pd.Series(texts, dtype=object))


def infer(texts: list[str], **options: object) -> DateFormat | AmbiguousDates | None:
    return infer_dates(texts, today=TODAY, **options)


def read(texts: list[str], **options: object) -> list[str | None]:
    form = infer(texts, **options)
    assert isinstance(form, DateFormat)
    return [None if np.isnat(moment) else str(pd.Timestamp(moment)) for moment in form.read(texts)]


def at(*dates: str | None) -> list[str | None]:
    return [date and str(pd.Timestamp(date)) for date in dates]


def write(dates: pd.DatetimeIndex, spelling: str) -> tuple[list[str], pd.DatetimeIndex]:
    """Returns dates as texts, and the dates that these can mean at best."""
    if "{" in spelling:
        parts = [{"year": date.year, "short": date.year % 100, "quarter": date.quarter} for date in dates]
        return [spelling.format(**part) for part in parts], dates.to_period("Q").to_timestamp()
    texts = dates.strftime(spelling).tolist()
    if "%d" not in spelling:
        return texts, dates.to_period("M").to_timestamp()
    if "%H" not in spelling and "%I" not in spelling:
        return texts, dates.normalize()
    return texts, dates - pd.Timedelta(hours=2 * spelling.endswith("+02:00"))


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[str], pd.DatetimeIndex]:
    """Draws dates in regular steps, with gaps or shuffled, of the hundred years until now, and writes them."""
    day = draw(st.sampled_from(DAYS))
    clock = draw(st.sampled_from(["", *CLOCKS])) if "%Y%m%d" not in day else ""
    spelling = draw(st.sampled_from([day + clock, *MONTHS, *QUARTERS]))
    step = draw(st.sampled_from(["D", "7D", "MS", "QS", "h", "15min", "2D", "YS", "B", "31D", "12D"]))
    start = draw(st.datetimes(datetime.datetime(1927, 1, 1), datetime.datetime(2026, 1, 1)))
    dates = pd.date_range(start.replace(second=0, microsecond=0), periods=draw(st.integers(1, 60)), freq=step)
    dates = dates[dates.year <= TODAY.year].append(pd.DatetimeIndex([start.replace(second=0, microsecond=0)]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    if draw(st.booleans()):
        dates = dates[rng.random(len(dates)) < 0.7].append(dates[:1])
    if draw(st.booleans()):
        dates = dates[rng.permutation(len(dates))]
    return write(dates, spelling)


@settings(max_examples=300, deadline=None)
@given(columns())
def test_a_column_of_dates_is_read_as_it_was_written_or_found_ambiguous(
    column: tuple[list[str], pd.DatetimeIndex],
) -> None:
    texts, dates = column
    distinct = list(dict.fromkeys(texts))
    form = infer(distinct)
    assert form is not None
    readings = list(form.readings.values()) if isinstance(form, AmbiguousDates) else [form]
    truth = dates.as_unit("us").to_numpy()
    assert any(np.array_equal(reading.read(texts), truth) for reading in readings)


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (["02/03/2020", "13/01/2020"], ["2020-03-02", "2020-01-13"]),  # the second says that days stand first
        (["02-03-20", "01-13-20"], ["2020-02-03", "2020-01-13"]),
        (["2/3/2020 5:07", "13/1/2020 17:30"], ["2020-03-02 05:07", "2020-01-13 17:30"]),
        (["2020-02-03", "2020-01-13 10:00"], ["2020-02-03", "2020-01-13 10:00"]),
        (["2024/1/5", "2024/11/25"], ["2024-01-05", "2024-11-25"]),
        (["2020年2月3日", "2020年01月13日 10:00"], ["2020-02-03", "2020-01-13 10:00"]),
        (["2020年第1季度", "2020年第4季度"], ["2020-01-01", "2020-10-01"]),
        (["3 Feb 2020", "Jan 13, 2020"], ["2020-02-03", "2020-01-13"]),
        (["05JAN24", "31-Dec-99"], ["2024-01-05", "1999-12-31"]),
        (["January 5th, 2024", "Fri, 5 Jan 2024"], ["2024-01-05", "2024-01-05"]),
        (["5. Januar 2024", "1er août 2024", "5 de mayo de 2024"], ["2024-01-05", "2024-08-01", "2024-05-05"]),
        (["14.03.2021 um 15:30", "15.03.2021 um 09:00"], ["2021-03-14 15:30", "2021-03-15 09:00"]),
        (["Jan-18", "Feb-49", "Mar-85"], ["2018-01-01", "1949-02-01", "1985-03-01"]),
        (["49-Jan", "60-Dec"], ["1949-01-01", "1960-12-01"]),
        (["2018Q1", "Q4 2018", "3Q19"], ["2018-01-01", "2018-10-01", "2019-07-01"]),
        (["2018-W05", "2018-W05-3", "KW 1 2026"], ["2018-01-29", "2018-01-31", "2025-12-29"]),
        (["202002", "202001"], ["2020-02-01", "2020-01-01"]),
        (["20200203", "20200113"], ["2020-02-03", "2020-01-13"]),
        (["20261121 153000", "20261121T153000.5Z"], ["2026-11-21 15:30", "2026-11-21 15:30:00.5"]),
        (["1/14/2024 12:05 AM", "1/5/2024 12:05 p.m."], ["2024-01-14 00:05", "2024-01-05 12:05"]),
        (["2024-01-05T10:00:00.123456789Z"], ["2024-01-05 10:00:00.123456"]),
        (["2024-01-05T22:00+08:00", "2024-01-05 15:00+0100"], ["2024-01-05 14:00"] * 2),
        (["2024-01-05 10:00:00 CET", "2024-07-05 10:00 Europe/Berlin"], ["2024-01-05 09:00", "2024-07-05 08:00"]),
        (["2024-01-05T10:00-05:00[America/New_York]"], ["2024-01-05 15:00"]),
        (
            ["Fri Jan  5 10:00:00 UTC 2024", "Fri Jan 05 2024 10:00:00 GMT+0100 (CET)"],
            ["2024-01-05 10", "2024-01-05 09"],
        ),
        (["10/Oct/2000:13:55:36 -0700"], ["2000-10-10 20:55:36"]),
        (["1-2015", "5-2015"], ["2015-01-01", "2015-05-01"]),
        (["01/01/2018", "01/01/2019"], ["2018-01-01", "2019-01-01"]),  # both orders agree
        (["2010-11", "2011-12", "2012-10"], ["2010-11-01", "2011-12-01", "2012-10-01"]),
    ],
)
def test_dates_are_read_in_every_usual_way_of_writing(texts: list[str], dates: list[str]) -> None:
    assert read(texts) == at(*dates)


@pytest.mark.parametrize(
    "texts",
    [
        ["15:15", "16:20"],
        ["0 days 00:01:55", "1 days 00:00:00"],
        ["1", "2"],
        ["1992", "1993"],
        ["100001", "100002"],
        ["202001", "20200101"],
        ["202013", "1.5"],
        ["1.2.3", "1.2.4"],
        ["555-12-34", "192.168.10.12"],
        ["123-45-6789"],
        ["2010-11", "2011-12", "2012-13"],
        ["2009-10", "2010-11", "2011-12"],  # seasons
        ["2024-02-31", "2024-02-30"],
        ["5 Jan", "Jan 5"],
        ["May", "Monday"],
        ["1/2", "3/4"],
        ["2024-01-05 10:00 IST"],  # of India, Israel or Ireland
        ["2020-01-01", "open"],
        ["9999-12-31"],
        [""],
        [],
    ],
)
def test_what_is_no_date_is_none(texts: list[str]) -> None:
    assert infer(texts) is None


def test_impossible_dates_are_none_in_a_column_of_dates() -> None:
    texts = [f"{day:02}/01/2024" for day in range(1, 32)]
    assert read([*texts, "31/02/2024"])[-2:] == at("2024-01-31", None)
    assert infer(["31/02/2024", "30/02/2024", *texts]) is None  # 94 %
    assert infer(["31/02/2024", "30/02/2024", *texts], counts=np.array([1, 1, *[9] * 31])) is not None


def days(spelling: str, start: str = "2024-01-01", count: int = 12, freq: str = "D") -> list[str]:
    return pd.date_range(start, periods=count, freq=freq).strftime(spelling).tolist()


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (["02/03/2020", "03/04/2020"], ["dmy", "mdy"]),
        (["02-03-20", "04-05-21"], ["dmy", "mdy", "ymd"]),
        (["23-01-24", "24-02-25"], ["dmy", "ymd"]),
        (days("%d/%m/%Y"), ["dmy", "mdy"]),  # each day of January, or the first of each month
        (sorted(f"{day:02}/{month:02}/2018" for day in range(1, 9) for month in range(1, 9)), ["dmy", "mdy"]),
        (["1-2015", "2-2015", "3-2015", "4-2015"], ["months", "quarters"]),
        (["13/02/2024", "14/02/2024", "02/13/2024", "02/14/2024"], None),  # neither reads all
        ([*days("%d/%m/%Y", "2024-02-14", 10), *days("%m/%d/%Y", "2024-02-14", 10), "01/02/2024"], None),
        (["Jan-20", "Dec-35"], ["2026", "1935", "2035"]),
        (["13/06/25", "14/06/40"], ["dmy-2026", "dmy-1940", "dmy-2040"]),
    ],
)
def test_where_nothing_decides_every_reading_is_offered(texts: list[str], keys: list[str] | None) -> None:
    form = infer(texts)
    if keys is None:
        assert form is None
        return
    assert isinstance(form, AmbiguousDates)
    assert sorted(form.readings) == sorted(keys)
    for key, reading in form.readings.items():
        chosen = infer(texts, dates=key)
        assert isinstance(chosen, DateFormat)
        assert np.array_equal(chosen.read(texts), reading.read(texts))


def test_dates_with_dots_say_nothing_about_dates_with_slashes() -> None:
    assert isinstance(infer(["01/02/2024", "02/03/2024", "13.02.2024"]), AmbiguousDates)
    assert read(["01/02/2024", "13/03/2024", "14.02.2024"]) == at("2024-02-01", "2024-03-13", "2024-02-14")


def test_a_day_without_a_year_is_no_month() -> None:
    form = infer(["18-Jan", "19-Feb"])
    assert isinstance(form, AmbiguousDates)
    assert form.refuse("column 'when'").what.startswith(
        "'18-Jan' may be 2018-01-01 (data.dates=ymd) or a day of an unknown year"
    )
    assert read(["18-Jan", "19-Feb"], dates="ymd") == at("2018-01-01", "2019-02-01")


def test_order_in_the_file_and_even_steps_decide() -> None:
    twice_a_month = [f"{day:02}/{month:02}/{year}" for year in (2018, 2019) for month in range(1, 13) for day in (3, 9)]
    assert read(twice_a_month)[:3] == at("2018-01-03", "2018-01-09", "2018-02-03")
    assert read(twice_a_month[::-1])[-1] == at("2018-01-03")[0]
    shuffled = np.random.default_rng(0).permutation(twice_a_month).tolist()
    assert isinstance(infer(shuffled), AmbiguousDates)
    monthly = days("%m/%d/%Y", "2018-01-05", 30, "MS")
    assert read(np.random.default_rng(0).permutation(monthly).tolist(), counts=None)[0] is not None
    every_month = [f"{month:02}-05-{year:02}" for year in (17, 18, 19) for month in range(1, 13)]
    assert read(every_month)[:2] == at("2017-01-05", "2017-02-05")
    quarters = [f"{quarter}-{year}" for year in (2015, 2016) for quarter in range(1, 5)]
    assert read(np.random.default_rng(0).permutation(quarters).tolist(), dates="auto")
    assert read(quarters)[:2] == at("2015-01-01", "2015-04-01")


def test_days_and_years_of_two_digits_are_told_apart_in_any_order() -> None:
    texts = np.random.default_rng(0).permutation(days("%d-%m-%y", "2023-01-01", 150, "3D")).tolist()
    form = infer(texts)
    assert isinstance(form, DateFormat) and form.order == "dmy"
    assert form.read(["09-02-23"])[0] == np.datetime64("2023-02-09")


def test_years_of_two_digits_are_never_in_the_future_unless_the_column_is() -> None:
    assert read(days("%b-%y", "1949-01-01", 144, "MS"))[-1] == at("1960-12-01")[0]
    assert read(["Dec-99", "Jan-26", "Dec-26"]) == at("1999-12-01", "2026-01-01", "2026-12-01")
    assert read(["Jan-27", "Jan-28"]) == at("1927-01-01", "1928-01-01")
    births = days("%d/%m/%y", "1935-01-01", 75, "365D")
    assert read(births)[0] == at("1935-01-01")[0]
    form = infer(days("%b-%y", "2018-01-01", 60, "MS"))
    assert isinstance(form, DateFormat)
    later = form.read(["Jan-27", "Jan-15"])  # next year's file, and an earlier one
    assert later.tolist() == np.array(["2027-01-01", "2015-01-01"], "datetime64[us]").tolist()


def test_a_format_is_stored_and_reads_new_texts_as_the_column_was_read() -> None:
    form = infer(["01/02/2024", "13/02/2024"])
    assert isinstance(form, DateFormat)
    form = DateFormat.from_json(json.loads(json.dumps(form.to_json())))
    new = form.read(["03/04/2024", "2024-05-06", "02/13/2024", "soon", ""])
    assert np.isnat(new).tolist() == [False, False, True, True, True]
    assert new[0] == np.datetime64("2024-04-03")
    iso = infer(["2024-05-06"])
    assert isinstance(iso, DateFormat)
    assert np.isnat(iso.read(["03/04/2024", "Jan-18", "1-2015", "20240506"])).all()  # nothing said how
    both = infer(["01/01/2018", "01/01/2019"])
    assert isinstance(both, DateFormat)
    assert np.isnat(both.read(["02/02/2020", "02/03/2020"])).tolist() == [False, True]


def test_times_are_read_in_utc_or_as_they_are_written() -> None:
    texts = ["2024-01-05 22:00:00+02:00", "2024-07-05 22:00 Europe/Berlin"]
    form = infer(texts)
    assert isinstance(form, DateFormat)
    assert form.read(texts).tolist() == [datetime.datetime(2024, 1, 5, 20), datetime.datetime(2024, 7, 5, 20)]
    assert form.read(texts, local=True).tolist() == [
        datetime.datetime(2024, 1, 5, 22),
        datetime.datetime(2024, 7, 5, 22),
    ]


@pytest.mark.parametrize(
    ("dates", "texts", "expected"),
    [
        ("years", ["1992", "1995"], ["1992-01-01", "1995-01-01"]),
        ("excel", ["45292", "45292.5"], ["2024-01-01", "2024-01-01 12:00"]),
        ("unix", ["1700000000", "0"], ["2023-11-14 22:13:20", "1970-01-01"]),
        ("unix_ms", ["1700000000500"], ["2023-11-14 22:13:20.5"]),
        ("mdy", ["02/03/2020"], ["2020-02-03"]),
        ("quarters", ["1-2015"], ["2015-01-01"]),
        ("2035", ["Jan-35"], ["2035-01-01"]),
        ("dmy-2035", ["01-02-35", "01-02-36"], ["2035-02-01", "1936-02-01"]),
    ],
)
def test_numbers_and_open_dates_are_read_as_the_user_says(dates: str, texts: list[str], expected: list[str]) -> None:
    assert read(texts, dates=dates) == at(*expected)


@pytest.mark.parametrize("dates", ["dym", "", "auto-2035", "20"])
def test_a_reading_that_does_not_exist_is_refused(dates: str) -> None:
    with pytest.raises(DataError, match="is no way to read dates") as refused:
        infer(["2020-01-01"], dates=dates)
    assert refused.value.override == "data.dates=auto"


@pytest.mark.parametrize("spelling", ["%Y-%m-%d %H:%M:%S", "%d-%m-%y %H:%M", "%d %b %Y %H:%M:%S"])
def test_many_dates_are_read_quickly(spelling: str) -> None:
    texts = days(spelling, "2000-01-01", 100_000, "min")
    start = time.process_time()
    form = infer(texts)
    assert isinstance(form, DateFormat)
    moments = form.read(texts)
    assert time.process_time() - start < 2  # about 0.2 seconds
    assert moments[-1] == np.datetime64("2000-01-01T00:00") + 99_999 * np.timedelta64(1, "m")


def test_numbers_are_moments_as_they_are_and_dates_by_their_order() -> None:
    assert read_moments(cells_of("3", "1.5", "3"), "when").tolist() == [3.0, 1.5, 3.0]
    moments = read_moments(cells_of("2020-03-01", "2020-02-28 12:00", "2020-02-28"), "when")
    np.testing.assert_allclose(moments - moments[2], [172_800e6, 43_200e6, 0])


def test_what_is_neither_or_missing_is_no_moment() -> None:
    assert np.isnan(read_moments(cells_of("1", "2", "soon", ""), "when")).tolist() == [False, False, True, True]
    dates = cells_of("2020-01-01", "soon", "", "2020-01-03")
    assert np.isnan(read_moments(dates, "when")).tolist() == [False, True, True, False]
    assert np.isnan(read_moments(cells_of("", ""), "when")).all()


def test_moments_that_may_be_read_in_several_ways_are_refused_with_the_key() -> None:
    cells = cells_of("02/03/2020", "03/04/2020")
    with pytest.raises(DataError, match=r"'02/03/2020' may be 2020-03-02 \(data.dates=dmy\) or 2020-02-03") as refused:
        read_moments(cells, "when")
    assert refused.value.override == "data.dates=dmy"
    first, second = read_moments(cells, "when", dates="dmy")
    assert second - first == 32 * 86_400e6


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (("2020-01-01", "2021-05-06"), True),
        (("2020年1月", "2020年2月"), True),
        (("02/03/2020", "03/04/2020"), True),
        (("2020-01-01", "open"), False),
        (("May", "Monday"), False),
        (("1", "2"), False),
        ((), False),
    ],
)
def test_a_column_of_dates_is_told_from_others(texts: tuple[str, ...], dates: bool) -> None:
    assert are_dates(cells_of(*texts)) is dates


def test_a_column_without_any_cell_has_no_dates() -> None:
    assert len(DateFormat(order="dmy").read([])) == 0

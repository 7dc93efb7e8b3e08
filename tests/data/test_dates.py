"""The one reader of times: numbers, dates in any usual spelling, one order of day and month in a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrain.data.cells import Cells, read_cells
from dltrain.data.dates import are_dates, read_dates, read_moments


def cells_of(*texts: object) -> Cells:
    return read_cells(pd.Series(texts, dtype=object))


def test_numbers_are_moments_as_they_are_and_dates_by_their_order() -> None:
    assert read_moments(cells_of("3", "1.5", "3")).tolist() == [3.0, 1.5, 3.0]
    moments = read_moments(cells_of("2020-03-01", "2020-02-28 12:00", "2020-02-28"))
    assert moments.argsort().tolist() == [2, 1, 0]
    seconds = (moments - moments[2]) * (86_400 * 2 / (moments[0] - moments[2]))
    np.testing.assert_allclose(seconds, [172_800, 43_200, 0])


def test_what_is_neither_or_missing_is_no_moment() -> None:
    assert np.isnan(read_moments(cells_of("1", "2", "soon", ""))).tolist() == [False, False, True, True]
    dates = cells_of("2020-01-01", "soon", "", "2020-01-03")
    assert np.isnan(read_moments(dates)).tolist() == [False, True, True, False]
    assert np.isnan(read_moments(cells_of("", ""))).all()
    assert np.isnan(read_moments(cells_of("Jan-18", "Feb-18"))).all()  # not days of the year 1


def test_zones_are_taken_into_account() -> None:
    moments = read_moments(cells_of("2020-03-20T22:00:00+08:00", "2020-03-20T14:00:00Z", "2020-03-20T23:00:00+01:00"))
    assert moments[0] == moments[1] < moments[2]


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (("02/03/2020", "13/01/2020"), ["2020-03-02", "2020-01-13"]),  # the second says that days stand first
        (("02.03.2020", "soon", "13.01.2020"), ["2020-03-02", None, "2020-01-13"]),
        (("02-03-20", "01-13-20"), ["2020-02-03", "2020-01-13"]),
        (("2020-02-03", "2020-01-13 10:00"), ["2020-02-03", "2020-01-13 10:00"]),
        (("2020年2月3日", "2020年01月13日 10:00"), ["2020-02-03", "2020-01-13 10:00"]),
        (("3 Feb 2020", "Jan 13, 2020"), ["2020-02-03", "2020-01-13"]),
        (("202002", "202001"), ["2020-02-01", "2020-01-01"]),
        (("20200203", "20200113"), ["2020-02-03", "2020-01-13"]),
    ],
)
def test_days_and_months_of_a_column_are_read_in_one_order(texts: tuple[str, ...], dates: list[str | None]) -> None:
    readings = read_dates(cells_of(*texts))
    assert readings
    assert all(reading.equals(pd.DatetimeIndex(dates)) for reading in readings)


def test_where_nothing_decides_both_orders_are_offered_the_month_first() -> None:
    first, second = read_dates(cells_of("02/03/2020", "03/04/2020"))
    assert first.equals(pd.DatetimeIndex(["2020-02-03", "2020-03-04"]))
    assert second.equals(pd.DatetimeIndex(["2020-03-02", "2020-04-03"]))


@pytest.mark.parametrize("texts", [("1", "2"), ("100001", "100002"), ("202001", "20200101"), ("202013", "1.5")])
def test_other_numbers_are_no_dates(texts: tuple[str, ...]) -> None:
    assert read_dates(cells_of(*texts)) == []


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (("2020-01-01", "2021-05-06"), True),
        (("2020年1月", "2020年2月"), True),
        (("2020-01-01", "open"), False),
        (("May", "Monday"), False),
        (("1", "2"), False),
        ((), False),
    ],
)
def test_a_column_of_dates_is_told_from_others(texts: tuple[str, ...], dates: bool) -> None:
    assert are_dates(cells_of(*texts)) is dates

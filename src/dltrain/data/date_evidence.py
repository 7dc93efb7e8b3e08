"""The evidence of a column on how its dates are written: impossible dates, even steps, the order of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.date_format import DateFormat, ShapedTexts
from dltrain.data.date_layouts import Layout, Moments

REAL = 0.001  # fraction of the texts that only one order reads, below which they may be typing errors
CONTRADICTED = 0.05  # the same, as a fraction of those that only the other order reads
ENOUGH_STEPS = 8  # dates whose order or spacing is no accident
DAYS = 31
SEASONS = 0.95  # fraction of the texts that are seasons, from which on none is a month
LONGEST_SPAN = 60  # years of a column, above which it may begin a century ago and end now

Readings = dict[DateFormat, Moments]


def last_years(short_years: NDArray[np.int64], year: int) -> list[int]:
    """Returns the last of the hundred years that two digits may mean; several, if the column does not say.

    No date is in the future. But if the column's years, going on from 99 to 00, lie close together on both sides of
    this year, it may as well hold plans, or be a century old.
    """
    after = np.append(short_years[1:], short_years[0] + 100)
    gaps = after - short_years
    past = np.sort(year - (year - short_years) % 100)
    gap_now = past[0] + 100 - past[-1]
    widest = int(gaps.argmax())
    if gaps[widest] == gap_now or 100 - gaps[widest] > LONGEST_SPAN:
        return [int(past[-1] + gap_now // 2)]  # so that years soon after and before the column's are read too
    end = year - (year - int(short_years[widest])) % 100  # of the years without their widest gap
    return [year, end, end + 100]


def drop_impossible(column: ShapedTexts, readings: Readings) -> Readings:
    """Returns the readings without those that another one excels: dates such as 13/01 decide for the whole column."""

    def excels(form: DateFormat, other: DateFormat, rows: Any = slice(None)) -> bool:
        one, two = ~np.isnat(readings[form][rows]), ~np.isnat(readings[other][rows])
        only, others = (one & ~two).sum(), (two & ~one).sum()
        return bool(only >= max(1, REAL * len(one)) and others <= CONTRADICTED * only)

    beaten = {other for other in readings for form in readings if excels(form, other)}
    left = [form for form in readings if form not in beaten] or list(readings)
    if len(left) == 1:
        # Dates with dots say nothing about dates with slashes.
        separate = column.rows_by_separator().values()
        doubtful = [
            other
            for other in beaten
            if {left[0].order, other.order} == {"dmy", "mdy"}
            and any((~np.isnat(readings[other][rows])).all() and not excels(left[0], other, rows) for rows in separate)
        ]
        left += doubtful
    return {form: readings[form] for form in left}


def join_equal(readings: Readings) -> Readings:
    """Returns the readings with one for day first and month first where all dates are the same in both."""
    for one in [form for form in readings if form.order == "dmy"]:
        other = replace(one, order="mdy")
        if other in readings and np.array_equal(readings[one], readings[other], equal_nan=True):
            rest = {form: readings[form] for form in readings if form not in (one, other)}
            readings = {replace(one, order="either"): readings[one], **rest}
    return readings


def drop_unlikely(column: ShapedTexts, readings: Readings, texts: Sequence[str]) -> Readings:
    """Returns the likely ones of several readings: evenly spaced, or in the order of the file."""
    by_text = sorted(texts) in (list(texts), list(texts[::-1]))
    tests = (
        lambda form: len(texts) < 3 * DAYS or not _are_days(column.short_years(form.order)),
        lambda form: _are_even(readings[form]),
        lambda form: not by_text and _are_ordered(readings[form]),
    )
    for likely in tests:
        if len(readings) > 1:
            readings = {form: readings[form] for form in readings if likely(form)} or readings
    return readings


def _are_days(short_years: NDArray[np.int64]) -> bool:
    """Tells whether years of two digits are rather the days of a month."""
    return len(short_years) > DAYS - 4 and short_years[0] >= 1 and short_years[-1] <= DAYS


def _are_even(moments: Moments) -> bool:
    """Tells whether the dates have one distance, in days or months."""
    dates = np.unique(moments[~np.isnat(moments)])
    if len(dates) < ENOUGH_STEPS:
        return False
    months = dates.astype("datetime64[M]")
    within = dates - months
    return len(set(np.diff(dates).tolist())) == 1 or (
        bool((within == within[0]).all()) and len(set(np.diff(months).tolist())) == 1
    )


def _are_ordered(moments: Moments) -> bool:
    """Tells whether the dates only rise, or only fall."""
    steps = np.diff(moments[~np.isnat(moments)].astype(np.int64))
    return len(steps) >= ENOUGH_STEPS - 1 and bool((steps >= 0).all() or (steps <= 0).all())


def are_seasons(column: ShapedTexts, moments: Moments) -> bool:
    """Tells whether all texts are as 2010-11 and 2011-12: years from one summer to the next."""

    def year_and_month(layout: Layout) -> bool:
        return isinstance(layout.month, tuple) and layout.year[0] == 0 and layout.day == 1 and not layout.number

    rows = column.rows_where(year_and_month)
    if len(rows) < max(2, SEASONS * column.count):
        return False
    months = moments[rows][~np.isnat(moments[rows])].astype("datetime64[M]").astype(np.int64)
    return bool((months % 12 + 1 == (months // 12 + 1971) % 100).all())

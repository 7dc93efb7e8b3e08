"""The one reader of dates and times: decides by a whole column how its dates are written."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.date_evidence import (
    DAYS,
    Readings,
    are_seasons,
    drop_impossible,
    drop_unlikely,
    join_equal,
    last_years,
)
from dltrain.data.date_format import NUMBERS, AmbiguousDates, DateFormat, ShapedTexts
from dltrain.data.date_layouts import DIGITS, Moments, find_layouts
from dltrain.errors import DataError

ENOUGH = 0.95  # fraction of the texts that one format has to read
HALF = 0.5  # the same of a column that the user calls one of times
MANY, FEW = 2000, 500  # from so many texts on, a sample is looked at first
WORDS = r"dmy|mdy|ymd|my|ym|months|quarters|years|weeks|seasons|numbers|excel|unix|unix_ms|unix_us|unix_ns"
KEY = re.compile(rf"(auto)?({WORDS})?(?:(?:^|-)(\d{{4}}))?")
STATED = ("my", "ym", "weeks", "seasons")  # numbers that are such dates only where that is said


def infer_dates(
    texts: Sequence[str],
    counts: NDArray[np.int64] | None = None,
    *,
    dates: str = "auto",
    enough: float = ENOUGH,
    today: datetime.date | None = None,
) -> DateFormat | AmbiguousDates | None:
    """Returns how a column's dates are written; None if it holds no dates.

    Where day and month, the year of two digits or the quarter may be read in several ways, all texts decide together:
    by values that only one reading allows, by even spacing, and by the order of the file. Numbers are dates only where
    all are written as 202611 or 20261121.

    Args:
        texts: the distinct texts, in the order of the file.
        counts: how often each occurs.
        dates: `auto`, or a reading: `dmy`, `mdy`, `ymd`, `my` (of 11/26), `ym`, `months` or `quarters` (of 1-2015),
            `years`, `weeks` (of 202647), `seasons` (of 2026/27), `excel`, `unix`, `unix_ms`, `unix_us` or `unix_ns` for
            numbers, `numbers` for no dates; `2035`, or `dmy-2035`, for the last year that two digits mean.
        enough: the fraction of the cells that have to be dates.
        today: the day whose year is the last one that two digits mean, unless the column says otherwise.

    Raises:
        DataError: there is no such reading.
    """
    word, last_year = _read_key(dates)
    if word in NUMBERS:
        form = DateFormat(numbers=word)  # type: ignore[arg-type]
        return form if _share(form.read(texts), counts) >= enough else None
    if word == "numbers" or not (word in STATED or _may_be_dates(texts)):
        return None
    column = ShapedTexts(texts)
    year = (today or datetime.date.today()).year
    readings = {form: column.read(form) for form in _candidates(column, word, last_year, year)}
    shares = {form: _share(moments, counts) for form, moments in readings.items()}
    if max(shares.values(), default=0.0) < enough:
        return None
    possible = {form: readings[form] for form in readings if shares[form] >= HALF or column.reads_alike(readings[form])}
    readings = drop_impossible(column, possible)
    if max(shares[form] for form in readings) < enough:
        return None
    readings = drop_unlikely(column, join_equal(readings), texts)
    if len(readings) > 1:
        return AmbiguousDates(_differing(texts, readings), _keys(readings))
    ((form, moments),) = readings.items()
    if word not in STATED and are_seasons(column, moments):
        return None
    if not word and (text := _day_or_year(column, texts)):
        return AmbiguousDates(text, _keys(readings), "a day of an unknown year")
    return form


def infer_cells(cells: Cells, *, dates: str = "auto", enough: float = ENOUGH) -> DateFormat | AmbiguousDates | None:
    """Returns how the dates of cells are written, as `infer_dates` does."""
    return infer_dates(cells.values, cells.counts, dates=dates, enough=enough)


def read_moments(cells: Cells, name: str, *, dates: str = "auto") -> NDArray[np.float64]:
    """Returns when each cell is, `(N,)`: its number or, where most texts are no numbers, its date in microseconds from
    1970 on in UTC; NaN where a cell is neither.

    Args:
        cells: of the column.
        name: of the column.
        dates: as in `infer_dates`.

    Raises:
        DataError: the dates may be read in several ways.
    """
    moments = cells.numbers
    if len(moments) and np.isnan(moments).mean() > HALF:
        form = infer_cells(cells, dates=dates, enough=HALF)
        if isinstance(form, AmbiguousDates):
            raise form.refuse(f"column {name!r}")
        moments = _as_floats((form or DateFormat()).read(cells.values))
    return np.append(moments, np.nan)[cells.codes]


def are_dates(cells: Cells) -> bool:
    """Tells by a column's first texts whether it holds dates that are no numbers."""
    return not cells.all_numbers and infer_dates(cells.values[:FEW]) is not None


def no_time(cells: Cells, at: int, name: str, *, fix: str, override: str) -> DataError:
    """Returns the error of a cell that is not a date or time.

    Args:
        cells: of the column.
        at: the cell's position among them.
        name: of the column.
        fix: what else can be done than to correct the cell.
        override: that does it.
    """
    cell = cells.spell(at)
    return DataError(
        f"{cell} is not a date or time",
        where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
        fix=f"correct it, write dates as 2026-11-21, or {fix}",
        override=override,
    )


def _read_key(dates: str) -> tuple[str, int | None]:
    match = KEY.fullmatch(str(dates))
    if not match or not match[0] or (match[1] and match[0] != "auto"):
        raise DataError(
            f"{dates!r} is no way to read dates",
            where="data.dates",
            fix="choose auto, dmy, mdy, ymd, my, ym, months, quarters, years, weeks, seasons, excel, unix, unix_ms, "
            "unix_us, unix_ns, numbers, or the last year of two digits, as in 2035 and dmy-2035",
            override="data.dates=auto",
        )
    return match[2] or "", int(match[3]) if match[3] else None


def _may_be_dates(texts: Sequence[str]) -> bool:
    """Tells by a sample whether a column may hold dates, so that long columns of other texts cost little."""
    sample = texts[:: len(texts) // FEW] if len(texts) > MANY else texts
    return sum(bool(find_layouts(text.translate(DIGITS))) for text in sample) > HALF * len(sample) / 2


def _candidates(column: ShapedTexts, word: str, last_year: int | None, year: int) -> Iterable[DateFormat]:
    layouts = list(column.layouts())
    orders: list[Any] = sorted({layout.order for layout in layouts} - {""}) or [""]
    periods: list[Any] = sorted({layout.periods for layout in layouts} - {""}) or [""]
    if word in ("dmy", "mdy", "ymd"):
        orders = [word]
    if word in ("months", "quarters"):
        periods = [word]
    lengths = {len(characters) for _, characters, layouts in column.groups if layouts[0].number == "compact"}
    numbers: Any = word if word in ("years", *STATED) else "compact" if len(lengths) == 1 else ""
    for order in orders:
        short_years = column.short_years(order, numbers)
        for last in [last_year] if last_year or not len(short_years) else last_years(short_years, year):
            for period in periods:
                yield DateFormat(order, last, period, numbers)


def _day_or_year(column: ShapedTexts, texts: Sequence[str]) -> str:
    """Returns a text such as 18-Jan if these may all be days instead of years."""
    rows = column.rows_where(lambda layout: layout.order == "ymd" and isinstance(layout.month, int))
    days = [int(match[0]) for row in rows if (match := re.search(r"\d\d", texts[row]))]
    return str(texts[rows[0]]) if days and max(days) <= DAYS else ""


def _differing(texts: Sequence[str], readings: Readings) -> str:
    """Returns the text that the readings agree least on."""
    moments = np.sort(np.stack(list(readings.values())), axis=0)
    differences = (moments[1:] != moments[:-1]).sum(axis=0) - len(readings) * np.isnat(moments).any(axis=0)
    return str(texts[int(differences.argmax())])


def _keys(readings: Iterable[DateFormat]) -> Mapping[str, DateFormat]:
    """Returns the readings by the keys that choose them."""
    forms = list(readings)
    last_years = len({form.order for form in forms}) < len(forms) and len({form.last_year for form in forms}) > 1
    keys = {}
    for form in forms:
        words = [form.order.replace("either", "dmy"), form.periods, str(form.last_year) if last_years else ""]
        keys["-".join(filter(None, words))] = form
    return keys


def _share(moments: Moments, counts: NDArray[np.int64] | None) -> float:
    weights = np.ones(len(moments)) if counts is None else counts
    return float(weights[~np.isnat(moments)].sum() / max(weights.sum(), 1))


def _as_floats(moments: Moments) -> NDArray[np.float64]:
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))

"""Chooses the roles of a table's columns: times, the names of series, values, and what comes beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list, nearest
from dltrain.data.column_names import pick_column, plain
from dltrain.data.date_format import DateFormat
from dltrain.data.dates import are_dates, infer_dates
from dltrain.errors import DataError
from dltrain.kinds.series.date_columns import PARTS, PERIOD

TIME = r"(unix|utc|local)?(timestamp|datetime|date|time|epoch)(utc|local|ms|s)?|t|ts|dt|ds|datum|fecha|zeit|"
TIME += r"(iso)?(year|yr)(iso)?(week|wk|month|mon|quarter|qtr)|year|month|week|day|hour|period|quarter|index|"
TIME += r"yyyymm(dd(hh(mm(ss)?)?)?)?|yyyyww|elapsed(time)?|duration|"
TIME += r"(时间|日期|月份|年份|年|月|日|时间戳|年月)"
SERIES = r"(unique|series|ts|item|store|shop|sku|product|station|sensor|site|customer|user|asset|meter|region|country)"
SERIES += (
    r"?(id|nbr|no|nr|name|code|key)|series|store|shop|item|sku|product|station|sensor|site|customer|ticker|symbol|"
)
SERIES += r"asset|meter|region|country|state|city|branch|location|department|dept|family|category"
# In names of parts of a date or a day, which name no series.
WITHIN = r"year|quarter|month|week|day|date|hour|minute|time|period|slot|interval|uhr|stunde|doy"
PART_OF_DATE = "|".join([*PARTS.values(), PERIOD, r"week(day|end)|isweekend|dow|wday|isoyear|mnth|season"])
PART_OF_DATE += r"|(is|public)?(holiday|workingday|workday|businessday|weekend|weekday)"
PART_OF_DATE += r"|(day|week|hour|month|minute)of(the)?(day|week|month|year)"
DECIMAL = r"decimal(date|year|time)|(date|year)decimal|yearfraction|fractionalyear"
MOST_TOGETHER = {1: 1000, 2: 12, 3: 6}  # candidates of which so many are tried together
CERTAIN = r"uniqueid|seriesid|tsid|seriesname|series"  # names of nothing else
SUMMARY = (
    r"(grand)?(total|sum|min|max|minimum|maximum|mean|avg|average|median|std|var|count|annual)"  # of all its values
)
COUNTER = r"no|nr|index|id|row|rownumber|rowid|column1|unnamed0"
REPEATED = 1 / 3  # share of rows whose time another one has, from which on there may be several series
COPIES = 0.01  # share of rows that may repeat time and series of another
FEW_DATES = 500  # by which a column of numbers is told to hold dates
FEW_ROWS = 10  # in which values may climb evenly by chance
ROWS_EACH = 3  # at least, on average, of the series that a column names


@dataclass(frozen=True)
class Roles:
    """The roles of a table's columns.

    Args:
        target: the columns of values, C.
        time: the column of times; empty for none.
        series: the columns that tell series apart; empty for one series.
        known: columns that are known ahead.
        observed: columns that are known up to the time of a forecast.
        static: columns that are the same in all rows of a series.
    """

    target: tuple[str, ...]
    time: str = ""
    series: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Roles:
        """Returns the roles that `to_json` stored.

        Raises:
            KeyError, TypeError: they are damaged.
        """
        names = {key: tuple(map(str, stored[key])) for key in ("target", "series", "known", "observed", "static")}
        return cls(time=str(stored["time"]), **names)

    def to_json(self) -> dict[str, Any]:
        """Returns its fields."""
        return {key: value if isinstance(value, str) else list(value) for key, value in vars(self).items()}

    @property
    def covariates(self) -> tuple[str, ...]:
        """Returns the columns beside the values."""
        return (*self.observed, *self.known)


def as_names(given: str | int | Sequence[Any] | None) -> tuple[str, ...]:
    """Returns the names of columns that a config gives as one name or a list; YAML may read one as a number."""
    if given is None:
        return ()
    several = isinstance(given, Sequence) and not isinstance(given, str)
    return tuple(dict.fromkeys(map(str, given if several else [given])))  # type: ignore[arg-type]


def check_named(key: str, names: Sequence[str], frame: pd.DataFrame, others: Sequence[str] = ()) -> None:
    """Refuses names that no column has.

    Args:
        key: of the config, below `data`.
        names: of columns.
        frame: the table.
        others: columns that may be meant instead.

    Raises:
        DataError: there is no such column.
    """
    for name in names:
        if name not in frame.columns:
            best = (nearest(name, frame.columns) or [*others, ""])[0]
            raise DataError(
                f"the table has no column {name!r}",
                where=f"data.{key}",
                fix=f"name one of its columns: {name_list(frame.columns)}",
                override=list_override(key, [best if other == name else other for other in names]) if best else "",
            )


def list_override(key: str, given: Iterable[str]) -> str:
    """Returns the override that names columns."""
    names = list(dict.fromkeys(given))
    return f"data.{key}={names[0] if len(names) == 1 else '[' + ','.join(names) + ']'}" if names else ""


def find_time(
    frame: pd.DataFrame, cells: Mapping[str, Cells], named: str | None, taken: Sequence[str] | None
) -> str | None:
    """Returns the column of times: the given one, one with a usual name, or the first with dates; None without one."""
    column = pick_column(frame, "time", named, TIME, taken or ())
    if column is not None and (named is not None or len(cells) > 1):
        dated = [name for name in cells if name not in (taken or ()) and are_dates(cells[name])]
        return column if named is not None or not dated or column in dated else dated[0]
    for name in cells:
        if name not in (taken or ()) and are_dates(cells[name]):
            return name
    for name in cells:
        if name not in (taken or ()) and _climbs_as_dates(cells[name]):
            return name
    counting = next(iter(cells))  # a column without a name, as spreadsheets and pandas write their row numbers
    nameless = plain(counting) in ("column1", "unnamed0")
    if len(cells) < 2 or counting in (taken or ()):
        return None
    return counting if (nameless and _counts(cells[counting])) or climbs(cells[counting]) else None


def _climbs_as_dates(cells: Cells) -> bool:
    """Tells whether all numbers of a column are dates such as 20261121 that never fall."""
    if cells.missing or not cells.all_numbers or len(cells.values) < FEW_ROWS:
        return False
    form = infer_dates(cells.values[:FEW_DATES], enough=1.0)
    compact = isinstance(form, DateFormat) and form.numbers == "compact"
    return compact and bool((np.diff(cells.as_numbers()) >= 0).all())


def check_rows(cells: Mapping[str, Cells], taken: Sequence[str]) -> None:
    """Refuses a table without times in which a column of words differs in every row: its rows may be no steps.

    Args:
        cells: of all columns.
        taken: the columns that have a role.

    Raises:
        DataError: there is such a column.
    """
    for name, column in cells.items():
        unlike = len(column.values) == len(column.codes) > FEW_ROWS and not column.missing
        if name not in taken and unlike and np.isnan(column.numbers).all():
            raise DataError(
                f"no column of times was found, and {name!r} differs in every row, as in {column.values[0]!r}: "
                "the rows may be no steps in time",
                where="data.time",
                fix="write its times as 2026-11-21, or say that each row is a step, in the order of the file",
                override="data.gaps=ignore",
            )


def find_series(cells: Mapping[str, Cells], time: str | None, taken: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns that tell the series of a table apart; none where there is one series.

    Args:
        cells: of all columns.
        time: the column of times, if there is one.
        taken: columns that already have another role.

    Raises:
        DataError: several columns could do so.
    """
    free = {name: column for name, column in cells.items() if name != time and name not in taken}
    rows = len(next(iter(cells.values())).codes)
    certain = [name for name in free if re.fullmatch(CERTAIN, plain(name)) and _may_name(free[name], rows)]
    if certain:
        return (certain[0],)
    if time is None or rows - len(np.unique(cells[time].codes)) < REPEATED * rows:
        return ()
    candidates = [name for name in free if _may_name(free[name], rows) and not re.search(WITHIN, plain(name))]
    for size in (1, 2, 3):
        few = candidates[: MOST_TOGETHER[size]]
        several = [names for names in combinations(few, size) if _tell_apart(free, names, cells[time])]
        if several:
            return _choose(free, several)
    return ()


def _may_name(cells: Cells, rows: int) -> bool:
    """Tells whether a column may name series: it has no gaps and no fractions, and its values repeat."""
    if cells.missing or not 2 <= len(cells.values) <= rows / ROWS_EACH:
        return False
    numbers = cells.numbers[~np.isnan(cells.numbers)]
    return bool((numbers == np.floor(numbers)).all())


def codes_of(cells: Mapping[str, Cells], names: Sequence[str]) -> NDArray[np.int64]:
    """Returns the number `(N,)` of each row's combination of cells, in the order of their first rows."""
    rows = np.stack([cells[name].codes for name in names], axis=1)
    codes, _ = pd.factorize(pd.MultiIndex.from_arrays(list(rows.T)) if len(names) > 1 else rows[:, 0])
    return codes.astype(np.int64)


def _tell_apart(cells: Mapping[str, Cells], names: Sequence[str], time: Cells) -> bool:
    codes = codes_of(cells, names)
    repeated = pd.DataFrame({"series": codes, "time": time.codes}).duplicated().sum()
    return bool(repeated <= COPIES * len(codes))


def _choose(cells: Mapping[str, Cells], several: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Returns the most likely one of several choices of columns: by names, then texts, then the order of the file.

    Raises:
        DataError: they make different series, and no name tells which are meant.
    """

    def rank(names: tuple[str, ...]) -> tuple[int, int]:
        unusual = sum(not re.fullmatch(SERIES, plain(name)) for name in names)
        return unusual, sum(cells[name].all_numbers for name in names)

    best = min(map(rank, several))
    likely = [names for names in several if rank(names) == best]
    counts = {len(np.unique(codes_of(cells, names))) for names in likely}
    if len(counts) > 1:
        spelled = " or ".join("+".join(names) for names in likely[:4])
        raise DataError(
            f"the table holds several series, which {spelled} may tell apart",
            where="data.series",
            fix="name the column that does, or several of them",
            override=list_override("series", likely[0]),
        )
    return likely[0]


def find_static(cells: Mapping[str, Cells], codes: NDArray[np.int64], taken: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns that are the same in all rows of a series, and whose values several series share."""
    count = int(codes.max()) + 1
    static = []
    for name, column in cells.items():
        summary = column.all_numbers and re.fullmatch(SUMMARY, plain(name))
        if name in taken or summary or not 2 <= len(column.values) <= count / 2:
            continue
        if is_still(column, codes):
            static.append(name)
    return tuple(static)


def is_still(cells: Cells, codes: NDArray[np.int64]) -> bool:
    """Tells whether a column is the same in all rows of a series, whose numbers are given for each row."""
    pairs = pd.DataFrame({"series": codes, "value": cells.codes}).drop_duplicates()
    return len(pairs) == int(codes.max()) + 1


def is_counter(name: str, cells: Cells) -> bool:
    """Tells whether a column only counts the rows."""
    return bool(re.fullmatch(COUNTER, plain(name))) and _counts(cells)


def is_part_of_date(name: str, cells: Cells) -> bool:
    """Tells whether a column of whole numbers is called as a part of a date is, such as month or weekday, or one of
    fractions as a date."""
    numbers = cells.numbers
    if re.fullmatch(DECIMAL, plain(name)):
        return True
    return bool(re.fullmatch(PART_OF_DATE, plain(name))) and bool((numbers == np.floor(numbers)).all())


def climbs(cells: Cells) -> bool:
    """Tells whether numbers climb by one whole step from row to row, as seconds since 1970 do and values do not."""
    numbers = cells.as_numbers()
    steps = np.diff(numbers)
    return len(numbers) > FEW_ROWS and bool((steps == steps[0]).all()) and steps[0] >= 1 and not cells.missing


def _counts(cells: Cells) -> bool:
    numbers = cells.as_numbers()
    return len(numbers) > 2 and bool((np.diff(numbers) == 1).all())

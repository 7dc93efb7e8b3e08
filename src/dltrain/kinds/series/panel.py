"""Reads a table as a panel of series: one series, or many with one model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, Form, check_numbers, name_list, read_cells
from dltrain.data.stand_ins import empty_cells, for_columns, remark_stand_in
from dltrain.errors import DataError
from dltrain.kinds.forms import DecimalChoice, FormOfNumbers, ThousandsChoice, form_of_numbers, read_written
from dltrain.kinds.forms import Reading as FormReading
from dltrain.kinds.series.columns import (
    Roles,
    check_named,
    check_rows,
    climbs,
    codes_of,
    find_series,
    find_static,
    find_time,
    is_counter,
    is_part_of_date,
    is_still,
    list_override,
)
from dltrain.kinds.series.covariates import Covariate
from dltrain.kinds.series.date_columns import join_dates
from dltrain.kinds.series.plain_cells import read_all, with_plain_cells
from dltrain.kinds.series.read import Reading
from dltrain.kinds.series.regular import RegularSeries
from dltrain.kinds.series.wide import turn_wide

SHOWN = 3  # names of series in a note


@dataclass(frozen=True)
class Given:
    """The columns that the user names; empty or `None` for those that are to be found."""

    target: tuple[str, ...] = ()
    time: str | None = None
    series: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """The series of a table, and how it was read.

    Args:
        series: in the order of their first rows.
        reading: how rows became series.
        notes: what was found and done.
    """

    series: tuple[RegularSeries, ...]
    reading: Reading
    notes: tuple[str, ...]

    @property
    def roles(self) -> Roles:
        """Returns the roles of the columns."""
        return self.reading.roles


def read_panel(
    frame: pd.DataFrame,
    given: Given,
    options: Reading,
    decimal: DecimalChoice = "auto",
    thousands: ThousandsChoice = "auto",
) -> Panel:
    """Returns the series of a table.

    Args:
        frame: as a file has it.
        given: the columns that the user names.
        options: how rows become series, without roles and forms.
        decimal: the decimal mark of numbers.
        thousands: the mark between groups of three digits.

    Raises:
        DataError: there are no numbers, a column does not exist, the times are not evenly spaced, two rows contradict
            each other, or a gap is too long.
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    count = len(frame)
    frame = with_plain_cells(frame)
    notes = [f"left out {count - len(frame):,} rows without any cell below the table"] if len(frame) < count else []
    turned = turn_wide(frame) if not set(given.target) & set(frame.columns) and given.time is None else None
    if turned is not None:
        frame, given = turned.frame, replace(given, target=given.target or (turned.value,), time=turned.time)
        notes += turned.notes
    beside = (*given.target, *given.known, *given.observed, *given.series)
    if given.time is None:
        frame = join_dates(frame, beside)
    cells = read_all(frame)
    for key in ("series", "known", "observed"):
        check_named(key, getattr(given, key), frame)
    time = find_time(frame, cells, given.time, beside)
    series = given.series
    if not series and turned is not None and turned.by_row:
        series = _name_rows(cells, turned.time, turned.value)
    elif not series:
        series = find_series(cells, time, (*given.target, *given.known, *given.observed))
    apart = {*series, *([time] if time else [])}
    missing = for_columns(options.missing, list(frame.columns), apart)
    frame, emptied = empty_cells(frame, missing)
    cells |= read_all(frame[[name for name in missing if emptied]])
    options = replace(options, missing=missing)
    taken = (*series, *given.known, *given.observed, *([time] if time else []))
    reading = FormReading.of(
        (column for name, column in cells.items() if name not in (time, *series)), decimal, thousands
    )
    codes = codes_of(cells, series) if series else np.zeros(len(frame), np.int64)
    beside_values = [
        name
        for name, column in cells.items()
        if is_still(column, codes)
        or set(column.values) == {"0", "1"}
        or (time and (is_part_of_date(name, column) or climbs(column)))
    ]
    forms, remarks = _choose_values(frame, cells, given.target, taken, reading, beside_values)
    roles = Roles(tuple(forms), time or "", series, given.known, given.observed)
    if time is None and options.gaps != "ignore":
        check_rows(cells, (*taken, *roles.target))
    if series:
        roles = replace(roles, static=find_static(cells, codes, (*taken, *roles.target)))
    covariates = tuple(
        Covariate.fit(name, read_written(frame[name], reading, cells[name]), reading, key)
        for names, key in ((given.observed, "data.observed"), (given.known, "data.known"))
        for name in names
    )
    options = replace(options, roles=roles, forms=forms, covariates=covariates)
    read, more = options.read(frame, cells)
    words = [f"values {name_list(roles.target)}"]
    words.append(f"times {time}" if time else "one row per step: no column of times")
    if series:
        words.append(f"series {name_list(series)}: {len(read)}, {_lengths(read)}")
    words += [
        f"{role} {name_list(names)}"
        for role, names in (("known ahead", roles.known), ("observed", roles.observed), ("static", roles.static))
        if names
    ]
    remarks += emptied
    left = _unused_note({name: cells[name] for name in _unused(roles, frame.columns)}, codes)
    return Panel(read, options, (*notes, ", ".join(words), *remarks, *left, *more))


def _lengths(series: Sequence[RegularSeries]) -> str:
    shortest, longest = min(map(len, series)), max(map(len, series))
    return f"{shortest} steps each" if shortest == longest else f"{shortest} to {longest} steps each"


def _name_rows(cells: Mapping[str, Cells], time: str, value: str) -> tuple[str, ...]:
    """Returns the columns that name the rows of a wide table: the first of words that does, else all of words, else the
    first that does.

    Raises:
        DataError: none does.
    """
    others = [name for name in cells if name not in (time, value)]
    rows = len(next(iter(cells.values())).codes) // max(1, len(cells[time].values))
    words = [name for name in others if cells[name].values and not cells[name].all_numbers]
    for names in [*((name,) for name in words), tuple(words), *((name,) for name in others)]:
        if names and codes_of(cells, names).max() + 1 == rows:
            return names
    raise DataError(
        "the columns are times, and no other column tells the rows apart",
        where="data.series",
        fix="add a column with a name for each row",
    )


def _choose_values(
    frame: pd.DataFrame,
    cells: Mapping[str, Cells],
    target: Sequence[str],
    taken: Sequence[str],
    reading: FormReading,
    last: Sequence[str],
) -> tuple[dict[str, Form | None], list[str]]:
    """Returns the columns of values and how their numbers are written, and remarks on that; without a target, those
    named last are values only where nothing else is.

    Raises:
        DataError: a column does not exist, or is not one of numbers.
    """
    free = [name for name in cells if name not in taken and (cells[name].values or name in target)]
    read = {}
    for name in free:
        written = read_written(frame[name], reading, cells[name])
        if name in target or not is_counter(name, cells[name]):
            read[name] = form_of_numbers(name, written, reading) if len(written.values) else None
    numeric = [name for name, form in read.items() if form is not None]
    clean = [name for name in numeric if read_cells(frame[name], form=_form(read[name])).all_numbers]
    check_named("target", target, frame, clean)
    chosen = [*dict.fromkeys(target)] or [name for name in numeric if name not in last] or numeric
    remarks = []
    for name in chosen:
        written_so = read.get(name)
        remarks += [f"{name}: {remark}" for remark in (written_so.remarks if written_so else ())]
        remarks += remark_stand_in(name, read_cells(frame[name], form=_form(written_so)))
        others = [other for other in clean if other != name]
        _check_words(name, frame, _form(read.get(name)), [other for other in chosen if other in others] or others)
    for name in free:
        if not target and name not in numeric and not is_counter(name, cells[name]):
            _check_words(name, frame, None, clean, strict=False)
    if not chosen:
        raise DataError(
            f"no column contains numbers: {name_list(cells)}",
            where="data.target",
            fix="give a file with a column of values",
        )
    return {name: _form(read.get(name)) for name in chosen}, remarks


def _form(numbers: FormOfNumbers | None) -> Form | None:
    return None if numbers is None else numbers.form


def _check_words(
    name: str, frame: pd.DataFrame, form: Form | None, others: Sequence[str], *, strict: bool = True
) -> None:
    """Refuses a column of numbers with words among them.

    Raises:
        DataError: it has some.
    """
    try:
        check_numbers(name, read_cells(frame[name], form=form), strict=strict)
    except DataError as error:
        fix = "correct it, leave the cell empty to have it interpolated, or say what stands for no value (data.missing)"
        fix += ", or leave the column out" if others else ""
        raise DataError(error.what, error.where, fix, list_override("target", others)) from None


def _unused(roles: Roles, names: Iterable[Any]) -> tuple[str, ...]:
    """Returns the columns that have no role."""
    taken = {*roles.target, roles.time, *roles.series, *roles.covariates, *roles.static}
    return tuple(str(name) for name in names if str(name) not in taken)


def _unused_note(columns: Mapping[str, Cells], codes: NDArray[np.int64]) -> Iterable[str]:
    """Yields notes on columns that have no role.

    Args:
        columns: these columns.
        codes: `(N,)` the series of each row.
    """
    still = [name for name, cells in columns.items() if len(cells.values) and is_still(cells, codes)]
    rest = [name for name, cells in columns.items() if len(cells.values) and name not in still]
    if rest:
        keys = "data.known for those that are known ahead, data.observed for others"
        yield f"not used: {name_list(rest)} ({keys})"
    if still:
        yield f"not used: {name_list(still)}, the same in all rows" + (" of a series" if codes.any() else "")

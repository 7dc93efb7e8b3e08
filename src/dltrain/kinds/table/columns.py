"""The roles of a table's columns, inferred from their cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dltrain.data.cell_parts import Parts, count_listed, find_parts
from dltrain.data.cells import Cells, Form, check_numbers, check_range, name_list, nearest, shorten
from dltrain.data.date_format import AmbiguousDates, DateFormat
from dltrain.data.dates import infer_cells
from dltrain.data.numbers import FEW_WORDS, LEAST
from dltrain.data.truth_values import are_truth_values
from dltrain.data.unix_times import UNITS, format_since_1970
from dltrain.errors import DataError
from dltrain.kinds.forms import Reading, form_of_numbers, note_gaps
from dltrain.kinds.table.words import has_words

MAX_DISTINCT_SHARE = 0.5
FEWEST_DATES = 10  # distinct numbers such as 20261121 or 202611, which are hardly all dates by accident
LEAST_DATE = 180001
ID_NAME = re.compile(r"(?i:(^|[ _-])(id|uuid|guid)$|^index$)|[a-z]I[dD]$|(编号|学号|序号|工号|证号)$")
NUMBER_NAME = re.compile(r"(?i:[ _-](no|nr|num|number))\.?$|[a-z]N[ro]$|(单号|号码)$")  # of ids where none repeats
ENTITY = re.compile(
    r"(patient|subject|user|customer|client|student|pupil|participant|person|household|player|driver|account|member|"
    r"employee|athlete|runner|rider|donor|respondent|volunteer)s?([ _-]?(id|no|nr|num|number|code))?|[pusc]id|mrn|"
    r"(case|record|chart|worker|animal|machine|device|sensor|engine)s?[ _-]?(no|nr|num|number|code)|"
    r"(用户|患者|病人|客户|学生|会员|员工|住院|病历)(id|编号|号)?",
    re.IGNORECASE,
)
NAMELESS = re.compile(r"column_1|Unnamed(: ?\d+)?|")
COUNTING = "consecutive whole numbers, which only number the rows"
PERMUTED = "consecutive whole numbers in another order, which only number the rows"
UNNAMED = "a column without a name, whose whole numbers only number the rows"
NUMBERING = (COUNTING, PERMUTED, UNNAMED)
FEWEST_ROWS = 20  # of a table whose row numbers are noticed in another order
ONLY_COUNTING = "consecutive whole numbers, but no other column is left"
ID_REASON = "an id with"

Role = Literal["numeric", "categorical", "boolean", "date", "text", "parts", "dropped"]


@dataclass(frozen=True)
class Column:
    """The role of a column and the reason for it.

    Args:
        name: of the column.
        role: which encoder it has, if it is not dropped.
        reason: for the role, in words.
        distinct: the number of its distinct values.
        missing: the number of its empty cells.
        form: how its numbers are written; `None` for plain numbers, and where they are none.
        dates: how its dates are written, if they are dates.
        parts: how its cells are composed, if they are of several numbers.
        remarks: what is not obvious about its cells, each in words.
    """

    name: str
    role: Role
    reason: str
    distinct: int = 0
    missing: int = 0
    form: Form | None = None
    dates: DateFormat | None = None
    parts: Parts | None = None
    remarks: tuple[str, ...] = ()


def infer_columns(
    table: Mapping[str, Cells],
    drop: Sequence[str] = (),
    roles: Mapping[str, Role] | None = None,
    reading: Reading | None = None,
) -> list[Column]:
    """Gives every feature column a role.

    Args:
        table: the feature columns by name.
        drop: columns that the user drops.
        roles: roles that the user gives.
        reading: how cells are read; `None` to judge by these columns alone.

    Raises:
        DataError: a column in `drop` or `roles` does not exist, or its cells have two readings, between which nothing
            decides, or numbers are beyond float32.
    """
    roles, reading = roles or {}, reading or Reading.of(table.values())
    for position, name in enumerate(drop):
        if name not in table:
            corrected = [*drop[:position], *nearest(name, table), *drop[position + 1 :]]
            raise no_column(name, table, "data.drop", f"data.drop=[{','.join(corrected)}]")
    for name in roles:
        if name not in table:
            near = nearest(name, table)
            raise no_column(name, table, "data.roles", f"data.roles={{{near[0]}: {roles[name]}}}" if near else "")
    columns = []
    for name, cells in table.items():
        if name in drop:
            columns.append(Column(name, "dropped", "set by data.drop"))
        elif name in roles:
            columns.append(_given(name, cells, roles[name], reading))
        else:
            columns.append(_infer(name, cells, drop, reading))
    if all(column.role == "dropped" for column in columns):
        # In a toy table the only input is often 1, 2, 3: better this feature than none.
        columns = [
            replace(column, role="numeric", reason=ONLY_COUNTING) if column.reason in NUMBERING else column
            for column in columns
        ]
    return columns


def is_entity(name: str, cells: Cells) -> bool:
    """Tells whether a column names who or what a row is about, as an id does that several rows share."""
    repeated = 1 < len(cells.values) < cells.present
    return looks_like_id(name) and repeated and not np.any(cells.numbers % 1 > 0)


def find_id(columns: Sequence[Column], table: Mapping[str, Cells]) -> str | None:
    """Returns the first dropped column that is called an id and names each row; `None` if there is none."""
    for column in columns:
        cells = table[column.name]
        numbers_rows = column.reason in NUMBERING or column.reason.startswith(ID_REASON)
        if numbers_rows and names_rows(column.name, cells):
            return column.name
    return None


def names_rows(name: str, cells: Cells) -> bool:
    """Tells whether a column is called an id and has another value in each row."""
    return looks_like_id(name) and len(cells.values) == len(cells.codes)


def looks_like_id(name: str) -> bool:
    """Tells whether a column is called an id, or after somebody or something that has one."""
    return bool(ID_NAME.search(name) or ENTITY.fullmatch(name.strip()))


def no_column(name: str, table: Iterable[str], where: str, override: str) -> DataError:
    """Returns the error of a name that no column of the table has."""
    return DataError(
        f"the table has no column {name!r}" + (" to drop" if where == "data.drop" else ""),
        where=where,
        fix=f"name one of its columns: {name_list(table)}",
        override=override,
    )


def _given(name: str, cells: Cells, role: Role, reading: Reading) -> Column:
    """Returns a column with the role that the user gives it.

    Raises:
        DataError: no cell can be read so.
    """
    plain = Column(name, role, "set by data.roles", len(cells.values), cells.missing)
    if role == "numeric":
        numbers = form_of_numbers(name, cells, reading)
        if numbers is None:
            check_numbers(name, cells, strict=True)
            return plain
        return replace(plain, form=numbers.form, remarks=numbers.remarks)
    if role == "date":
        return replace(plain, dates=_form_of_dates(name, cells, reading) or DateFormat())
    if role == "parts":
        parts = find_parts(cells.values, cells.counts, given=True)
        if parts is None:
            raise DataError(
                f"the cells of {name!r} are not composed of several numbers in one way",
                where="data.roles",
                fix="let dltrain choose",
                override="data.roles=null",
            )
        return replace(plain, parts=parts)
    return plain


def _infer(name: str, cells: Cells, drop: Sequence[str], reading: Reading) -> Column:
    distinct = len(cells.values)
    if distinct == 0:
        return Column(name, "dropped", "every cell is missing", 0, cells.missing)
    if distinct == 1 and cells.missing == 0:
        return Column(name, "dropped", f"every cell is {shorten(cells.values[0])}", 1)
    if ID_NAME.search(name) and not cells.all_numbers and distinct == cells.present:
        return Column(name, "dropped", f"{ID_REASON} {distinct} distinct values of {cells.present}", distinct)
    if not ID_NAME.search(name) and (dates := format_since_1970(cells, name)):
        unit = f"{UNITS[dates.numbers]} from 1970 on, in UTC"
        return Column(name, "date", "times since 1970", distinct, cells.missing, dates=dates, remarks=(unit,))
    numbers = form_of_numbers(name, cells, reading)
    if numbers is None:
        _refuse_lists(name, cells, drop)
        return replace(_judge_texts(name, cells, reading), distinct=distinct, missing=cells.missing)
    if numbers.form is None and not ID_NAME.search(name) and (dates := _form_of_compact_dates(cells)):
        return Column(name, "date", "numbers that are all dates", distinct, cells.missing, dates=dates)
    cells = cells.read_as(numbers.form)
    check_range(name, cells, drop=[*drop, name])
    role, reason = _judge_numbers(name, cells)
    gaps = int(np.isnan(cells.as_numbers()).sum())
    return Column(name, role, reason, distinct, gaps, form=numbers.form, remarks=numbers.remarks)


def _refuse_lists(name: str, cells: Cells, drop: Sequence[str]) -> None:
    """Refuses a column of images or series that are written as text, all that a model may have to learn from.

    Raises:
        DataError: every cell lists as many numbers.
    """
    if listed := count_listed(cells.values):
        raise DataError(
            f"each cell of the column {name!r} lists {listed:,} numbers, as an image or a series does",
            where="data.drop",
            fix="save images as arrays in one .npz file, images (N, H, W) and labels (N), for data=images; give other "
            "numbers a column each; or leave the column out",
            override=f"data.drop=[{','.join([*drop, name])}]",
        )


def _judge_numbers(name: str, cells: Cells) -> tuple[Role, str]:
    """Returns the role of a column of numbers, and the reason."""
    x, distinct = cells.as_numbers(), len(cells.values)
    if np.ptp(x - cells.rows) == 0 or np.ptp(x + cells.rows) == 0:
        return "dropped", COUNTING
    whole = not np.any(cells.numbers % 1 > 0)
    each_once = whole and distinct == len(x)
    if each_once and distinct >= FEWEST_ROWS and np.ptp(x) == distinct - 1:
        return "dropped", PERMUTED
    if each_once and distinct >= FEWEST_ROWS and NAMELESS.fullmatch(name):
        return "dropped", UNNAMED
    numbered = distinct >= FEWEST_ROWS and NUMBER_NAME.search(name)
    if whole and distinct == cells.present and (ID_NAME.search(name) or numbered):
        return "dropped", f"{ID_REASON} {distinct} distinct values of {cells.present}"
    if is_entity(name, cells):
        return "categorical", f"an id that rows share, with {distinct} distinct values"
    return "numeric", "numbers"


def _judge_texts(name: str, cells: Cells, reading: Reading) -> Column:
    """Returns the role of a column that is not one of numbers, and the reason."""
    distinct = len(cells.values)
    if are_truth_values(cells.values):
        return Column(name, "boolean", "true and false")
    if dates := _form_of_dates(name, cells, reading):
        return Column(name, "date", "dates", dates=dates, remarks=_words_among_dates(cells, dates))
    if parts := find_parts(cells.values, cells.counts):
        return Column(name, "parts", "cells of several numbers", parts=parts)
    if is_entity(name, cells):
        return Column(name, "categorical", f"an id that rows share, with {distinct} distinct values")
    if distinct <= MAX_DISTINCT_SHARE * cells.present:
        return Column(name, "categorical", f"text with {distinct} distinct values")
    if has_words(cells.values):
        return Column(name, "text", "text")
    return Column(name, "dropped", f"text with {distinct} distinct values of {cells.present}, which share no words")


def _form_of_compact_dates(cells: Cells) -> DateFormat | None:
    """Returns how dates such as 20261121 or 202611 are written; `None` if the numbers of a column are none."""
    if len(cells.values) < FEWEST_DATES or not cells.numbers.min() >= LEAST_DATE or cells.numbers.max() >= 1e8:
        return None
    form = infer_cells(cells, enough=1.0)
    return form if isinstance(form, DateFormat) else None


def _form_of_dates(name: str, cells: Cells, reading: Reading) -> DateFormat | None:
    """Returns how the dates of a column are written; `None` if they are none.

    Half of the cells have to be dates if the others are a few words, such as n/a and 0000-00-00, else nearly all.

    Raises:
        DataError: they have two readings.
    """
    form = infer_cells(cells, dates=reading.dates)
    if form is None:
        form = infer_cells(cells, dates=reading.dates, enough=LEAST)
        if isinstance(form, DateFormat):
            words = int(np.isnat(form.read(cells.values)).sum())
            form = form if words <= FEW_WORDS and len(cells.values) - words >= FEWEST_DATES else None
        else:
            form = None
    if isinstance(form, AmbiguousDates):
        raise form.refuse(f"column {name!r}")
    return form


def _words_among_dates(cells: Cells, dates: DateFormat) -> tuple[str, ...]:
    """Returns a remark on the cells that are no dates, if there are any."""
    words = np.flatnonzero(np.isnat(dates.read(cells.values))).tolist()
    return (note_gaps([cells.values[at] for at in words]),) if words else ()

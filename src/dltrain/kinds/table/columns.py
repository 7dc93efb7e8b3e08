"""The roles of a table's columns, inferred from their cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dltrain.data.cells import Cells, check_numbers, name_list, nearest, shorten
from dltrain.errors import DataError

MAX_DISTINCT_SHARE = 0.5
ID_NAME = re.compile(r"(?i:(^|[ _-])(id|uuid|guid)$|^index$)|[a-z]I[dD]$|(编号|学号|序号|工号|证号)$")
ENTITY = re.compile(
    r"(patient|subject|user|customer|client|student|pupil|participant|person|household|player|driver|account|member|"
    r"employee)s?([ _-]?(id|no|nr|num|number|code))?|(用户|患者|病人|客户|学生|会员|员工)(id|编号|号)?",
    re.IGNORECASE,
)
COUNTING = "consecutive whole numbers, which only number the rows"
ONLY_COUNTING = "consecutive whole numbers, but no other column is left"
ID_REASON = "an id with"

Role = Literal["numeric", "categorical", "dropped"]


@dataclass(frozen=True)
class Column:
    """The role of a column and the reason for it; `distinct` counts its values and `missing` its empty cells."""

    name: str
    role: Role
    reason: str
    distinct: int = 0
    missing: int = 0


def infer_columns(
    table: Mapping[str, Cells], drop: Sequence[str] = (), roles: Mapping[str, Role] | None = None
) -> list[Column]:
    """Gives every feature column a role.

    Args:
        table: the feature columns by name.
        drop: columns that the user drops.
        roles: roles that the user gives.

    Raises:
        DataError: a column in `drop` or `roles` does not exist, or a column of numbers has a few other cells.
    """
    roles = roles or {}
    for position, name in enumerate(drop):
        if name not in table:
            corrected = [*drop[:position], *nearest(name, table), *drop[position + 1 :]]
            raise _no_column(name, table, "data.drop", f"data.drop=[{','.join(corrected)}]")
    for name in roles:
        if name not in table:
            near = nearest(name, table)
            raise _no_column(name, table, "data.roles", f"data.roles={{{near[0]}: {roles[name]}}}" if near else "")
    columns = []
    for name, cells in table.items():
        if name in drop:
            columns.append(Column(name, "dropped", "set by data.drop"))
        elif name in roles:
            if roles[name] == "numeric":
                check_numbers(name, cells, strict=True)
            columns.append(Column(name, roles[name], "set by data.roles", len(cells.values), cells.missing))
        else:
            columns.append(_infer(name, cells, drop))
    if all(column.role == "dropped" for column in columns):
        # In a toy table the only input is often 1, 2, 3: better this feature than none.
        columns = [
            replace(column, role="numeric", reason=ONLY_COUNTING) if column.reason == COUNTING else column
            for column in columns
        ]
    return columns


def is_entity(name: str, cells: Cells) -> bool:
    """Tells whether a column names who or what a row is about, as an id does that several rows share."""
    named = ID_NAME.search(name) or ENTITY.fullmatch(name.strip())
    repeated = 1 < len(cells.values) < cells.present
    return bool(named) and repeated and not np.any(cells.numbers % 1 > 0)


def _no_column(name: str, table: Iterable[str], where: str, override: str) -> DataError:
    return DataError(
        f"the table has no column {name!r}" + (" to drop" if where == "data.drop" else ""),
        where=where,
        fix=f"name one of its columns: {name_list(table)}",
        override=override,
    )


def _infer(name: str, cells: Cells, drop: Sequence[str]) -> Column:
    distinct = len(cells.values)
    if distinct == 0:
        return Column(name, "dropped", "every cell is missing", 0, cells.missing)
    if distinct == 1 and cells.missing == 0:
        return Column(name, "dropped", f"every cell is {shorten(cells.values[0])}", 1)
    check_numbers(name, cells, drop=[*drop, name])
    role, reason = _judge(name, cells)
    return Column(name, role, reason, distinct, cells.missing)


def _judge(name: str, cells: Cells) -> tuple[Role, str]:
    distinct = len(cells.values)
    x = cells.as_numbers()
    if cells.all_numbers and (np.ptp(x - cells.rows) == 0 or np.ptp(x + cells.rows) == 0):
        return "dropped", COUNTING
    names_rows = distinct == cells.present and ID_NAME.search(name)
    if names_rows and not (cells.all_numbers and np.any(cells.numbers % 1)):
        return "dropped", f"{ID_REASON} {distinct} distinct values of {cells.present}"
    if is_entity(name, cells):
        return "categorical", f"an id that rows share, with {distinct} distinct values"
    if cells.all_numbers:
        return "numeric", "numbers"
    if distinct > MAX_DISTINCT_SHARE * cells.present:
        return "dropped", f"text with {distinct} distinct values of {cells.present}"
    return "categorical", f"text with {distinct} distinct values"

"""Columns of a table: infers their roles, and encodes categories."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, check_numbers, name_list, nearest, shorten, spell_as_read
from dltrain.data.splits import Indices
from dltrain.errors import DataError

MAX_DISTINCT_SHARE = 0.5
MAX_LEVELS = 64
ID_NAME = re.compile(r"(?i:(^|[ _-])(id|uuid|guid)$|^index$)|[a-z]I[dD]$|(编号|学号|序号|工号|证号)$")
COUNTING = "consecutive whole numbers, which only number the rows"
COUNTING_KEPT = "consecutive whole numbers, but no other column is left"
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


class Oddity(NamedTuple):
    """A remark about cells of a column that differ from the training rows.

    Args:
        what: the remark, with the column's name.
        rows: `(N,)` which of the cells it is about.
        with_cell: whether the cell's text is part of it; not if the cell is missing.
    """

    what: str
    rows: NDArray[np.bool_]
    with_cell: bool = True


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
            replace(column, role="numeric", reason=COUNTING_KEPT) if column.reason == COUNTING else column
            for column in columns
        ]
    return columns


def _no_column(name: str, table: Iterable[str], where: str, override: str) -> DataError:
    return DataError(
        f"the table has no column {name!r}" + (" to drop" if where == "data.drop" else ""),
        where=where,
        fix=f"its columns are {name_list(table)}",
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
    if cells.all_numbers:
        return "numeric", "numbers"
    if distinct > MAX_DISTINCT_SHARE * cells.present:
        return "dropped", f"text with {distinct} distinct values of {cells.present}"
    return "categorical", f"text with {distinct} distinct values"


@dataclass(frozen=True)
class CategoricalEncoder:
    """A column of categories: one-hot over the levels, then over `other` (pooled or unseen) and `missing`.

    Args:
        name: the name of the column.
        levels: the texts with an input of their own.
        other: whether all other texts share one more input.
        missing: whether a missing cell has the last input.
        fill: the level that a missing cell counts as; `None` for none.
    """

    name: str
    levels: tuple[str, ...]
    other: bool
    missing: bool
    fill: str | None = None

    @classmethod
    def fit(cls, name: str, cells: Cells, *, fill: bool = False) -> CategoricalEncoder:
        """Returns an encoder with the levels of training cells; `fill` fills gaps with the most frequent one."""
        counts = np.bincount(cells.codes[cells.codes >= 0], minlength=len(cells.values))
        # A level needs a few rows to be learned from: two in a small table, ten from 2,000 rows on.
        enough = min(max(2, 0.005 * len(cells.codes)), 10)
        frequent = [code for code in np.argsort(-counts, kind="stable") if counts[code] >= enough][:MAX_LEVELS]
        levels = sorted(cells.values[code] for code in frequent)
        other = bool(len(frequent) < np.count_nonzero(counts))
        most = cells.values[frequent[0]] if fill and frequent else None
        return cls(name, tuple(levels), other, cells.missing > 0 and most is None, most)

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the names of the inputs, in their order."""
        named = [f"{self.name}={level}" for level in self.levels]
        return (*named, *[f"{self.name} other"] * self.other, *[f"{self.name} missing"] * self.missing)

    @property
    def linear_scale(self) -> None:
        """Returns `None`, because no input is a linear function of a category."""
        return None

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, levels + other + missing)`; categories are not interpolated.

        A new level counts as other, or is all zeros without `other`; a missing cell is all zeros without `missing`.
        """
        width = len(self.features)
        nowhere = width  # an additional column, which is dropped at the end
        other = len(self.levels) if self.other else nowhere
        position = self._positions()
        of_value = [position.get(value, other) for value in cells.values]
        absent = width - 1 if self.missing else nowhere
        of_value.append(absent if self.fill is None else position[self.fill])
        one_hot = np.zeros((len(cells.codes), width + 1), dtype=np.float32)
        one_hot[np.arange(len(cells.codes)), np.array(of_value)[cells.codes]] = 1
        return one_hot[:, :width]

    def _positions(self) -> dict[str, int]:
        """Returns the position of each level, by its text and as it is spelled when it is read."""
        written = {level: index for index, level in enumerate(self.levels)}
        return {spell_as_read(level): index for level, index in written.items()} | written

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells have a new level, and which are missing if none was in training."""
        position = self._positions()
        learned = np.array([value in position for value in cells.values] + [True], dtype=bool)
        yield Oddity(f"{self.name} {'rare or new' if self.other else 'new'}", ~learned[cells.codes])
        if not self.missing and self.fill is None:
            yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)

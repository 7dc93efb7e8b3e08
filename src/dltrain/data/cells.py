"""Columns of a table: what each is good for and why, and how it becomes numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.errors import DataError

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "—"})
LARGEST = float(np.finfo(np.float32).max)
MAX_BAD_SHARE = 0.05
MAX_DISTINCT_SHARE = 0.5
MAX_LEVELS = 64
ID_NAME = re.compile(r"(?i:(^|[ _-])(id|uuid|guid)$|^index$)|[a-z]I[dD]$|(编号|学号|序号|工号|证号)$")
CODE = re.compile(r"0\d+")
COUNTING = "consecutive whole numbers, which only name the rows"
ID_REASON = "an id with"
COUNTING_KEPT = "consecutive whole numbers, but nothing else is left to learn from"


Role = Literal["numeric", "categorical", "dropped"]


@dataclass(frozen=True)
class Column:
    """What is done with a column, and why; `distinct` counts its values and `missing` its empty cells."""

    name: str
    role: Role
    reason: str
    distinct: int = 0
    missing: int = 0


@dataclass(frozen=True)
class Cells:
    """A column's cells as stripped text, each distinct text once.

    Args:
        codes: `(N,)` index into `values`; -1 where the cell is missing.
        values: the distinct texts.
        numbers: the values as numbers, NaN where a text is none.
        rows: `(N,)` row numbers in the source, counted from 0.
    """

    codes: NDArray[np.int64]
    values: tuple[str, ...]
    numbers: NDArray[np.float64]
    rows: NDArray[np.int64]

    @property
    def missing(self) -> int:
        return int((self.codes < 0).sum())

    @property
    def present(self) -> int:
        return len(self.codes) - self.missing

    @property
    def all_numbers(self) -> bool:
        return not np.isnan(self.numbers).any()

    def take(self, indices: NDArray[np.int64]) -> Cells:
        """Returns some of the cells; `values` still holds all texts."""
        return Cells(self.codes[indices], self.values, self.numbers, self.rows[indices])

    def as_numbers(self) -> NDArray[np.float64]:
        """Returns `(N,)`, NaN where a cell is missing or no number."""
        return np.append(self.numbers, np.nan)[self.codes]


def read_cells(column: pd.Series[Any], missing: frozenset[str] = MISSING) -> Cells:
    """Reads a column of text, of numbers or of anything with a text form; its index numbers the source's rows.

    Args:
        missing: casefolded texts that stand for a missing cell.
    """
    rows = column.index.to_numpy() if pd.api.types.is_integer_dtype(column.index) else np.arange(len(column))
    codes, distinct = pd.factorize(column)
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        numbers = np.asarray(distinct, dtype=np.float64)
        return Cells(codes.astype(np.int64), tuple(map(_spell, distinct)), numbers, rows)
    texts = [str(value).strip() for value in distinct]
    if texts != list(distinct):
        merged, stripped = pd.factorize(np.array(texts, dtype=object))
        codes, texts = np.append(merged, -1)[codes], list(stripped)  # the last is for code -1
    present = np.array([text.casefold() not in missing for text in texts], dtype=bool)
    values = tuple(compress(texts, present))
    codes = np.append(np.where(present, np.cumsum(present) - 1, -1), -1)[codes]
    numbers = np.array([_number(value) for value in values], dtype=np.float64)
    if any(map(CODE.fullmatch, values)) and all(map(str.isdigit, values)):
        numbers[:] = np.nan  # 007 is a name, and so are its neighbours
    return Cells(codes, values, numbers, rows)


def _spell(value: object) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and value.is_integer() else str(value)


def _number(text: str) -> float:
    try:
        number = float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan
    # Whole numbers that float64 cannot tell apart are names.
    return np.nan if text.lstrip("+-").isdigit() and abs(int(text)) > 2**53 else number


def infer_columns(
    table: Mapping[str, Cells], drop: Sequence[str] = (), roles: Mapping[str, Role] | None = None
) -> list[Column]:
    """Gives every feature column a role.

    Args:
        table: the feature columns by name.
        drop: names the user does not want.
        roles: roles the user has decided.

    Raises:
        DataError: `drop` or `roles` names no column, or a column of numbers holds a few cells that are none.
    """
    roles = roles or {}
    for position, name in enumerate(drop):
        if name not in table:
            mended = [*drop[:position], *nearest(name, table), *drop[position + 1 :]]
            raise _no_column(name, table, "data.drop", f"data.drop=[{','.join(mended)}]")
    for name in roles:
        if name not in table:
            near = nearest(name, table)
            raise _no_column(name, table, "data.roles", f"data.roles={{{near[0]}: {roles[name]}}}" if near else "")
    columns = []
    for name, cells in table.items():
        if name in drop:
            columns.append(Column(name, "dropped", "asked by data.drop"))
        elif name in roles:
            if roles[name] == "numeric":
                check_numbers(name, cells, strict=True)
            columns.append(Column(name, roles[name], "asked by data.roles", len(cells.values), cells.missing))
        else:
            columns.append(_infer(name, cells, drop))
    if all(column.role == "dropped" for column in columns):
        # In a first toy table the only input often counts 1, 2, 3: better an odd feature than none.
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


def check_numbers(name: str, cells: Cells, *, strict: bool = False, drop: Sequence[str] = ()) -> None:
    """Refuses a column of numbers with a few cells that are none, or with numbers beyond float32.

    Args:
        strict: the column has to be numbers, so any other cell is refused.
        drop: `data.drop` with this column, for the correction.

    Raises:
        DataError: naming the first such row, counted as in a spreadsheet (the header is row 1).
    """
    bad = np.append(np.isnan(cells.numbers), False)[cells.codes]
    override = f"data.drop=[{','.join(drop)}]" if drop else ""
    if bad.any() and (strict or bad.sum() <= MAX_BAD_SHARE * cells.present):
        at = int(bad.argmax())
        others = f" (and {bad.sum() - 1} more such cells)" if bad.sum() > 1 else ""
        raise DataError(
            f"{shorten(cells.values[cells.codes[at]])} in a column of numbers{others}",
            where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
            fix="correct it or leave the cell empty" + (", or drop the column" if drop else ""),
            override=override,
        )
    if bad.any():
        return
    beyond = np.append(np.abs(cells.numbers) > LARGEST, False)[cells.codes]
    if beyond.any():
        at = int(beyond.argmax())
        raise DataError(
            f"{cells.values[cells.codes[at]]} is not a finite number of 32 bits",
            where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
            fix="correct it or leave the cell empty" + (", or drop the column" if drop else ""),
            override=override,
        )


@dataclass(frozen=True)
class CategoricalEncoder:
    """A column of categories: one-hot over the levels, then over `other` (pooled or unseen) and `missing`."""

    name: str
    levels: tuple[str, ...]
    other: bool
    missing: bool
    fill: str | None = None  # the level that a missing cell counts as

    @classmethod
    def fit(cls, name: str, cells: Cells, *, fill: bool = False) -> CategoricalEncoder:
        """Learns the levels; with `fill`, a missing cell is taken for the most frequent one."""
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
        named = [f"{self.name}={level}" for level in self.levels]
        return (*named, *[f"{self.name} other"] * self.other, *[f"{self.name} missing"] * self.missing)

    def encode(self, cells: Cells) -> NDArray[np.float32]:
        """Encodes an unseen level as other, or as zeros where nothing was pooled; likewise an unforeseen gap."""
        width = len(self.features)
        nowhere = width  # one column more than is kept
        other = len(self.levels) if self.other else nowhere
        position = {level: index for index, level in enumerate(self.levels)}
        of_value = [position.get(value, other) for value in cells.values]
        absent = width - 1 if self.missing else nowhere
        of_value.append(absent if self.fill is None else position[self.fill])
        one_hot = np.zeros((len(cells.codes), width + 1), dtype=np.float32)
        one_hot[np.arange(len(cells.codes)), np.array(of_value)[cells.codes]] = 1
        return one_hot[:, :width]


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Returns the name most like `name`, or nothing."""
    by_key = {candidate.casefold().strip(): candidate for candidate in names}
    return [by_key[key] for key in difflib.get_close_matches(name.casefold().strip(), by_key, n=1, cutoff=0.5)]


def name_list(names: Iterable[object], limit: int = 20) -> str:
    """Returns the names with commas between, cut after `limit`."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def shorten(text: str, limit: int = 40) -> str:
    """Returns the text in quotes, cut after `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")

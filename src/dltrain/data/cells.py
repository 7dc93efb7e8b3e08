"""A column's cells as text and as numbers, and how its names and values are spelled in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.config.validation import nearest as similar_name
from dltrain.errors import DataError

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "—"})
LARGEST = float(np.finfo(np.float32).max)
MAX_BAD_SHARE = 0.05
CODE = re.compile(r"0\d+")  # as in 007: a name and no number


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
        """Returns how many cells are missing."""
        return int((self.codes < 0).sum())

    @property
    def present(self) -> int:
        """Returns how many cells are not missing."""
        return len(self.codes) - self.missing

    @property
    def all_numbers(self) -> bool:
        """Tells whether every text is a number."""
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
        first = int(bad.argmax())
        others = f" (and {bad.sum() - 1} more such cells)" if bad.sum() > 1 else ""
        raise DataError(
            f"{shorten(cells.values[cells.codes[first]])} in a column of numbers{others}",
            where=f"row {cells.rows[first] + 2}, column {name!r} (the header is row 1)",
            fix="correct it or leave the cell empty" + (", or drop the column" if drop else ""),
            override=override,
        )
    if bad.any():
        return
    beyond = np.append(np.abs(cells.numbers) > LARGEST, False)[cells.codes]
    if beyond.any():
        first = int(beyond.argmax())
        raise DataError(
            f"{cells.values[cells.codes[first]]} is not a finite number of 32 bits",
            where=f"row {cells.rows[first] + 2}, column {name!r} (the header is row 1)",
            fix="correct it or leave the cell empty" + (", or drop the column" if drop else ""),
            override=override,
        )


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Returns the name of a column or file that was probably meant, with a typing error or cut short; or nothing."""

    def plain(text: str) -> str:
        return text.casefold().strip().replace(".", " ")  # a dot does not divide it, as it does a key

    by_key = {plain(candidate): candidate for candidate in names}
    close = similar_name(plain(name), list(by_key))
    return [by_key[close]] if close else []


def name_list(names: Iterable[object], limit: int = 20) -> str:
    """Returns the names with commas between, cut after `limit`."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def shorten(text: str, limit: int = 40) -> str:
    """Returns the text in quotes, cut after `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")

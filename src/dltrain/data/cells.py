"""A column's cells as text and as numbers, and how its names and values are spelled in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, Protocol, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dltrain.config.validation import nearest as similar_name
from dltrain.errors import DataError

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "—"})
LARGEST = float(np.finfo(np.float32).max)
MAX_BAD_SHARE = 0.05
EXACT = 2**53  # from which on float64 does not tell whole numbers apart
SAMPLE = 5000  # cells by which it is judged how often numbers repeat
FIRST = 100  # cells by which a column is judged
WHOLE = re.compile(r"^([+-]?(?:0|[1-9]\d*))\.(?:0{1,2}|0{4,})$")  # as in 1.0, which is 1; 1.000 may be 1000
CODE = re.compile(r"0\d+")  # as in 007: a name and no number


class Form(Protocol):
    """How the numbers of a column are written."""

    def parse(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the numbers of texts, `(N,)`; NaN where a text is none."""
        ...


class Numbers(Sequence[str]):
    """Numbers as texts, each spelled only when it is needed."""

    def __init__(self, numbers: NDArray[np.float64]) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Numbers: ...
    def __getitem__(self, at: int | slice) -> str | Numbers:
        return Numbers(self.numbers[at]) if isinstance(at, slice) else spell_number(float(self.numbers[at]))

    def __iter__(self) -> Iterator[str]:
        return map(spell_number, self.numbers.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Cells:
    """A column's cells as stripped text, each distinct text once.

    Args:
        codes: `(N,)` index into `values`; -1 where the cell is missing.
        values: the distinct texts.
        numbers: the values as numbers, NaN where a text is none.
        rows: `(N,)` row numbers in the source, counted from 0.
        form: how the numbers are written; `None` for plain numbers.
        as_written: whether `values` are the texts of the cells even where all of them are numbers.
    """

    codes: NDArray[np.integer[Any]]
    values: Sequence[str]
    numbers: NDArray[np.float64]
    rows: NDArray[np.int64]
    form: Form | None = None
    as_written: bool = False

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

    @property
    def counts(self) -> NDArray[np.int64]:
        """Returns how many cells hold each of the values."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    def spell(self, at: int) -> str:
        """Returns the cell at a position in quotes, or that it is empty, in words."""
        return shorten(self.values[self.codes[at]]) if self.codes[at] >= 0 else "an empty cell"

    def take(self, indices: NDArray[np.int64]) -> Cells:
        """Returns some of the cells; `values` still holds all texts."""
        return replace(self, codes=self.codes[indices], rows=self.rows[indices])

    def read_as(self, form: Form | None) -> Cells:
        """Returns the same cells with the numbers that a form reads in them; `None` for plain numbers."""
        if form is None or form == self.form:
            return self
        return replace(self, numbers=form.parse(self.values), form=form)

    def or_else(self, others: Iterable[str]) -> tuple[str, ...]:
        """Returns the cells' texts, and where a cell is missing, another text."""
        pairs = zip(self.codes.tolist(), others, strict=True)
        return tuple(self.values[code] if code >= 0 else other for code, other in pairs)

    def only_numbers(self) -> Cells:
        """Returns the same cells; one that is no number is missing."""
        is_number = ~np.isnan(self.numbers)
        codes = np.append(np.where(is_number, np.cumsum(is_number) - 1, -1), -1)[self.codes]
        return replace(
            self, codes=codes, values=tuple(compress(self.values, is_number)), numbers=self.numbers[is_number]
        )

    def as_numbers(self) -> NDArray[np.float64]:
        """Returns `(N,)`, NaN where a cell is missing or no number."""
        return np.append(self.numbers, np.nan)[self.codes]


def read_cells(
    column: pd.Series[Any],
    missing: frozenset[str] = MISSING,
    *,
    form: Form | None = None,
    as_written: bool = False,
) -> Cells:
    """Reads a column of text, of numbers or of anything with a text form; its index numbers the source's rows.

    Numbers of one value are one value, however they are spelled: 1, 1.0 and 1e0. Durations are numbers, in seconds.

    Args:
        column: the cells.
        missing: casefolded texts that stand for a missing cell.
        form: how the numbers of texts are written; `None` for plain numbers.
        as_written: keep the texts even where all are plain numbers, because 1.200 may be 1200.
    """
    rows = column.index.to_numpy() if pd.api.types.is_integer_dtype(column.index) else np.arange(len(column))
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        column = column.dt.total_seconds()
    is_number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    if (form or as_written) and not is_number:
        cells = _read_written(column, missing, rows)
        return cells if form is None else cells.read_as(form)
    if isinstance(column.dtype, pd.ArrowDtype) and pa.types.is_string(column.dtype.pyarrow_dtype):
        return _read_texts(pa.chunked_array(column.array.__arrow_array__()), missing, rows)
    codes, distinct = pd.factorize(column)
    if is_number:
        numbers = np.asarray(distinct, dtype=np.float64)
        if pd.api.types.is_integer_dtype(distinct.dtype):
            numbers[np.abs(numbers) > EXACT] = np.nan  # as in texts, these are names
        values = Numbers(numbers) if numbers.dtype == distinct.dtype else tuple(map(_spell, distinct))
        return Cells(codes.astype(np.int32), values, numbers, rows, form)
    return _read_distinct(codes, [str(value) for value in distinct], missing, rows)


def _read_written(column: pd.Series[Any], missing: frozenset[str], rows: NDArray[np.int64]) -> Cells:
    """Reads the texts of a column as they are written, without blanks around them."""
    texts = column.astype("string").str.strip()
    codes, distinct = pd.factorize(texts.where(~texts.str.casefold().isin(missing)))
    values = tuple(map(str, distinct))
    numbers = np.array([_number(value) for value in values], dtype=np.float64)
    return Cells(codes.astype(np.int32), values, numbers, rows, as_written=True)


def _read_texts(column: pa.ChunkedArray, missing: frozenset[str], rows: NDArray[np.int64]) -> Cells:
    """Reads Arrow's strings: those of plain numbers at once, and others by their distinct texts."""
    numbers = _cast(column, missing)
    if numbers is not None:
        codes, distinct = _factorize(numbers)
        return Cells(codes, Numbers(distinct), distinct, rows)
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return _read_distinct(codes, encoded.dictionary.to_pylist(), missing, rows)


def _cast(column: pa.ChunkedArray, missing: frozenset[str]) -> NDArray[np.float64] | None:
    """Returns the numbers of a column `(N,)`, NaN where a cell is missing; None where a present cell is no number or
    the rules for names decide."""
    if column.null_count == len(column):
        return None
    try:
        numbers = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        if not _may_be_numbers(column, missing):
            return None
        column = pc.utf8_trim_whitespace(column)
        absent = pc.is_in(pc.utf8_lower(column), pa.array(sorted(missing), pa.string()))
        column = pc.if_else(absent, pa.scalar(None, pa.string()), column)
        try:
            numbers = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            return None
    read = numbers.to_numpy() + 0.0  # which makes 0 of -0
    absent = np.isnan(read)
    present = read[~absent] if absent.any() else read
    nameless = len(present) < len(column) - column.null_count and "nan" not in missing
    if nameless or not len(present) or max(-present.min(), present.max()) >= EXACT:
        return None
    whole = all(bool((part == np.floor(part)).all()) for part in (present[:FIRST], present))
    return None if whole and _padded(column) else read


def _factorize(numbers: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Returns the codes of numbers `(N,)`, -1 for NaN, and the distinct ones in the order of their first cells."""
    if len(np.unique(numbers[:SAMPLE])) > 0.995 * len(numbers[:SAMPLE]):
        codes, distinct = pd.factorize(numbers)
        return codes.astype(np.int32), distinct
    # Arrow is twice as fast where numbers repeat, and half as fast where they do not.
    encoded = pa.array(numbers, from_pandas=True).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_numpy(zero_copy_only=False)


def _may_be_numbers(column: pa.ChunkedArray, missing: frozenset[str]) -> bool:
    """Tells by the first cells that are not missing whether a column may hold numbers."""
    texts = (str(text).strip() for text in column.slice(0, FIRST).to_pylist() if text is not None)
    return all(text.casefold() in missing or not np.isnan(_number(text)) for text in texts)


def _padded(column: pa.ChunkedArray) -> bool:
    """Tells whether a cell is a code such as 007."""
    return bool(pc.any(pc.and_(pc.starts_with(column, "0"), pc.greater(pc.binary_length(column), 1))).as_py())


def _read_distinct(codes: NDArray[Any], texts: list[str], missing: frozenset[str], rows: NDArray[np.int64]) -> Cells:
    """Reads a column by the codes of its cells, -1 where one is missing, and its distinct texts."""
    stripped = [text.strip() for text in texts]
    present = np.array([text.casefold() not in missing for text in stripped], dtype=bool)
    numbers = np.array([_number(text) for text in stripped], dtype=np.float64)
    named = list(compress(stripped, present))
    if any(map(CODE.fullmatch, named)) and all(map(str.isdigit, named)):
        numbers[:] = np.nan  # 007 is a name, and so are its neighbours
    if np.isnan(numbers[present]).any():
        spelled = [WHOLE.sub(r"\1", text) for text in stripped]
    else:
        pairs = zip(stripped, numbers.tolist(), strict=True)
        spelled = [spell_number(number) if abs(number) <= LARGEST else text for text, number in pairs]
    position: dict[str, int] = {}
    of_text = [-1] * len(texts)
    first: list[int] = []
    for at in np.flatnonzero(present).tolist():
        code = of_text[at] = position.setdefault(spelled[at], len(position))
        if code == len(first):
            first.append(at)
    codes = np.array([*of_text, -1], dtype=np.int32)[codes]
    return Cells(codes, tuple(position), numbers[first], rows)


def _spell(value: object) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and value.is_integer() else str(value)


def spell_number(number: float) -> str:
    """Returns a number as text, a whole one without a point."""
    return str(int(number)) if number.is_integer() and abs(number) < EXACT else repr(number)


def spell_as_read(text: str) -> str:
    """Returns a value as `read_cells` spells it now, for values that a run stored as they were written: 1.50 is 1.5."""
    number = _number(text)
    return text if CODE.fullmatch(text) or not abs(number) <= LARGEST else spell_number(number)


def _number(text: str) -> float:
    try:
        number = float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan
    # Whole numbers that float64 cannot tell apart are names.
    return np.nan if text.lstrip("+-").isdigit() and abs(int(text)) > EXACT else number


def check_numbers(name: str, cells: Cells, *, strict: bool = False, drop: Sequence[str] = ()) -> None:
    """Refuses a column of numbers with a few cells that are none, or with numbers beyond float32.

    Args:
        strict: the column has to be numbers, so any other cell is refused.
        drop: `data.drop` with this column, for the correction.

    Raises:
        DataError: naming the first such row, counted as in a spreadsheet (the header is row 1).
    """
    bad = _where(cells, np.isnan(cells.numbers))
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
    if not bad.any():
        check_range(name, cells, drop=drop)


def check_range(name: str, cells: Cells, *, drop: Sequence[str] = ()) -> None:
    """Refuses a column with numbers beyond float32; other cells than numbers do not count.

    Args:
        drop: `data.drop` with this column, for the correction.

    Raises:
        DataError: naming the first such row, counted as in a spreadsheet (the header is row 1).
    """
    beyond = _where(cells, np.abs(cells.numbers) > LARGEST)
    if beyond.any():
        first = int(beyond.argmax())
        raise DataError(
            f"{cells.values[cells.codes[first]]} is not a finite number of 32 bits",
            where=f"row {cells.rows[first] + 2}, column {name!r} (the header is row 1)",
            fix="correct it or leave the cell empty" + (", or drop the column" if drop else ""),
            override=f"data.drop=[{','.join(drop)}]" if drop else "",
        )


def _where(cells: Cells, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns which cells have one of some values `(n,)`; a single False where none can."""
    return np.append(values, False)[cells.codes] if values.any() else np.zeros(1, dtype=bool)


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

"""The encoders of columns of numbers: fill gaps and scale values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import LARGEST, Cells, Form, check_numbers, read_cells, shorten
from dltrain.data.number_format import NumberFormat, Numbers
from dltrain.data.numbers import infer_format
from dltrain.data.splits import Indices
from dltrain.drawing.wording import spell
from dltrain.errors import DataError
from dltrain.kinds.forms import form_from_json, form_to_json
from dltrain.kinds.table.column_encoder import ColumnEncoder, Floats, Oddity, as_tuples
from dltrain.kinds.table.scale import Numeric, Scale

Impute = Literal["median", "mean", "most_frequent", "interpolate", "drop", "category"]

EXTRAPOLATED = "Outside these ranges the model extrapolates, with unknown accuracy."
ROUNDING = 1e-6  # relative rounding error of 32-bit numbers, in comparisons with a range
MOST_UNREAD = 0.2  # share of cells that are no numbers, beyond which the decimal mark may be another one


@dataclass(frozen=True)
class NumericEncoder(ColumnEncoder):
    """The encoder of a column of numbers: fills gaps, scales, and adds an indicator of gaps.

    Args:
        name: the name of the column.
        fill: the value of a missing cell, in the column's own unit; `None` for 0 after scaling.
        indicator: whether a second input tells that the cell was missing.
        scale: how numbers are scaled.
        interpolate: whether gaps are interpolated between the rows around them, instead of `fill`.
        limits: lowest and highest value, to which values are clipped; `None` for none.
        seen: smallest and largest value of the training rows; `None` if they had none.
        form: how the numbers are written; `None` for plain numbers.
    """

    role: ClassVar[str] = "numeric"

    name: str
    fill: float | None
    indicator: bool
    scale: Scale = Scale()  # noqa: RUF009
    interpolate: bool = False
    limits: tuple[float, float] | None = None
    seen: tuple[float, float] | None = None
    form: Form | None = None

    @classmethod
    def fit(
        cls,
        name: str,
        cells: Cells,
        *,
        numeric: Numeric = "quantile",
        impute: Impute = "median",
        limits: tuple[float, float] | None = None,
        form: Form | None = None,
    ) -> NumericEncoder:
        """Returns an encoder fitted to the cells of the training rows, written in a form, clipped to `limits`."""
        x = cells.read_as(form).as_numbers()
        present = x[~np.isnan(x)]
        seen = (float(present.min()), float(present.max())) if len(present) else None
        if limits is not None:
            x, present = np.clip(x, *limits), np.clip(present, *limits)
        fill = _fill_value(present, impute)
        indicator = len(present) < len(x) and impute not in ("interpolate", "drop")
        scale = Scale.fit(x, numeric, fill)
        interpolate = impute == "interpolate"
        return cls(name, fill, indicator, scale, interpolate=interpolate, limits=limits, seen=seen, form=form)

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the names of the inputs, in their order."""
        return (self.name, f"{self.name} missing") if self.indicator else (self.name,)

    def read(self, column: pd.Series[Any]) -> Cells:
        return read_cells(column, form=self.form)

    @property
    def measured(self) -> tuple[bool, ...]:
        return (True, False) if self.indicator else (True,)

    @property
    def linear_scale(self) -> tuple[float, float] | None:
        return None if self.indicator or self.scale.edges else (self.scale.mean, self.scale.std)

    @property
    def beyond(self) -> str:
        return "Numbers outside these ranges count as the nearest end." if self.scale.edges else EXTRAPOLATED

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, 1)`, or `(N, 2)` with the indicator; a cell that is no number counts as missing.

        Raises:
            DataError: none of the cells is a number, or many have another decimal mark than in training.
        """
        cells = cells.read_as(self.form)
        numbers = _finite(cells.numbers)
        self._check_mark(cells)
        if cells.present and np.isnan(numbers[cells.codes[cells.codes >= 0]]).all():
            check_numbers(self.name, cells, strict=True)
        by_value = not self.interpolate and len(numbers) < len(cells.codes)
        x = np.append(numbers, np.nan) if by_value else np.append(numbers, np.nan)[cells.codes]
        missing = np.isnan(x)
        if self.interpolate and missing.any():
            x = _interpolate(x, cells.rows, interpolate_from)
        if self.limits is not None:
            x = np.clip(x, self.limits[0], self.limits[1])
        if self.fill is not None:
            x = np.where(np.isnan(x), self.fill, x)
        x = self.scale.apply(x)
        columns = [np.where(np.isnan(x), 0.0, x)]
        if self.indicator:
            columns.append(missing)
        encoded = np.stack(columns, axis=1).astype(np.float32)
        return encoded[cells.codes] if by_value else encoded

    def _check_mark(self, cells: Cells) -> None:
        unread = np.isnan(cells.numbers)
        if not unread.any() or cells.counts[unread].sum() <= MOST_UNREAD * cells.present:
            return
        mark = self.form.decimal if isinstance(self.form, NumberFormat) else "."
        found = infer_format(cells.values, cells.counts)
        if isinstance(found, Numbers) and found.format.decimal != mark:
            first = next(compress(cells.values, (unread & ~np.isnan(found.numbers)).tolist()))
            raise DataError(
                f"numbers such as {shorten(first)} are written with another decimal mark than in training",
                where=f"column {self.name!r}",
                fix=f"write them with {mark!r}",
            )

    def decode(self, x: Floats) -> Floats:
        return self.scale.invert(x)

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are no numbers, which are outside the training range, and which are missing if none was
        in training."""
        cells = cells.read_as(self.form)
        yield Oddity(
            f"{self.name} is no number",
            (cells.codes >= 0) & np.append(np.isnan(_finite(cells.numbers)), False)[cells.codes],
        )
        if self.seen is not None:
            yield _beyond(self.name, cells, *self.seen)
        if not self.indicator and not self.interpolate:
            yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        ends = self.scale.edges or [self.scale.mean + self.scale.std * edge for edge in bins[0]]
        return _spell_range(ends, self.indicator)

    def to_json(self) -> dict[str, Any]:
        stored = super().to_json()
        form = {} if self.form is None else {"form": form_to_json(self.form)}
        del stored["form"]
        return stored | stored.pop("scale") | form

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        values = {key: as_tuples(value) for key, value in stored.items() if key != "form"}
        scale = {key: values.pop(key) for key in asdict(Scale()) if key in values}
        return cls(**values, scale=Scale(**scale), form=form_from_json(stored.get("form")))


@dataclass(frozen=True)
class StandardEncoder(ColumnEncoder):
    """The encoder of a column of 32-bit numbers, for data that consists of tensors and not of cells.

    Args:
        name: the name of the column.
        mean: subtracted.
        std: the divisor after that.
        seen: smallest and largest value of the training rows; `None` if unknown.
    """

    role: ClassVar[str] = "standard"

    name: str
    mean: float = 0.0
    std: float = 1.0
    seen: tuple[float, float] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the name of the only input."""
        return (self.name,)

    @property
    def linear_scale(self) -> tuple[float, float]:
        return self.mean, self.std

    @property
    def beyond(self) -> str:
        return EXTRAPOLATED

    def encode(self, cells: Cells, interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns `(N, 1)`; a missing cell becomes 0, since training had none.

        Raises:
            DataError: a cell is no number.
        """
        check_numbers(self.name, cells, strict=True)
        x = self.scale(cells.as_numbers().astype(np.float32))
        return np.where(np.isnan(x), np.float32(0), x)[:, None]

    def scale(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns scaled numbers `(N,)`."""
        return (x - np.float32(self.mean)) / np.float32(self.std)

    def decode(self, x: Floats) -> Floats:
        return x * self.std + self.mean

    def find_oddities(self, cells: Cells) -> Iterator[Oddity]:
        """Yields which cells are outside the training range, and which are missing."""
        if self.seen is not None:
            yield _beyond(self.name, cells, *self.seen)
        yield Oddity(f"{self.name} missing", cells.codes < 0, with_cell=False)

    def describe(self, bins: Sequence[Sequence[float]]) -> str:
        return _spell_range([self.mean + self.std * edge for edge in bins[0]], gaps=False)


def _spell_range(ends: Sequence[float], gaps: bool) -> str:
    """Returns the smallest and the largest number, and whether there were gaps; empty if unknown."""
    return f"{spell(ends[0])} to {spell(ends[-1])}" + ", with gaps" * gaps if ends else ""


def _finite(numbers: Floats) -> Floats:
    """Returns numbers; NaN where one is beyond 32 bits."""
    return np.where(np.abs(numbers) <= LARGEST, numbers, np.nan)


def _beyond(name: str, cells: Cells, low: float, high: float) -> Oddity:
    x, reach = cells.as_numbers(), ROUNDING * max(abs(low), abs(high))
    return Oddity(f"{name} outside {low:g} to {high:g}", (x < low - reach) | (x > high + reach))


def _fill_value(present: Floats, impute: Impute) -> float | None:
    if impute == "category":
        return None
    if len(present) == 0:
        return 0.0
    if impute == "mean":
        return float(present.mean())
    if impute == "most_frequent":
        values, counts = np.unique(present, return_counts=True)
        return float(values[counts.argmax()])
    return float(np.median(present))


def _interpolate(x: Floats, rows: Indices, interpolate_from: Indices | None) -> Floats:
    """Returns values with gaps interpolated linearly; before the first and after the last value, by the nearest."""
    usable = ~np.isnan(x)
    if interpolate_from is not None:
        usable &= np.isin(np.arange(len(x)), interpolate_from)
    if not usable.any():
        return x
    order = np.argsort(rows[usable], kind="stable")
    return np.where(np.isnan(x), np.interp(rows, rows[usable][order], x[usable][order]), x)

"""The encoder of tables: rows as inputs and targets, fitted to the training rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import Cells, Form, name_list, nearest, read_cells, shorten
from dltrain.data.spelling import spell_as
from dltrain.data.splits import Indices
from dltrain.data.stand_ins import StandIns, empty_cells
from dltrain.errors import DataError
from dltrain.kinds.labels import TargetReader
from dltrain.kinds.table.boolean import BooleanEncoder
from dltrain.kinds.table.calendar import CalendarEncoder
from dltrain.kinds.table.categorical import CategoricalEncoder
from dltrain.kinds.table.column_encoder import ColumnEncoder
from dltrain.kinds.table.columns import Column, looks_like_id, names_rows
from dltrain.kinds.table.composed import ComposedEncoder
from dltrain.kinds.table.level_numbers import LevelNumbers
from dltrain.kinds.table.numeric import Impute, NumericEncoder, StandardEncoder
from dltrain.kinds.table.scale import Numeric, bin_edges
from dltrain.kinds.table.weight import WeightReader
from dltrain.kinds.table.words import WordsEncoder
from dltrain.types import Encoded, Facts, Remark, SplitName

if TYPE_CHECKING:
    from dltrain.types import Raw

ENCODERS: Mapping[str, type[ColumnEncoder]] = {
    encoder.role: encoder
    for encoder in (
        NumericEncoder,
        CategoricalEncoder,
        BooleanEncoder,
        CalendarEncoder,
        ComposedEncoder,
        WordsEncoder,
        StandardEncoder,
    )
}
BLOCK = 1 << 16  # rows whose categories are encoded at once, since one-hot columns take the most memory


@dataclass(frozen=True)
class TableEncoder:
    """Encodes rows with columns in any order, with remarks about new ones.

    Args:
        columns: the encoders of the columns, in the order of the inputs.
        target: reads the target columns.
        id: the column whose cells name the rows; `None` to number them.
        as_written: whether numbers are read with their marks and units; older runs had decimal commas as points.
        weight: reads the column of weights; `None` where all rows count alike.
        ignore_case: whether a category may be spelled in another case or with other blanks.
        missing: values that stand for missing cells, by column.
    """

    columns: tuple[ColumnEncoder, ...]
    target: TargetReader
    id: str | None = None
    as_written: bool = True
    suffixes: frozenset[str] = frozenset()
    takes_rows: bool = True
    prepare: None = None
    weight: WeightReader | None = None
    ignore_case: bool = False
    missing: StandIns = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        table: Mapping[str, Cells],
        columns: Sequence[Column],
        target: TargetReader,
        *,
        numeric: Numeric = "quantile",
        impute: Impute = "median",
        limits: Mapping[str, tuple[float, float]] | None = None,
        y: NDArray[Any] | None = None,
        seed: int = 0,
        groups: Indices | None = None,
        id: str | None = None,
        ignore_case: bool = False,
        missing: StandIns | None = None,
    ) -> TableEncoder:
        """Returns an encoder fitted to the training rows.

        Args:
            table: the cells of the training rows, by column.
            columns: the columns with their roles; dropped ones are left out.
            target: reads the target columns.
            numeric: how numbers are scaled.
            impute: how missing numbers are filled.
            limits: by column, the lowest and highest number; numbers beyond are clipped.
            y: the targets of the training rows, as in `Split`, for means of many levels; `None` for no means.
            seed: of the folds for these means.
            groups: `(N,)` group of each row, numbered from 0 without gaps; those of a group are in one such fold.
            id: the column whose cells name the rows.
            ignore_case: whether a category may be spelled in another case or with other blanks.
            missing: values that stand for missing cells, by column.
        """
        limits = limits or {}
        targets, names = target.as_numbers(y) if y is not None else (np.empty((0, 0)), ())

        def fit_numbers(name: str, cells: Cells, form: Form | None = None) -> NumericEncoder:
            limit = limits.get(name)
            return NumericEncoder.fit(name, cells, numeric=numeric, impute=impute, limits=limit, form=form)

        def fit(column: Column) -> ColumnEncoder:
            name, cells = column.name, table[column.name]
            if column.role == "numeric":
                return fit_numbers(name, cells, column.form)
            if column.role == "boolean":
                return BooleanEncoder.fit(name, cells)
            if column.dates is not None:
                return CalendarEncoder.fit(name, cells, column.dates)
            if column.parts is not None:
                return ComposedEncoder.fit(name, cells, column.parts, fit_numbers)
            if column.role == "text":
                return WordsEncoder.fit(name, cells, targets)
            numbers = LevelNumbers.fit(cells, targets, names, numeric=numeric, seed=seed, groups=groups)
            return CategoricalEncoder.fit(name, cells, fill=impute == "most_frequent", numbers=numbers)

        return cls(
            tuple(fit(column) for column in columns if column.role != "dropped"),
            target,
            id,
            ignore_case=ignore_case,
            missing=missing or {},
        )

    @classmethod
    def fit_numbers(cls, x: Tensor, names: Sequence[str], target: TargetReader, *, scale: bool) -> TableEncoder:
        """Returns an encoder fitted to training rows of 32-bit numbers.

        Args:
            x: `(N, F)` float32.
            names: the names of the F columns.
            target: reads the target columns.
            scale: whether the columns are standardised.
        """
        mean, std = torch.zeros(len(names)), torch.ones(len(names))
        if scale:
            mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
            std = torch.where(std == 0, 1.0, std)
        low, high = x.amin(dim=0).tolist(), x.amax(dim=0).tolist()
        scales = zip(names, mean.tolist(), std.tolist(), zip(low, high, strict=True), strict=True)
        return cls(tuple(StandardEncoder(*scale) for scale in scales), target, as_written=False)

    @classmethod
    def of(cls, facts: Facts) -> TableEncoder:
        """Returns the encoder that the facts describe; without a description, inputs are numbers as they are.

        Raises:
            DataError: the facts do not say how columns become inputs.
        """
        try:
            stored, weight = facts.preprocessing, WeightReader.of(facts)
            return cls(
                _read_columns(facts),
                TargetReader.of(facts),
                stored.get("id"),
                "as_written" in stored,
                weight=weight,
                ignore_case=bool(stored.get("ignore_case")),
                missing={str(name): tuple(map(str, values)) for name, values in stored.get("missing_as", {}).items()},
            )
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how columns become inputs", fix="train again") from None

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads: lists, dictionaries, strings and numbers only."""
        standard = [column for column in self.columns if isinstance(column, StandardEncoder)]
        if standard:
            ends = [column.seen for column in standard if column.seen is not None]
            stored = {"low": [low for low, _ in ends], "high": [high for _, high in ends]} if ends else {}
            if any(column.linear_scale != (0.0, 1.0) for column in standard):
                stored |= {"mean": [column.mean for column in standard], "std": [column.std for column in standard]}
            return stored
        columns = [{"kind": column.role, **column.to_json()} for column in self.columns]
        missing = {name: list(values) for name, values in self.missing.items()}
        given = {"id": self.id, "ignore_case": self.ignore_case, "missing_as": missing}
        options = {key: value for key, value in given.items() if value}
        return {"columns": columns, "as_written": True} | options

    @property
    def features(self) -> tuple[str, ...]:
        """Returns the names of the inputs, in their order."""
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def names(self) -> list[str]:
        """Returns the names of the columns."""
        return [column.name for column in self.columns]

    @property
    def has_header(self) -> bool:
        """Tells whether the training table named its columns."""
        return not all(re.fullmatch(r"column_\d+", name) for name in self.names)

    @property
    def apart(self) -> bool:
        """Tells whether rows can be encoded a few at a time, because no gap is interpolated."""
        return not any(isinstance(column, NumericEncoder) and column.interpolate for column in self.columns)

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame, or an array `(N, columns)` in the order of training.

        Raises:
            DataError: none of the columns exists, or a cell is text instead of a number.
        """
        frame = self._frame(raw)
        cells = {column.name: self._read(column, frame) for column in self.columns if column.name in frame.columns}
        if not cells:
            close = nearest(self.names[0], frame.columns)
            raise DataError(
                f"the table has none of the columns that the model was trained on: {name_list(self.names, 8)}",
                fix=f"is {close[0]!r} the column {self.names[0]!r}? rename it in the file"
                if close
                else f"give a file with these columns and a header line; this one has {name_list(frame.columns, 8)}",
            )
        empty = Cells(np.full(len(frame), -1), (), np.empty(0), np.arange(len(frame)))
        x = self.encode_cells({name: cells.get(name, empty) for name in self.names})
        return Encoded((torch.from_numpy(x),), self.names_of(frame), self._remarks(cells, frame))

    def _read(self, column: ColumnEncoder, frame: pd.DataFrame) -> Cells:
        known = column.known_texts if self.ignore_case else ()
        return column.read(spell_as(frame[column.name], known) if known else frame[column.name])

    def names_of(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Returns the names of rows: the cells of the column of ids, where there is one, else the rows' numbers."""
        if self.id in frame.columns:
            return read_cells(frame[self.id]).or_else(tuple(map(str, frame.index.tolist())))
        return names_of_rows(frame, {*self.names, self.target.name, *self.target.outputs})

    def encode_cells(self, table: Mapping[str, Cells], interpolate_from: Indices | None = None) -> NDArray[np.float32]:
        """Returns encoded columns that have been read, `(N, F)`.

        Args:
            table: the cells by column.
            interpolate_from: positions of the rows from which gaps may be interpolated; `None` for all rows.
        """
        return np.concatenate([column.encode(table[column.name], interpolate_from) for column in self.columns], axis=1)

    def encode_training(
        self, table: Mapping[str, Cells], y: NDArray[Any], seed: int, groups: Indices | None = None
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yields the inputs that were fitted to the target: a slice of the inputs, and their values `(N, inputs)` in
        the training rows, which come from other rows than their own.

        Args:
            table: the cells of the training rows, by column, as `fit` had them.
            y: their targets, the same.
            seed: the same.
            groups: the same.
        """
        targets, _ = self.target.as_numbers(y)
        start = 0
        for column in self.columns:
            stop = start + len(column.features)
            if isinstance(column, CategoricalEncoder) and column.numbers is not None:
                numbers = column.encode_training(table[column.name], targets, seed, groups)
                yield slice(stop - numbers.shape[1], stop), numbers
            start = stop

    def encode_parts(
        self, table: Mapping[str, Cells], parts: Mapping[SplitName, Indices]
    ) -> dict[SplitName, NDArray[np.float32]]:
        """Returns the encoded rows of each part `(n, F)`, without an array of all rows.

        Args:
            table: the cells by column.
            parts: positions of the rows; gaps are interpolated from those of `train`.
        """
        width, start = len(self.features), 0
        encoded = {name: np.empty((len(at), width), dtype=np.float32) for name, at in parts.items()}
        for column in self.columns:
            cells, stop = table[column.name], start + len(column.features)
            if isinstance(column, CategoricalEncoder):
                for name, at in parts.items():
                    for row in range(0, len(at), BLOCK):
                        block = slice(row, row + BLOCK)
                        encoded[name][block, start:stop] = column.encode(cells.take(at[block]))
            else:
                x = column.encode(cells, parts["train"])
                for name, at in parts.items():
                    encoded[name][:, start:stop] = x[at]
            start = stop
        return encoded

    def encode_numbers(self, x: Tensor) -> Tensor:
        """Returns encoded rows `(N, F)` of 32-bit numbers, for an encoder that was fitted to such rows."""
        columns = [column for column in self.columns if isinstance(column, StandardEncoder)]
        pairs = zip(columns, x.numpy().T, strict=True)
        return torch.from_numpy(np.stack([column.scale(values) for column, values in pairs], axis=1))

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the targets of rows, as in `Split`; -1 or NaN if a cell is missing.

        Raises:
            DataError: the column is missing, or contains a class that training did not have, or not a number.
        """
        return self.target.targets(self._frame(raw))

    def weights(self, raw: Raw, /) -> Tensor | None:
        """Returns the weights of rows `(N,)`, float32; `None` where training had none or the rows have no such column.

        Raises:
            DataError: a cell is no weight.
        """
        frame = None if self.weight is None else self._frame(raw)
        if self.weight is None or frame is None or self.weight.name not in frame.columns:
            return None
        return torch.from_numpy(self.weight.read(read_cells(frame[self.weight.name], form=self.weight.form)))

    def bins(self, x: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
        """Returns the edges of the bins of each input in the encoded training rows `(N, F)`; empty for non-numbers."""
        measured = [measured for column in self.columns for measured in column.measured]
        return tuple(
            tuple(bin_edges(x[:, place]).tolist()) if is_measured else () for place, is_measured in enumerate(measured)
        )

    def _frame(self, raw: Raw) -> pd.DataFrame:
        if isinstance(raw, pd.DataFrame):
            frame = raw.set_axis(self._spell_as_in_training(list(map(str, raw.columns))), axis="columns")
            return empty_cells(frame, self.missing)[0]
        if isinstance(raw, np.ndarray):
            if raw.ndim != 2 or raw.shape[1] != len(self.names):
                raise DataError(
                    f"an array must have the shape (N, {len(self.names)}), and this one has {raw.shape}",
                    fix=f"give one column for each of {name_list(self.names, 8)}",
                )
            return pd.DataFrame(raw, columns=self.names)
        raise DataError(
            "the model takes a table instead of files: it was trained on rows of a table", fix="give a table"
        )

    def _spell_as_in_training(self, names: Sequence[str]) -> list[str]:
        """Returns the names of columns, stripped of blanks if they match a training column only then."""
        weight = None if self.weight is None else self.weight.name
        missing = {*self.names, self.target.name, *self.target.outputs, self.id, weight}.difference(names)
        return [name.strip() if name.strip() in missing else name for name in names]

    def _remarks(self, cells: Mapping[str, Cells], frame: pd.DataFrame) -> tuple[tuple[Remark, ...], ...]:
        remarks: list[tuple[Remark, ...]] = [()] * len(frame)
        for column in self.columns:
            if column.name not in cells:
                close = nearest(column.name, [name for name in frame.columns if name not in self.names])
                absent = Remark(f"no column {column.name}" + (f" (is it {close[0]}?)" if close else ""))
                remarks = [(*of_row, absent) for of_row in remarks]
                continue
            for row, remark in _odd_cells(column, cells[column.name]):
                remarks[row] = (*remarks[row], remark)
        return tuple(remarks)


def columns_of(facts: Facts) -> tuple[ColumnEncoder, ...]:
    """Returns the encoders of a table's columns; empty if the user's own data function encodes differently."""
    try:
        return TableEncoder.of(facts).columns
    except DataError:
        return ()


def names_of_rows(frame: pd.DataFrame, taken: Collection[str]) -> tuple[str, ...]:
    """Returns the names of rows: the cells of the first column of ids, where there is one, else the rows' numbers.

    Args:
        frame: the rows.
        taken: columns that have another role.
    """
    numbers = tuple(map(str, frame.index.tolist()))
    for name in frame.columns:
        if name not in taken and looks_like_id(name) and names_rows(name, cells := read_cells(frame[name])):
            return cells.or_else(numbers)
    return numbers


def inputs_by_column(facts: Facts) -> dict[str, list[int]]:
    """Returns the positions of the inputs of each column; without an encoder, each input is a column."""
    positions: dict[str, list[int]] = {}
    start = 0
    for column in columns_of(facts) or map(StandardEncoder, facts.features):
        stop = start + len(column.features)
        positions[column.name] = list(range(start, stop))
        start = stop
    return positions


def _odd_cells(column: ColumnEncoder, cells: Cells) -> Iterator[tuple[int, Remark]]:
    """Yields rows with remarks about their cells."""
    for oddity in column.find_oddities(cells):
        for row in np.flatnonzero(oddity.rows).tolist():
            text = shorten(cells.values[cells.codes[row]], 40)[1:-1] if oddity.with_cell else ""
            yield row, Remark(oddity.what, text)


def _read_columns(facts: Facts) -> tuple[ColumnEncoder, ...]:
    """Returns the encoders of columns that `TableEncoder.to_json` returned."""
    stored: Any = facts.preprocessing
    if "columns" in stored:
        return tuple(map(_read_column, stored["columns"]))
    (count,) = facts.input_shape
    names = facts.features or tuple(f"x{number}" for number in range(count))
    mean, std = stored.get("mean", [0.0] * count), stored.get("std", [1.0] * count)
    ends: Any = zip(stored["low"], stored["high"], strict=True) if "low" in stored else [None] * count
    return tuple(StandardEncoder(*scale) for scale in zip(names, mean, std, ends, strict=True))


def _read_column(entry: Mapping[str, Any]) -> ColumnEncoder:
    return ENCODERS[entry["kind"]].from_json({key: value for key, value in entry.items() if key != "kind"})

"""Turns a table into `Data`: which task its target poses, how it is split, and how its columns become numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.columns import (
    COUNTING_KEPT,
    MAX_BAD_SHARE,
    CategoricalEncoder,
    Cells,
    Column,
    NumericEncoder,
    check_numbers,
    infer_columns,
    name_list,
    nearest,
    read_cells,
    shorten,
    standardisation,
)
from dltrain.data.splits import split_indices
from dltrain.errors import DataError
from dltrain.types import Data, Facts, Split, TaskName

MAX_CLASS_NUMBERS = 10
MIN_ROWS_PER_CLASS_NUMBER = 5


@dataclass(frozen=True)
class TableEncoder:
    """Turns raw columns into a model's inputs by what the training split taught."""

    columns: tuple[NumericEncoder | CategoricalEncoder, ...]

    @classmethod
    def fit(cls, table: Mapping[str, Cells], columns: Sequence[Column], *, scale: bool = True) -> TableEncoder:
        """Fits on the training rows; `columns` that are dropped stay out."""
        return cls(
            tuple(
                NumericEncoder.fit(column.name, table[column.name], scale=scale)
                if column.role == "numeric"
                else CategoricalEncoder.fit(column.name, table[column.name])
                for column in columns
                if column.role != "dropped"
            )
        )

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(feature for column in self.columns for feature in column.features)

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Encodes rows `(N, F)` float32; the frame may hold other columns too.

        Raises:
            DataError: a column is not there, or a numeric one holds what is no finite number.
        """
        frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
        for column in self.columns:
            if column.name not in frame.columns:
                close = nearest(column.name, frame.columns)
                raise DataError(
                    f"the table has no column {column.name!r}, which the model was trained on",
                    fix=f"rename {close[0]!r}" if close else f"its columns are {name_list(frame.columns)}",
                )
        return self.encode_cells({column.name: read_cells(frame[column.name]) for column in self.columns})

    def encode_cells(self, table: Mapping[str, Cells]) -> NDArray[np.float32]:
        """Encodes columns that are read already, `(N, F)`."""
        return np.concatenate([column.encode(table[column.name]) for column in self.columns], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Returns lists, dictionaries, strings and numbers only."""
        kinds = {NumericEncoder: "numeric", CategoricalEncoder: "categorical"}
        return {
            "columns": [
                {"kind": kinds[type(column)], **asdict(column)}
                | ({"levels": list(column.levels)} if isinstance(column, CategoricalEncoder) else {})
                for column in self.columns
            ]
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TableEncoder:
        """Reads what `to_json` returned."""
        columns: list[NumericEncoder | CategoricalEncoder] = []
        for entry in stored["columns"]:
            fields = {key: value for key, value in entry.items() if key != "kind"}
            if entry["kind"] == "numeric":
                columns.append(NumericEncoder(**fields))
            else:
                columns.append(CategoricalEncoder(**fields | {"levels": tuple(fields["levels"])}))
        return cls(tuple(columns))


def table(
    frame: pd.DataFrame,
    *,
    target: str,
    drop: Sequence[str] = (),
    task: Literal["auto", "regression", "classification"] = "auto",
    scale: bool = True,
    scale_target: bool = True,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Data:
    """Splits a table, learns the encoding of its columns from the training rows, and encodes every row.

    Args:
        frame: cells as text or as real dtypes, the target among them.
        target: name of the column to predict.
        drop: names of columns that must not be used.
        task: `auto` decides by the target's values.
        scale: standardise numeric columns.
        scale_target: standardise a numeric target inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: fixes the split.
        notes: what is known already, put first.

    Raises:
        DataError: the table cannot be learned from, and why.
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns").reset_index(drop=True)
    target, drop = str(target), [str(name) for name in ([drop] if isinstance(drop, str) else drop)]
    _check_target_name(target, drop, list(frame.columns))
    labels = _read_target(frame[target])
    chosen, reason = _choose_task(target, labels, task)
    y: Any
    classes, y = _classes(labels) if chosen == "classification" else ((), labels.as_numbers())
    labelled = np.flatnonzero(labels.codes >= 0)
    frame, y = frame.drop(columns=target).iloc[labelled], y[labelled]
    inputs = {name: read_cells(frame[name]) for name in frame.columns}
    columns = infer_columns(inputs, drop)
    if all(column.role == "dropped" for column in columns):
        raise DataError(
            f"no column is left to predict {target!r} from",
            fix="; ".join(f"{column.name} is dropped: {column.reason}" for column in columns[:10])
            or "give a table with more than one column",
        )

    indices = split_indices(
        len(labelled),
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        strata=y if chosen == "classification" else None,
    )
    train = indices["train"]
    encoder = TableEncoder.fit({name: cells.take(train) for name, cells in inputs.items()}, columns, scale=scale)
    x = encoder.encode_cells(inputs)
    mean, std = standardisation(y[train]) if chosen == "regression" and scale_target else (0.0, 1.0)
    facts = Facts(
        kind="table",
        task=chosen,
        input_shape=(x.shape[1],),
        target=target,
        classes=classes,
        class_counts=tuple(np.bincount(y[train], minlength=len(classes)).tolist()) if classes else (),
        features=encoder.features,
        target_mean=mean,
        target_std=std,
        preprocessing=encoder.to_json(),
    )
    splits = {
        name: Split(
            inputs=(torch.from_numpy(x[index]),),
            target=torch.from_numpy(y[index] if classes else y[index, None].astype(np.float32)),
            ids=tuple(map(str, labelled[index].tolist())),
        )
        for name, index in indices.items()
    }
    said = [*notes, f"{chosen}, because {reason}"]
    if labels.missing:
        said.append(f"left out {labels.missing} of {len(labels.codes)} rows, which have no value of {target}")
    if single := [classes[label] for label, count in Counter(y.tolist()).items() if classes and count == 1]:
        said.append(f"in one row only, and so in no split but train: {target} {name_list(single, 10)}")
    return Data(facts, splits, notes=(*said, *_column_notes(columns, encoder)))


def _check_target_name(target: str, drop: Sequence[str], names: Sequence[str]) -> None:
    if target not in names:
        raise DataError(
            f"the table has no column {target!r}",
            where="data.target",
            fix=f"its columns are {name_list(names)}",
            override=f"data.target={(nearest(target, names) or names[-1:])[0]}",
        )
    if target in drop:
        raise DataError(
            f"{target!r} is to be predicted and to be dropped",
            where="data.drop",
            fix="take it out of data.drop, or predict another column",
            override=f"data.drop=[{','.join(name for name in drop if name != target)}]",
        )


def _read_target(column: pd.Series[Any]) -> Cells:
    """Reads labels, of which only an empty cell is missing ("NA" can be one), or numbers, among which "NA" is none."""
    cells = read_cells(column)
    few_others = np.isnan(cells.as_numbers()).sum() - cells.missing <= MAX_BAD_SHARE * cells.present
    return cells if cells.present and few_others else read_cells(column, missing=frozenset({""}))


def _choose_task(
    target: str, cells: Cells, task: Literal["auto", "regression", "classification"]
) -> tuple[TaskName, str]:
    """Returns the task and why.

    Raises:
        DataError: no task can be learned from these values.
    """
    rows, numbers = cells.present, np.unique(cells.numbers[~np.isnan(cells.numbers)])
    distinct = len(numbers) if cells.all_numbers else len(cells.values)
    if rows < 2:
        raise DataError(
            f"{'only one row has' if rows else 'no row has'} a value of {target!r}",
            where="data.target",
            fix="give more rows: a few dozen at least, to train and to test on",
        )
    if distinct == 1:
        raise DataError(
            f"every value of {target!r} is {shorten(cells.values[0])}: there is nothing to predict",
            where="data.target",
            fix="choose another column, or give rows of other values",
        )
    if task == "regression":
        if np.isnan(cells.as_numbers()).sum() - cells.missing > MAX_BAD_SHARE * rows:
            raise DataError(
                f"data.task=regression needs numbers, but {target!r} holds text such as {shorten(_first_text(cells))}",
                where="data.task",
                fix="predict classes, or choose a column of numbers",
                override="data.task=classification",
            )
        check_numbers(target, cells, strict=True)
        return "regression", "data.task says so"

    whole = bool(np.all(numbers == np.floor(numbers)))
    few = len(numbers) == 2 < rows or (
        whole and len(numbers) <= MAX_CLASS_NUMBERS and rows >= MIN_ROWS_PER_CLASS_NUMBER * len(numbers)
    )
    if task == "auto" and not few:
        check_numbers(target, cells)
        if cells.all_numbers:
            return "regression", f"{target} holds {distinct} distinct numbers"
    if distinct == rows:
        raise DataError(
            f"each of the {rows} rows has another value of {target!r}: these are no classes",
            where="data.target",
            fix="predict numbers" if cells.all_numbers else "choose a column whose values repeat",
            override="data.task=regression" if cells.all_numbers else "",
        )
    if task == "classification":
        return "classification", "data.task says so"
    values = name_list(_classes(cells)[0], 10)
    if cells.all_numbers:
        kind = "whole numbers" if whole else "numbers"
        hint = "data.task=regression takes them as amounts"
        return "classification", f"{target} holds only {distinct} distinct {kind}: {values} ({hint})"
    return "classification", f"{target} holds {distinct} distinct labels: {values}"


def _first_text(cells: Cells) -> str:
    return next(value for value, number in zip(cells.values, cells.numbers, strict=True) if np.isnan(number))


def _classes(cells: Cells) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Returns the class names, numbers by size and text by code point, and `(N,)` class indices, -1 where missing."""
    # Decimal, unlike float, keeps 1 and 1.0 one class and whole numbers above 2**53 apart.
    keys = [Decimal(value) if cells.all_numbers else value for value in cells.values]
    names = dict(zip(reversed(keys), reversed(cells.values), strict=True))
    ordered: list[Any] = sorted(names)
    index = {key: position for position, key in enumerate(ordered)}
    return tuple(names[key] for key in ordered), np.array([*(index[key] for key in keys), -1])[cells.codes]


def _column_notes(columns: Sequence[Column], encoder: TableEncoder) -> Iterator[str]:
    by_name = {column.name: column for column in columns}
    numeric = [by_name[fitted.name] for fitted in encoder.columns if isinstance(fitted, NumericEncoder)]
    one_hot = [(by_name[fitted.name], fitted) for fitted in encoder.columns if isinstance(fitted, CategoricalEncoder)]
    yield from (f"dropped {column.name}: {column.reason}" for column in columns if column.role == "dropped")
    yield from (f"kept {column.name}: {column.reason}" for column in numeric if column.reason == COUNTING_KEPT)
    told = {
        "numbers": [column.name for column in numeric],
        "categories": [f"{column.name} ({column.distinct} values)" for column, _ in one_hot],
        "missing cells, filled with the median of the training rows": [
            f"{column.name} ({column.missing})" for column in numeric if column.missing
        ],
        "missing cells, a category of their own": [
            f"{column.name} ({column.missing})" for column, fitted in one_hot if fitted.missing
        ],
        "categories with too few training rows, pooled as one": [
            f"{column.name} ({column.distinct - len(fitted.levels)} of {column.distinct})"
            for column, fitted in one_hot
            if fitted.other
        ],
    }
    yield from (f"{what}: {name_list(names)}" for what, names in told.items() if names)

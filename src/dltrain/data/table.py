"""Turns a table into `Data`: which task its target poses, how it is split, and how its columns become numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from dltrain.data.columns import (
    COUNTING_KEPT,
    CategoricalEncoder,
    Cells,
    Column,
    infer_columns,
    name_list,
    nearest,
    read_cells,
)
from dltrain.data.encoding import TableEncoder
from dltrain.data.numbers import Impute, Indices, Numeric, NumericEncoder, standardisation
from dltrain.data.splits import split_indices
from dltrain.data.target import choose_task, class_names, read_target
from dltrain.errors import DataError
from dltrain.types import Data, Facts, Split

FILLED: Mapping[Impute, str] = {
    "median": "filled with the median of the training rows",
    "mean": "filled with the mean of the training rows",
    "most_frequent": "filled with the most frequent value of the training rows",
    "interpolate": "filled by the line between the training rows around them",
    "category": "a category of their own",
    "drop": "left out",
}


def table(
    frame: pd.DataFrame,
    *,
    target: str,
    drop: Sequence[str] = (),
    task: Literal["auto", "regression", "classification"] = "auto",
    numeric: Numeric = "quantile",
    impute: Impute = "median",
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
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        impute: what a missing number becomes: the training rows' `median`, `mean` or `most_frequent` value, what lies
            between the rows around it (`interpolate`), or a `category` of its own; `drop` leaves such rows out.
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
    labels = read_target(frame[target])
    chosen, reason = choose_task(target, labels, task)
    y: Any
    classes, y = class_names(labels) if chosen == "classification" else ((), labels.as_numbers())
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

    said_of_rows: list[str] = []
    if impute == "drop":
        whole, note = _whole_rows(inputs, columns)
        inputs = {name: cells.take(whole) for name, cells in inputs.items()}
        labelled, y = labelled[whole], y[whole]
        said_of_rows += note

    indices = split_indices(
        len(labelled),
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        strata=y if chosen == "classification" else None,
    )
    train = indices["train"]
    encoder = TableEncoder.fit(
        {name: cells.take(train) for name, cells in inputs.items()}, columns, numeric=numeric, impute=impute
    )
    x = encoder.encode_cells(inputs, known=train)
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
        bins=encoder.bins(x[train]),
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
    return Data(facts, splits, notes=(*said, *said_of_rows, *_column_notes(columns, encoder, impute)))


def _whole_rows(inputs: Mapping[str, Cells], columns: Sequence[Column]) -> tuple[Indices, list[str]]:
    """Positions of the rows without a gap in any column that is used, and what there is to say of the others."""
    used = [column.name for column in columns if column.role != "dropped"]
    gaps = np.stack([inputs[name].codes < 0 for name in used])  # (columns, N)
    incomplete = np.asarray(gaps.any(axis=0))
    if incomplete.all():
        worst = used[int(gaps.sum(axis=1).argmax())]
        raise DataError(
            "every row has a missing cell, so data.impute=drop leaves none",
            where="data.impute",
            fix=f"fill them, or drop a column such as {worst!r}",
            override="data.impute=median",
        )
    note = f"left out {incomplete.sum()} of {len(incomplete)} rows with missing cells: data.impute=drop"
    return np.flatnonzero(~incomplete), [note] if incomplete.any() else []


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


def _column_notes(columns: Sequence[Column], encoder: TableEncoder, impute: Impute) -> Iterator[str]:
    by_name = {column.name: column for column in columns}
    numeric = [by_name[fitted.name] for fitted in encoder.columns if isinstance(fitted, NumericEncoder)]
    one_hot = [(by_name[fitted.name], fitted) for fitted in encoder.columns if isinstance(fitted, CategoricalEncoder)]
    yield from (f"dropped {column.name}: {column.reason}" for column in columns if column.role == "dropped")
    yield from (f"kept {column.name}: {column.reason}" for column in numeric if column.reason == COUNTING_KEPT)
    told = {
        "numbers": [column.name for column in numeric],
        "categories": [f"{column.name} ({column.distinct} values)" for column, _ in one_hot],
        f"missing cells, {FILLED[impute]}": [
            f"{column.name} ({column.missing})" for column in numeric if column.missing and impute != "drop"
        ],
        "missing cells, filled with the most frequent category": [
            f"{column.name} ({column.missing})" for column, fitted in one_hot if column.missing and fitted.fill
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

"""Turns a table into `Data`: which task its target poses, how it is split, and how its columns become numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.cells import (
    COUNTING_KEPT,
    CategoricalEncoder,
    Column,
    Role,
    infer_columns,
    name_list,
    nearest,
    read_cells,
)
from dltrain.data.splits import Indices
from dltrain.errors import DataError
from dltrain.kinds.table.encoding import TableEncoder
from dltrain.kinds.table.numeric import Impute, Numeric, NumericEncoder, standardisation
from dltrain.kinds.table.rows import (
    REACH,
    Duplicates,
    Outliers,
    Rows,
    fences,
    outside,
    repeats_noted,
    same_rows,
    split_rows,
    without_gaps,
    without_repeats,
)
from dltrain.kinds.target import Target, TaskChoice, pose
from dltrain.types import SPLITS, Data, Facts, Split, SplitName

FILLED: Mapping[Impute, str] = {
    "median": "filled with the median of the training rows",
    "mean": "filled with the mean of the training rows",
    "most_frequent": "filled with the most frequent value of the training rows",
    "interpolate": "filled by the line between the training rows around them",
    "category": "a category of their own",
    "drop": "left out",
}
OUTLIERS: Mapping[Outliers, str] = {
    "keep": f"training rows more than {REACH:g} interquartile ranges beyond the quartiles, kept",
    "clip": f"training rows clipped to {REACH:g} interquartile ranges beyond the quartiles",
    "drop": f"training rows left out, more than {REACH:g} interquartile ranges beyond the quartiles",
}


def table(
    frame: pd.DataFrame,
    *,
    target: str | Sequence[str],
    drop: Sequence[str] = (),
    task: TaskChoice = "auto",
    numeric: Numeric = "quantile",
    impute: Impute = "median",
    outliers: Outliers = "keep",
    duplicates: Duplicates = "keep",
    roles: Mapping[str, Role] | None = None,
    group: str | None = None,
    time: str | None = None,
    held_out: Mapping[SplitName, pd.DataFrame] | None = None,
    scale_target: bool = True,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Data:
    """Splits a table, learns the encoding of its columns from the training rows, and encodes every row.

    Args:
        frame: cells as text or as real dtypes, the target among them.
        target: name of the column to predict, or names of several.
        drop: names of columns that must not be used.
        task: `auto` decides by the target's values; `multilabel` reads the labels that one cell lists.
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        impute: what a missing number becomes: the training rows' `median`, `mean` or `most_frequent` value, what lies
            between the rows around it (`interpolate`), or a `category` of its own; `drop` leaves such rows out.
        outliers: what is done with numbers far outside the training rows' middle half: `keep`, `clip` them to where
            outliers begin, or `drop` such rows from training.
        duplicates: whether rows that repeat another are left out.
        roles: what columns are to be taken for, by name, where it is not to be inferred.
        group: name of a column whose equal values must not be divided between splits.
        time: name of a column of times or numbers: the first rows in its order train, the last ones test.
        held_out: rows of the same columns that are the validation or test split, in place of a fraction.
        scale_target: standardise a numeric target inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: fixes the split.
        notes: what is known already, put first.

    Raises:
        DataError: the table cannot be learned from, and why.
    """
    several = isinstance(target, Sequence) and not isinstance(target, str)
    targets = list(dict.fromkeys(map(str, target if several else [target])))
    drop = [str(name) for name in ([drop] if isinstance(drop, str) else drop)]
    frame, files = _joined(frame, held_out or {}, targets, drop)
    posed = pose(frame[targets], task)
    chosen, classes, y = posed.task, posed.classes, posed.y
    labelled = np.flatnonzero(posed.present)
    frame, files = frame.drop(columns=targets).iloc[labelled], files[labelled]
    inputs = {name: read_cells(frame[name]) for name in frame.columns}
    rows = Rows(inputs, y[labelled], frame.index.to_numpy(), files)
    # Roles are judged by the file that is trained on, as a prediction later knows no other.
    judged = inputs if not held_out else {name: read_cells(frame.loc[files == 0, name]) for name in frame.columns}
    columns = _without_keys(infer_columns(judged, drop, roles), group, time, roles or {})
    if all(column.role == "dropped" for column in columns):
        raise DataError(
            f"no column is left to predict {posed.name!r} from",
            fix="; ".join(f"{column.name} is dropped: {column.reason}" for column in columns[:10])
            or "give a table with more than one column",
        )

    said = [*notes, f"{chosen}, because {posed.reason}"]
    if unlabelled := int((~posed.present).sum()):
        said.append(f"left out {unlabelled} of {len(posed.present)} rows, which have no value of {posed.name}")
    if impute == "drop":
        rows, note = without_gaps(rows, columns)
        said += note
    if duplicates == "drop":
        rows, note = without_repeats(rows, columns)
        said += note
    indices, note = split_rows(
        rows,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        stratify=chosen == "classification",
        group=group,
        time=time,
        given=tuple(held_out or ()),
    )
    said += note
    if duplicates == "keep":
        said += repeats_noted(same_rows(rows, columns), indices)
    limits = fences(rows.take(indices["train"]).inputs, columns)
    far = outside(rows.take(indices["train"]).inputs, limits)
    if far:
        said.append(f"{OUTLIERS[outliers]}: {name_list(f'{name} ({beyond.sum()})' for name, beyond in far.items())}")
    if far and outliers == "drop":
        indices["train"] = indices["train"][~np.any(list(far.values()), axis=0)]
    said += _class_notes(posed, rows.y, indices)

    train = rows.take(indices["train"])
    encoder = TableEncoder.fit(
        train.inputs, columns, numeric=numeric, impute=impute, limits=limits if outliers == "clip" else None
    )
    x = _encoded(encoder, rows, indices["train"])
    mean, std = _scale(train.y) if chosen == "regression" and scale_target else (0.0, 1.0)
    facts = Facts(
        kind="table",
        task=chosen,
        input_shape=(x.shape[1],),
        target=posed.name,
        outputs=posed.outputs,
        classes=classes,
        class_counts=tuple(np.bincount(train.y, minlength=len(classes)).tolist()) if classes else (),
        features=encoder.features,
        target_mean=mean,
        target_std=std,
        bins=encoder.bins(x[indices["train"]]),
        preprocessing=encoder.to_json(),
    )
    splits = {
        name: Split(
            inputs=(torch.from_numpy(x[index]),),
            target=torch.from_numpy(rows.y[index] if classes or posed.outputs else rows.y[index, None]),
            ids=tuple(map(str, rows.numbers[index].tolist())),
        )
        for name, index in indices.items()
    }
    return Data(facts, splits, notes=(*said, *_column_notes(columns, encoder, impute)))


def _scale(y: NDArray[Any]) -> tuple[float | tuple[float, ...], float | tuple[float, ...]]:
    """Mean and standard deviation of the targets `(N,)`, or of each of `(N, K)`."""
    if y.ndim == 1:
        return standardisation(y)
    means, stds = zip(*map(standardisation, y.T), strict=True)
    return tuple(means), tuple(stds)


def _joined(
    frame: pd.DataFrame, held_out: Mapping[SplitName, pd.DataFrame], targets: Sequence[str], drop: Sequence[str]
) -> tuple[pd.DataFrame, Indices]:
    """All rows, numbered as in their own file, and which file each is from: 0, or its split's place in `SPLITS`."""
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns").reset_index(drop=True)
    for target in targets:
        _check_target_name(target, drop, list(frame.columns))
    frames, files = [frame], [np.zeros(len(frame), dtype=np.int64)]
    for name, other in held_out.items():
        other = other.set_axis([str(column) for column in other.columns], axis="columns").reset_index(drop=True)
        absent = [column for column in frame.columns if column not in other.columns and column not in drop]
        if absent:
            raise DataError(
                f"the {name} file has no column {absent[0]!r}, which the training file has",
                where=f"data.{name}_path",
                fix=f"its columns are {name_list(other.columns)}",
            )
        frames.append(other.reindex(columns=frame.columns))
        files.append(np.full(len(other), SPLITS.index(name)))
    return pd.concat(frames) if held_out else frame, np.concatenate(files)


def _without_keys(
    columns: Sequence[Column], group: str | None, time: str | None, roles: Mapping[str, Role]
) -> list[Column]:
    """The columns that decide the split are dropped, unless a role is asked for."""
    reasons = {group: "asked by data.group, it says which rows belong together", time: "asked by data.time"}
    return [
        Column(column.name, "dropped", reasons[column.name])
        if column.name in reasons and column.name not in roles
        else column
        for column in columns
    ]


def _encoded(encoder: TableEncoder, rows: Rows, train: Indices) -> NDArray[np.float32]:
    """Encodes file by file `(N, F)`, so that a bad cell is told with its file; gaps lie between training rows."""
    x = np.empty((len(rows.y), len(encoder.features)), dtype=np.float32)
    for number, name in enumerate(SPLITS):
        at = np.flatnonzero(rows.files == number)
        if not len(at):
            continue
        known = np.flatnonzero(np.isin(at, train)) if number == 0 else None
        try:
            x[at] = encoder.encode_cells(rows.take(at).inputs, known)
        except DataError as error:
            if number:
                raise DataError(error.what, f"data.{name}_path, {error.where}", error.fix, error.override) from None
            raise
    return x


def _class_notes(posed: Target, y: NDArray[Any], indices: Mapping[SplitName, Indices]) -> Iterator[str]:
    target, classes = posed.name, posed.classes or posed.outputs
    if posed.task == "regression":
        return
    if posed.task == "multilabel":
        counts = {name: y[at].sum(axis=0) for name, at in indices.items()}
    else:
        counts = {name: np.bincount(y[at], minlength=len(classes)) for name, at in indices.items()}
    total = np.sum(list(counts.values()), axis=0)
    trained = counts["train"] > 0
    if single := [name for name, count, has in zip(classes, total, trained, strict=True) if count == 1 and has]:
        yield f"in one row only, and so in no split but train: {target} {name_list(single, 10)}"
    if never := [name for name, count, has in zip(classes, total, trained, strict=True) if count and not has]:
        yield f"in no training row, so it cannot be learned: {target} {name_list(never, 10)}"


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

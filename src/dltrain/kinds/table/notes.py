"""The notes about a loaded table: one sentence for each thing that was inferred or left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import name_list
from dltrain.data.splits import Indices
from dltrain.kinds.table.categorical import MAX_LEVELS, CategoricalEncoder
from dltrain.kinds.table.columns import ONLY_COUNTING, Column
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.kinds.table.numeric import Impute, NumericEncoder
from dltrain.kinds.table.rows import REACH, Outliers
from dltrain.kinds.target import Target
from dltrain.types import SplitName

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


def note_task(goal: Target) -> Iterator[str]:
    """Yields the task and the reason for it, the number of rows without a target, and the gaps of several targets."""
    yield f"{goal.task}, because {goal.reason}"
    if unlabelled := int((~goal.present).sum()):
        yield f"left out {unlabelled} of {len(goal.present)} rows, which have no value of {goal.name}"
    yield from note_missing_targets(goal)


def note_missing_targets(goal: Target) -> Iterator[str]:
    """Yields how many values of each of several targets are missing in rows that have another one."""
    if goal.outputs:
        gaps = np.isnan(goal.reader.as_numbers(goal.y[goal.present])[0]).sum(axis=0).tolist()
        named = [f"{name} ({count})" for name, count in zip(goal.outputs, gaps, strict=True) if count]
        if named:
            yield f"missing targets, of which the row's other targets are still used: {name_list(named)}"


def note_classes(goal: Target, y: NDArray[Any], parts: Mapping[SplitName, Indices]) -> Iterator[str]:
    """Yields classes or labels that cannot be learned or measured, by the targets and the rows of each split."""
    target, classes = goal.name, goal.classes or goal.outputs
    if goal.form == "number":
        return
    if goal.form == "labels":
        counts = {name: (y[at] == 1).sum(axis=0) for name, at in parts.items()}
    else:
        counts = {name: np.bincount(y[at], minlength=len(classes)) for name, at in parts.items()}
    total = np.sum(list(counts.values()), axis=0)
    trained = counts["train"] > 0
    if single := [name for name, count, has in zip(classes, total, trained, strict=True) if count == 1 and has]:
        yield f"in only one row, and so only in train: {target} {name_list(single, 10)}"
    if never := [name for name, count, has in zip(classes, total, trained, strict=True) if count and not has]:
        yield f"in no training row, so that it cannot be learned: {target} {name_list(never, 10)}"


def note_outliers(rows_of: Mapping[str, NDArray[np.bool_]], outliers: Outliers) -> str:
    """Returns a note about the number of outliers in each column, and how they are treated."""
    return f"{OUTLIERS[outliers]}: {name_list(f'{name} ({beyond.sum()})' for name, beyond in rows_of.items())}"


def note_columns(columns: Sequence[Column], encoder: TableEncoder, impute: Impute) -> Iterator[str]:
    """Yields the role of each column, and the treatment of gaps and rare values."""
    by_name = {column.name: column for column in columns}
    numeric = [by_name[fitted.name] for fitted in encoder.columns if isinstance(fitted, NumericEncoder)]
    one_hot = [(by_name[fitted.name], fitted) for fitted in encoder.columns if isinstance(fitted, CategoricalEncoder)]
    yield from (f"dropped {column.name}: {column.reason}" for column in columns if column.role == "dropped")
    if encoder.id is not None:
        yield f"{encoder.id} names the rows of predictions (data.id)"
    yield from (f"uses {column.name}: {column.reason}" for column in numeric if column.reason == ONLY_COUNTING)
    used = [column for column in columns if column.role != "dropped"]
    yield from (f"{column.name}: {'; '.join(column.remarks)}" for column in used if column.remarks)
    listed = {
        "numbers": [column.name for column in numeric],
        "dates, as numbers of the calendar": [column.name for column in used if column.role == "date"],
        "true or false": [column.name for column in used if column.role == "boolean"],
        "texts, by the words that they contain": [column.name for column in used if column.role == "text"],
        "cells of several numbers, each an input": [column.name for column in used if column.role == "parts"],
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
            if fitted.other and len(fitted.levels) < MAX_LEVELS
        ],
        f"categories beyond the {MAX_LEVELS} most frequent, pooled as one": [
            f"{column.name} ({column.distinct - len(fitted.levels)} of {column.distinct})"
            for column, fitted in one_hot
            if fitted.other and len(fitted.levels) == MAX_LEVELS
        ],
        "categories by their mean target too, each training row by the other folds of the training rows": [
            f"{column.name} ({len(fitted.numbers.levels)} values)" for column, fitted in one_hot if fitted.numbers
        ],
    }
    yield from (f"{what}: {name_list(names)}" for what, names in listed.items() if names)

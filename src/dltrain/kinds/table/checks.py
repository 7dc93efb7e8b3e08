"""Checks a table's raw rows: columns and rows that make a result look better than it is, and damaged targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list
from dltrain.data.spelling import spellings_of
from dltrain.data.splits import Indices
from dltrain.kinds.checks import FEW_SAMPLES, Finding, find_conflicts, find_shared
from dltrain.kinds.table.columns import Column, is_entity
from dltrain.kinds.table.raw import RawTable
from dltrain.kinds.table.rows import number_codes
from dltrain.types import Data, Facts, SplitName

LEAK_SCORE = 0.99  # of the labels or of the target's variance
LEAK_ROWS, LEAK_COLUMNS = 5_000, 200
MOST_OF_ONE_CLASS = 0.95  # beyond which the score of a column means nothing
FAR = 100.0  # times the usual distance from the median
HELD_OUT: tuple[SplitName, ...] = ("test", "val")
FEWEST_IDS = FEWEST_TIMES = 20  # distinct values of a column that matters for the split
FEW_ROWS_EACH = 5  # of an id, which matters for the split even if there are few of them
MOST_WITHOUT_TARGET = 0.3
MOST_SHARED_IDS = 0.5


def check_rows(data: Data, raw: RawTable) -> Iterator[Finding]:
    """Yields findings about a table's rows and columns."""
    yield from check_leaks(data, raw)
    yield from check_ids(data, raw)
    yield from check_copies(data, raw)
    yield from check_times(raw)
    yield from check_target(data, raw)
    if raw.asks_about_case:
        yield from check_spelling(raw.used, raw.rows.inputs)
        yield from differing_in_case(data.facts.target, data.facts.classes)


def check_leaks(data: Data, raw: RawTable) -> Iterator[Finding]:
    """Yields columns that alone predict the target almost perfectly."""
    facts, at = data.facts, raw.parts["train"][:LEAK_ROWS]
    if len(raw.used) < 2 or facts.outputs or len(at) < FEW_SAMPLES:
        return
    y = data.splits["train"].target.flatten().numpy()[:LEAK_ROWS]
    if facts.classes and np.bincount(y).max() > MOST_OF_ONE_CLASS * len(y):
        return
    for column in raw.used[:LEAK_COLUMNS]:
        cells = raw.rows.inputs[column.name].take(at)
        score = _score_of_column(cells, y, facts, as_number=column.role == "numeric")
        if score >= LEAK_SCORE:
            measure = "of the labels" if facts.classes else "of the target's variance"
            yield Finding(
                "warning",
                f"{column.name} alone predicts {100 * score:.1f} % {measure}: it may be known only after "
                f"{facts.target}",
                f"if so, leave it out: data.drop=[{column.name}]",
            )


def _score_of_column(cells: Cells, y: NDArray[Any], facts: Facts, *, as_number: bool) -> float:
    """Returns how well a column of one half of the rows predicts the targets of the other half: accuracy or R²."""
    half = np.arange(len(y)) % 2 == 0
    if as_number:
        return _score_of_tree(cells.as_numbers(), y, half, classification=bool(facts.classes))
    codes = cells.codes - cells.codes.min()
    if facts.classes:
        counts = np.zeros((codes.max() + 1, len(facts.classes)))
        np.add.at(counts, (codes[half], y[half]), 1)
        return float((counts.argmax(axis=1)[codes[~half]] == y[~half]).mean())
    n = np.bincount(codes[half], minlength=codes.max() + 1)
    total = np.bincount(codes[half], y[half], minlength=codes.max() + 1)
    mean = np.where(n > 0, total / np.maximum(n, 1), y[half].mean())
    spread = ((y[~half] - y[~half].mean()) ** 2).sum()
    return float(1 - ((y[~half] - mean[codes[~half]]) ** 2).sum() / spread) if spread else 0.0


def _score_of_tree(x: NDArray[np.float64], y: NDArray[Any], half: NDArray[np.bool_], *, classification: bool) -> float:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    tree = (
        DecisionTreeClassifier(max_depth=4, random_state=0)
        if classification
        else DecisionTreeRegressor(max_depth=8, random_state=0)
    )
    x = np.nan_to_num(x, nan=float(np.nanmin(x)) - 1 if not np.isnan(x).all() else 0.0)[:, None]
    return float(tree.fit(x[half], y[half]).score(x[~half], y[~half]))


def check_ids(data: Data, raw: RawTable) -> Iterator[Finding]:
    """Yields ids whose rows a random split has put into train and into a held-out split, or into several folds."""
    if not raw.at_random:
        return
    train, fold = raw.parts["train"], data.splits["train"].fold
    held_out = next((name for name in HELD_OUT if name in raw.parts), None)
    if held_out is not None:
        held_out_rows = raw.parts[held_out]
    elif fold is not None:
        inside = fold.numpy() == 0
        held_out, held_out_rows, train = "val", train[inside], train[~inside]
    else:
        return
    for column in raw.columns:
        yield from find_known_ids(column.name, raw.rows.inputs[column.name], train, held_out_rows, held_out)


def find_known_ids(
    name: str, cells: Cells, train: Indices, held_out: Indices, split: SplitName, least: float = MOST_SHARED_IDS
) -> Iterator[Finding]:
    """Yields that held-out rows have an id that is also in train, if a share of them has.

    Args:
        name: of the column.
        cells: of all rows.
        train: the training rows.
        held_out: those of another split.
        split: the name of that split.
        least: the share.
    """
    few = len(cells.values) < FEWEST_IDS and cells.present > FEW_ROWS_EACH * len(cells.values)
    if few or not is_entity(name, cells):
        return
    there = cells.codes[held_out]
    shared = float(np.isin(there[there >= 0], cells.codes[train]).mean()) if len(there) else 0.0
    if shared >= least:
        so = f"holds for a known {name} only" if shared >= MOST_SHARED_IDS else f"may be too good for a new {name}"
        yield Finding(
            "warning",
            f"{100 * shared:.0f} % of the {split} rows have a {name} that is also in train, so the result {so}",
            f"to measure new ones, keep the rows of each together: data.group={name}",
        )


def check_times(raw: RawTable) -> Iterator[Finding]:
    """Yields a column of dates by which the file is sorted, while chance decides the split."""
    if not raw.at_random:
        return
    for column in raw.columns:
        if column.dates is None:
            continue
        cells = raw.rows.inputs[column.name]
        moments = column.dates.read(cells.values)
        of_row = moments[cells.codes[cells.codes >= 0]]
        steps = np.diff(of_row[~np.isnat(of_row)]).astype(np.int64)
        if len(np.unique(of_row)) >= FEWEST_TIMES and ((steps >= 0).all() or (steps <= 0).all()):
            yield Finding(
                "warning",
                f"the rows are in the order of {column.name}, and chance decides which of them test the model",
                f"if it will predict later rows, test it on the last ones: data.time={column.name}",
            )


def check_target(data: Data, raw: RawTable) -> Iterator[Finding]:
    """Yields that many rows have no target, and numbers of the target that are far from all others."""
    rows = len(raw.rows.y) + raw.without_target
    if raw.without_target > MOST_WITHOUT_TARGET * rows:
        yield Finding(
            "warning",
            f"{raw.without_target:,} of the {rows:,} rows have no value of {data.facts.target} and teach nothing",
            "if a value was lost, restore it; if these are rows to predict: dltrain predict RUN FILE",
        )
    if data.facts.classes or data.facts.outputs or not data.splits["train"].target.is_floating_point():
        return
    y = np.concatenate([raw.rows.y[at, 0] for at in raw.parts.values()])
    distance = np.abs(y - np.median(y))
    usual = float(np.quantile(distance, 0.99))
    numbers = np.concatenate([raw.rows.numbers[at] for at in raw.parts.values()])
    if usual and distance.max() > FAR * usual:
        worst = int(distance.argmax())
        yield Finding(
            "warning",
            f"row {int(numbers[worst]) + 2}: {data.facts.target} is {y[worst]:g}, {distance[worst] / usual:,.0f} times "
            "as far from the median as 99 % of the rows (the header is row 1)",
            "if it is no real value, delete the row; else learn with less weight on it: loss=mae",
        )


def check_spelling(columns: Sequence[Column], inputs: Mapping[str, Cells]) -> Iterator[Finding]:
    """Yields categories that differ only in case or blanks."""
    for column in columns:
        if column.role == "categorical":
            yield from differing_in_case(column.name, inputs[column.name].values)


def differing_in_case(name: str, values: Sequence[str]) -> Iterator[Finding]:
    """Yields a finding where texts of a column differ only in case or blanks."""
    several = [" and ".join(map(repr, group)) for group in spellings_of(values)]
    if several:
        yield Finding(
            "warning",
            f"values of {name} differ only in case or blanks: {name_list(several, 3)}",
            "if they are the same: data.ignore_case=true, and false if not",
        )


def check_copies(data: Data, raw: RawTable) -> Iterator[Finding]:
    """Yields how many held-out rows have the same inputs as a training row, and equal training rows whose targets
    differ."""
    numbers = number_codes([raw.rows.inputs[column.name].codes for column in raw.used])
    train = numbers[raw.parts["train"]]
    held_out = [name for name in raw.parts if name != "train"]
    shared: dict[SplitName, int] = {name: int(np.isin(numbers[raw.parts[name]], train).sum()) for name in held_out}
    fix = "metrics may be too good; if they are copies, leave them out: data.duplicates=drop"
    yield from find_shared(data, shared, "note", fix)
    if data.facts.classes:
        different = np.unique(np.stack([train, data.splits["train"].target.numpy()], axis=1), axis=0)[:, 0]
        yield from find_conflicts(data, int((np.unique(different, return_counts=True)[1] > 1).sum()))

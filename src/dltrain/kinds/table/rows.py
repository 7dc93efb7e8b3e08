"""Rows of a table: which are left out, which repeat, and which train, validate and test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import COUNTING, ID_REASON, Cells, Column, nearest
from dltrain.data.dates import no_time, read_moments
from dltrain.data.splits import Indices, split_groups, split_indices
from dltrain.errors import DataError
from dltrain.types import SPLITS, SplitName

Outliers = Literal["keep", "clip", "drop"]
Duplicates = Literal["keep", "drop"]
REACH = 3.0  # interquartile ranges beyond the quartiles, where a value counts as an outlier


@dataclass(frozen=True)
class Rows:
    """Rows that have a target, of one file or several.

    Args:
        inputs: columns by name.
        y: `(N,)` class indices or numbers, or `(N, K)` of several targets.
        numbers: `(N,)` row number in its own file, counted from 0.
        files: `(N,)` which file it is from: 0 the one that is to be split, 1 that of val, 2 that of test.
    """

    inputs: Mapping[str, Cells]
    y: NDArray[Any]
    numbers: Indices
    files: Indices

    def take(self, at: Indices) -> Rows:
        """Returns the rows at these positions."""
        inputs = {name: cells.take(at) for name, cells in self.inputs.items()}
        return Rows(inputs, self.y[at], self.numbers[at], self.files[at])


def without_gaps(rows: Rows, columns: Sequence[Column]) -> tuple[Rows, list[str]]:
    """Leaves out the rows with a gap in any column that is used, and says how many.

    Raises:
        DataError: no row is left.
    """
    used = [column.name for column in columns if column.role != "dropped"]
    gaps = np.stack([rows.inputs[name].codes < 0 for name in used])  # (columns, N)
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
    return rows.take(np.flatnonzero(~incomplete)), [note] if incomplete.any() else []


def same_rows(rows: Rows, columns: Sequence[Column]) -> Indices:
    """A number for each row, the same for rows that agree in all columns but those that only count or name rows."""
    names = [column.name for column in columns if column.reason != COUNTING and not column.reason.startswith(ID_REASON)]
    target = np.unique(rows.y, axis=0, return_inverse=True)[1].reshape(-1)
    codes = np.stack([target, *(rows.inputs[name].codes for name in names)], axis=1)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)


def without_repeats(rows: Rows, columns: Sequence[Column]) -> tuple[Rows, list[str]]:
    """Keeps one of each row, that of a test or validation file before others, and says how many are left out."""
    same = same_rows(rows, columns)
    order = np.argsort(-rows.files, kind="stable")
    kept = np.sort(order[np.unique(same[order], return_index=True)[1]])
    gone = len(same) - len(kept)
    note = f"left out {gone} of {len(same)} rows that repeat another: data.duplicates=drop"
    return rows.take(kept), [note] if gone else []


def repeats_noted(same: Indices, splits: Mapping[SplitName, Indices]) -> list[str]:
    """Says how many rows repeat another, and how many of them one that was trained on."""
    repeated = len(same) - len(np.unique(same))
    if not repeated:
        return []
    leaked = {name: int(np.isin(same[at], same[splits["train"]]).sum()) for name, at in splits.items()}
    seen = [f"{count} of the {len(splits[name])} {name} rows" for name, count in leaked.items() if count]
    across = f"; also trained on: {', '.join(seen[1:])}" if len(seen) > 1 else ""
    return [f"{repeated} of {len(same)} rows repeat another{across} (data.duplicates=drop leaves them out)"]


def fences(inputs: Mapping[str, Cells], columns: Sequence[Column]) -> dict[str, tuple[float, float]]:
    """Where the outliers of each column of numbers begin; a column whose middle half is one value has none."""
    found = {}
    for column in columns:
        if column.role != "numeric":
            continue
        x = inputs[column.name].as_numbers()
        if np.isnan(x).all():
            continue
        low, high = np.nanquantile(x, [0.25, 0.75]).tolist()
        if high > low:
            found[column.name] = (low - REACH * (high - low), high + REACH * (high - low))
    return found


def outside(inputs: Mapping[str, Cells], limits: Mapping[str, tuple[float, float]]) -> dict[str, NDArray[np.bool_]]:
    """For each column that has outliers, `(N,)` which rows they are."""
    found = {}
    for name, (low, high) in limits.items():
        x = inputs[name].as_numbers()
        beyond = (x < low) | (x > high)
        if beyond.any():
            found[name] = beyond
    return found


def split_rows(
    rows: Rows,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    stratify: bool,
    group: str | None,
    time: str | None,
    given: Collection[SplitName] = (),
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Divides the rows: those of `given` files go there, the others at random, by group or by time.

    Returns:
        Positions in ascending order for each split, and what there is to say of them.

    Raises:
        DataError: a split would be empty, or the column that decides cannot.
    """
    if group is not None and time is not None:
        raise DataError(
            "rows are split by data.group or by data.time, not by both",
            where="data.time",
            fix="leave one out",
            override="data.time=null",
        )
    main = np.flatnonzero(rows.files == 0)
    for split in given:
        if not (rows.files == SPLITS.index(split)).any():
            raise DataError(
                f"no row of the {split} file can be used",
                where=f"data.{split}_path",
                fix="give one whose rows have a target and the inputs",
                override=f"data.{split}_path=null",
            )
    fractions = {
        "val_fraction": 0.0 if "val" in given else val_fraction,
        "test_fraction": 0.0 if "test" in given else test_fraction,
    }
    notes: list[str] = []
    if group is not None or time is not None:
        key, name = ("group", group) if group is not None else ("time", time)
        assert name is not None
        if name not in rows.inputs:
            raise DataError(
                f"the table has no column {name!r} to split by",
                where=f"data.{key}",
                fix=f"its columns are {', '.join(rows.inputs)}",
                override=f"data.{key}={(nearest(name, rows.inputs) or list(rows.inputs))[0]}",
            )
        cells = rows.inputs[name].take(main)
        codes = _moments(name, cells) if time is not None else _groups(cells)
        parts = split_groups(codes, key, seed=None if time is not None else seed, **fractions)
        if time is not None:
            said = ", ".join(f"{split} {_span(cells, codes, at)}" for split, at in parts.items())
            notes.append(f"split by the order of {name}: {said}")
        else:
            notes.append(f"split by {name}: rows of one of its {codes.max() + 1} values stay together")
    else:
        parts = split_indices(len(main), seed=seed, strata=rows.y[main] if stratify else None, **fractions)
    found = {name: main[at] for name, at in parts.items()}
    found |= {name: np.flatnonzero(rows.files == SPLITS.index(name)) for name in given}
    if group is not None:
        codes = rows.inputs[group].codes
        trained = np.unique(codes[found["train"]])
        shared = {name: int(np.isin(np.unique(codes[found[name]]), trained).sum()) for name in given}
        notes += [
            f"{count} values of {group} in the {name} file are in train too: its metrics may flatter the model"
            for name, count in shared.items()
            if count
        ]
    return {name: found[name] for name in SPLITS if name in found}, notes


def _groups(cells: Cells) -> Indices:
    """Codes from 0; a row whose cell is missing is a group of its own."""
    missing = cells.codes < 0
    codes = np.where(missing, len(cells.values) + np.cumsum(missing), cells.codes)
    return np.unique(codes, return_inverse=True)[1]


def _moments(name: str, cells: Cells) -> Indices:
    """Returns codes from 0 in the order of time, by numbers or by dates.

    Raises:
        DataError: a cell is missing or neither.
    """
    moments = read_moments(cells)
    bad = np.isnan(moments)
    if bad.any():
        raise no_time(cells, int(bad.argmax()), name, fix="split at random", override="data.time=null")
    return np.unique(moments, return_inverse=True)[1]


def _span(cells: Cells, codes: Indices, at: Indices) -> str:
    first, last = at[codes[at].argmin()], at[codes[at].argmax()]
    return f"{cells.values[cells.codes[first]]} to {cells.values[cells.codes[last]]}"

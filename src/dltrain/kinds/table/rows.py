"""Rows of a table: leaves out incomplete and repeated ones, finds outliers, and splits them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, Form, nearest
from dltrain.data.dates import no_time, read_moments
from dltrain.data.folds import NO_FOLDS, Divided, Folds
from dltrain.data.nouns import count, verb
from dltrain.data.splits import Indices, split_groups, split_indices
from dltrain.errors import DataError
from dltrain.kinds.table.columns import COUNTING, ID_REASON, Column
from dltrain.types import SPLITS, SplitName

Outliers = Literal["keep", "clip", "drop"]
Duplicates = Literal["keep", "drop"]
REACH = 3.0  # interquartile ranges beyond the quartiles, where a value counts as an outlier


@dataclass(frozen=True)
class Rows:
    """Rows that have a target, of one file or several.

    Args:
        inputs: the columns by name.
        y: the targets as in `Split`, or `(N,)` numbers.
        numbers: `(N,)` row number in its own file, counted from 0.
        files: `(N,)` the file of each row: 0 for the one that is split, 1 for that of val, 2 for that of test.
    """

    inputs: Mapping[str, Cells]
    y: NDArray[Any]
    numbers: Indices
    files: Indices

    def read_as(self, forms: Mapping[str, Form | None]) -> Rows:
        """Returns the rows with the numbers that are written in the forms of some columns."""
        inputs = {name: cells.read_as(forms.get(name)) for name, cells in self.inputs.items()}
        return replace(self, inputs=inputs)

    def names(self, at: Indices, id: str | None) -> tuple[str, ...]:
        """Returns the names of the rows at these positions: cells of the column `id`, else the rows' numbers."""
        numbers = tuple(map(str, self.numbers[at].tolist()))
        return numbers if id is None else self.inputs[id].take(at).or_else(numbers)

    def take(self, at: Indices) -> Rows:
        """Returns the rows at these positions."""
        rows = {id(cells.rows): cells.rows for cells in self.inputs.values()}
        taken = {key: numbers[at] for key, numbers in rows.items()}  # once, since columns share them
        inputs = {
            name: replace(cells, codes=cells.codes[at], rows=taken[id(cells.rows)])
            for name, cells in self.inputs.items()
        }
        return Rows(inputs, self.y[at], self.numbers[at], self.files[at])


def drop_incomplete(rows: Rows, columns: Sequence[Column]) -> tuple[Rows, list[str]]:
    """Returns the rows without a gap in any column that is used, and a note about the others.

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


def number_rows(rows: Rows, columns: Sequence[Column]) -> Indices:
    """Returns a number for each row `(N,)`, equal if rows agree in all columns except those that only number rows."""
    names = [column.name for column in columns if column.reason != COUNTING and not column.reason.startswith(ID_REASON)]
    targets = (pd.factorize(y)[0] for y in rows.y.reshape(len(rows.y), -1).T)
    return number_codes(chain(targets, (rows.inputs[name].codes for name in names)))


def number_codes(columns: Iterable[NDArray[np.integer[Any]]]) -> Indices:
    """Returns a number for each row `(N,)`, equal if rows agree in all columns of codes `(N,)`, each at least -1."""
    numbers: Indices | None = None
    for codes in columns:
        # Two numbers become one; both are below the number of rows, so that it fits into 64 bits.
        pairs = codes + 1 if numbers is None else numbers * (int(codes.max(initial=0)) + 2) + codes + 1
        numbers = pd.factorize(pairs)[0].astype(np.int64)
        if int(numbers.max(initial=-1)) + 1 == len(numbers):
            break
    assert numbers is not None
    return numbers


def drop_repeats(rows: Rows, columns: Sequence[Column]) -> tuple[Rows, list[str]]:
    """Returns the rows without repeated ones, keeping those of test and validation files, and a note about them."""
    numbers = number_rows(rows, columns)
    order = np.argsort(-rows.files, kind="stable")
    first = np.sort(order[np.unique(numbers[order], return_index=True)[1]])
    repeated = len(numbers) - len(first)
    note = f"left out {repeated} of {len(numbers)} rows that repeat another: data.duplicates=drop"
    return rows.take(first), [note] if repeated else []


def note_repeats(numbers: Indices, splits: Mapping[SplitName, Indices]) -> list[str]:
    """Returns a note about repeated rows, and about held-out rows that repeat a training row.

    Args:
        numbers: the numbers of the rows, from `number_rows`.
        splits: the positions of the rows of each split.
    """
    repeated = len(numbers) - len(np.unique(numbers))
    if not repeated:
        return []
    trained = {name: int(np.isin(numbers[at], numbers[splits["train"]]).sum()) for name, at in splits.items()}
    shares = [f"{count} of the {len(splits[name])} {name} rows" for name, count in trained.items() if count]
    across = f"; also trained on: {', '.join(shares[1:])}" if len(shares) > 1 else ""
    return [f"{repeated} of {len(numbers)} rows repeat another{across} (data.duplicates=drop leaves them out)"]


def find_limits(inputs: Mapping[str, Cells], columns: Sequence[Column]) -> dict[str, tuple[float, float]]:
    """Returns the limits of each column of numbers, beyond which values are outliers.

    A column whose middle half is one value has no limits.
    """
    limits = {}
    for column in columns:
        if column.role != "numeric":
            continue
        x = inputs[column.name].as_numbers()
        if np.isnan(x).all():
            continue
        low, high = np.nanquantile(x, [0.25, 0.75]).tolist()
        if high > low:
            limits[column.name] = (low - REACH * (high - low), high + REACH * (high - low))
    return limits


def find_outliers(
    inputs: Mapping[str, Cells], limits: Mapping[str, tuple[float, float]]
) -> dict[str, NDArray[np.bool_]]:
    """Returns `(N,)` which rows are outliers, for each column that has any."""
    outliers = {}
    for name, (low, high) in limits.items():
        x = inputs[name].as_numbers()
        beyond = (x < low) | (x > high)
        if beyond.any():
            outliers[name] = beyond
    return outliers


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
    dates: str = "auto",
    folds: Folds = NO_FOLDS,
    classes: Sequence[str] = (),
) -> Divided:
    """Splits the rows: those of `given` files by their file, the others at random, by group or by time; and divides
    those that are not for testing into folds.

    Args:
        rows: all rows.
        val_fraction: share of the validation split; without meaning where there are folds.
        test_fraction: share of the test split.
        seed: of the splits.
        stratify: whether the targets are classes, of which every split gets the same shares.
        group: the column whose equal values stay together.
        time: the column in whose order rows are split.
        given: the splits that have files of their own.
        dates: how dates are read.
        folds: what the config says of them.
        classes: the names of the classes.

    Raises:
        DataError: a split would be empty, or the rows cannot be split by the given column.
    """
    _check_split(rows, group, time, given)
    main = np.flatnonzero(rows.files == 0)
    fractions = {
        "val_fraction": 0.0 if "val" in given or folds.count else val_fraction,
        "test_fraction": 0.0 if "test" in given else test_fraction,
    }
    notes: list[str] = []
    groups: Indices | None = None
    times: Indices | None = None
    if time is not None:
        cells = rows.inputs[time].take(main)
        codes = _order_by_time(time, cells, dates)
        times = np.zeros(len(rows.y), dtype=np.int64)
        times[main] = codes
        parts = split_groups(codes, "time", seed=None, **fractions)
        spans = ", ".join(f"{name} {_spell_span(cells, codes, at)}" for name, at in parts.items())
        notes.append(f"split in the order of {time}: {spans}")
    elif group is not None:
        codes = number_groups(rows.inputs[group].take(main))
        groups = np.zeros(len(rows.y), dtype=np.int64)
        groups[main] = codes
        parts = split_groups(codes, "group", seed=seed, **fractions)
        notes.append(f"split by {group}: rows with the same of its {codes.max() + 1} values stay together")
    else:
        parts = split_indices(len(main), seed=seed, strata=rows.y[main] if stratify else None, **fractions)
    splits = {name: main[at] for name, at in parts.items()}
    splits |= {name: np.flatnonzero(rows.files == SPLITS.index(name)) for name in given}
    if group is not None:
        notes += _note_shared_groups(group, rows.inputs[group].codes, splits, given)
    ordered = {name: splits[name] for name in SPLITS if name in splits}
    strata = rows.y if stratify else None
    divided = folds.divide(ordered, seed=seed, strata=strata, classes=classes, groups=groups, times=times)
    return divided._replace(notes=(*notes, *divided.notes))


def _check_split(rows: Rows, group: str | None, time: str | None, given: Collection[SplitName]) -> None:
    """Checks that the rows can be split by group, time or files.

    Raises:
        DataError: both columns are given, or one does not exist, or a file has no rows.
    """
    if group is not None and time is not None:
        raise DataError(
            "rows are split by data.group or by data.time, not by both",
            where="data.time",
            fix="leave one out",
            override="data.time=null",
        )
    for split in given:
        if not (rows.files == SPLITS.index(split)).any():
            raise DataError(
                f"no row of the {split} file can be used",
                where=f"data.{split}_path",
                fix="give a file whose rows have the target and the inputs",
                override=f"data.{split}_path=null",
            )
    for key, name in (("group", group), ("time", time)):
        if name is not None and name not in rows.inputs:
            raise DataError(
                f"the table has no column {name!r} to split by",
                where=f"data.{key}",
                fix=f"name one of its columns: {', '.join(rows.inputs)}",
                override=f"data.{key}={near[0]}" if (near := nearest(name, rows.inputs)) else "",
            )


def _note_shared_groups(
    group: str, codes: NDArray[np.integer[Any]], splits: Mapping[SplitName, Indices], given: Collection[SplitName]
) -> Iterator[str]:
    """Yields how many values of the column are both in train and in another file."""
    trained = np.unique(codes[splits["train"]])
    for name in given:
        shared = int(np.isin(np.unique(codes[splits[name]]), trained).sum())
        if shared:
            values = f"{count(shared, 'value')} of {group} in the {name} file {verb(shared, 'is', 'are')}"
            yield f"{values} also in train: its metrics may be too good"


def number_groups(cells: Cells) -> Indices:
    """Returns codes of groups from 0; a row with a missing cell is a group of its own."""
    missing = cells.codes < 0
    codes = np.where(missing, len(cells.values) + np.cumsum(missing), cells.codes)
    return np.unique(codes, return_inverse=True)[1]


def _order_by_time(name: str, cells: Cells, dates: str) -> Indices:
    """Returns codes from 0 in the order of time, by numbers or by dates.

    Raises:
        DataError: a cell is missing, or neither a number nor a date, or dates may be read in several ways.
    """
    moments = read_moments(cells, name, dates=dates)
    bad = np.isnan(moments)
    if bad.any():
        raise no_time(cells, int(bad.argmax()), name, fix="split at random", override="data.time=null")
    return np.unique(moments, return_inverse=True)[1]


def _spell_span(cells: Cells, codes: Indices, at: Indices) -> str:
    first, last = at[codes[at].argmin()], at[codes[at].argmax()]
    return f"{cells.values[cells.codes[first]]} to {cells.values[cells.codes[last]]}"

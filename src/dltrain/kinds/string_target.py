"""Infers whether a target column holds strings that are read character by character."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from dltrain.data.cells import name_list, shorten
from dltrain.errors import DataError
from dltrain.kinds.labels import TASKS, TargetReader, read_strings
from dltrain.kinds.strings import are_strings, characters_of, describe_strings, places_of

MOST_PLACES = 64


class Strings(NamedTuple):
    """How a column of strings is read, and the reason for it."""

    reader: TargetReader
    reason: str


def infer_strings(column: pd.Series[Any], name: str, task: str) -> Strings | None:
    """Returns how a column of strings is read character by character; `None` if it holds no such strings.

    Raises:
        DataError: it may hold such strings, and the task is `auto`; or it holds no strings, and the task needs them.
    """
    cells = read_strings(column)
    likelihood = are_strings(cells) if task == "auto" else "certain"
    if likelihood == "no":
        return None
    distinct = len(cells.values)
    if likelihood == "possible":
        raise DataError(
            f"{distinct:,} of {cells.present:,} rows have a value of {name!r} of their own, such as "
            f"{name_list(map(repr, cells.values), 3)}: these are hardly classes",
            where="data.target",
            fix=f"if they are to be read character by character, say so, or choose another column, or "
            f"task={TASKS['class']}",
            override=f"task={TASKS['string']}",
        )
    if distinct < 2:
        raise DataError(
            f"{'every value' if distinct else 'no row has a value'} of {name!r}"
            + (f" is {shorten(cells.values[0])}: there is nothing to predict" if distinct else ""),
            where="data.target",
            fix="choose another column, or give rows with other values",
        )
    if pd.api.types.is_numeric_dtype(column.dtype) and len({len(value) for value in cells.values}) > 1:
        raise DataError(
            f"{name!r} is stored as numbers of several lengths, which may have lost zeros at their beginning",
            where="data.target",
            fix="store them as text",
        )
    if max(map(len, cells.values)) > MOST_PLACES:
        raise DataError(
            f"{name!r} has strings of up to {max(map(len, cells.values))} characters, and {MOST_PLACES} can be read",
            where="data.target",
            fix="choose a column of shorter strings",
        )
    chosen = TASKS["string"] if task == "auto" else task
    reader = TargetReader(name, chosen, classes=characters_of(cells.values), outputs=places_of(cells.values))
    reason = f"{name} has {distinct:,} {describe_strings(cells.values)}"
    if task == "auto":
        reason += f" (task={TASKS['class']} takes each string as a class)"
    return Strings(reader, reason)

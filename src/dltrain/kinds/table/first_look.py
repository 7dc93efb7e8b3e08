"""A first look at a table: guesses the target, and the roles of the other columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from dltrain.data.cells import name_list, nearest, read_cells
from dltrain.errors import DataError
from dltrain.kinds.table.columns import Column, infer_columns
from dltrain.kinds.target import Target, infer_task

LIKELY = re.compile(
    r"target|labels?|class|category|outcome|response|result|y|survived|species|quality|price|diagnosis|churn(ed)?|"
    r"default(ed)?|score|grade|rating|sales|amount|等级|成绩|总分|标签|类别|分类|目标|结果|价格|销量|评分",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Look:
    """The first look at a table.

    Args:
        rows: the number of rows.
        target: the target and its task.
        why: why this target was guessed; empty if it was given.
        columns: the other columns, with their roles and reasons.
    """

    rows: int
    target: Target
    why: str
    columns: tuple[Column, ...]


def look_at(frame: pd.DataFrame, target: str | None = None) -> Look:
    """Returns target and roles of a table's columns.

    Args:
        frame: cells as text or as real dtypes.
        target: the column to predict; None to guess it.

    Raises:
        DataError: the column does not exist, or no column can be predicted.
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    if target is not None and target not in frame.columns:
        close = nearest(target, frame.columns)
        raise DataError(
            f"the table has no column {target!r}",
            where="data.target",
            fix=f"name one of its columns: {name_list(frame.columns)}",
            override=f"data.target={close[0]}" if close else "",
        )
    cells = {name: read_cells(frame[name]) for name in frame.columns}
    goal, why = (infer_task(frame[[target]]), "") if target is not None else _guess_target(frame)
    others = {name: column for name, column in cells.items() if name != goal.name}
    if not others:
        raise DataError("the table has only one column", fix="give a table with more columns, to predict from")
    return Look(len(frame), goal, why, tuple(infer_columns(others)))


def _guess_target(frame: pd.DataFrame) -> tuple[Target, str]:
    """Returns a column with the usual name of a target, else the last one that can be predicted, and the reason."""
    names = list(frame.columns)
    likely = [name for name in names if LIKELY.fullmatch(name.strip())]
    dropped = _dropped(frame)
    others = [name for name in reversed(names) if name not in likely and name not in dropped]
    for name in [*reversed(likely), *others]:
        try:
            goal = infer_task(frame[[name]])
        except DataError:
            continue
        return goal, "by its name" if name in likely else "the last column that can be predicted"
    raise DataError(
        "no column can be predicted",
        fix=f"choose one of {name_list(names)}; the error then says why it cannot be predicted",
        override=f"data.target={names[-1]}",
    )


def _dropped(frame: pd.DataFrame) -> set[str]:
    """Returns the columns that only name or number rows, or contain free text."""
    dropped = set()
    for name in frame.columns:
        try:
            (column,) = infer_columns({name: read_cells(frame[name])})
        except DataError:
            continue
        if column.role == "dropped" or column.reason.startswith("consecutive"):
            dropped.add(name)
    return dropped

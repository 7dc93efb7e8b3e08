"""Finds the columns that a kind of data needs, by the names that such columns usually have."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from dltrain.data.cells import name_list, nearest
from dltrain.errors import DataError


def plain(name: str) -> str:
    """Returns a column's name in lower case, without spaces and marks: `User_ID` and `userId` become the same."""
    return re.sub(r"[\W_]+", "", name.casefold())


def pick_column(
    frame: pd.DataFrame, key: str, given: str | None, names: str, taken: Collection[str] = ()
) -> str | None:
    """Returns the column that is given, else the first whose name matches the pattern; `None` where none does.

    Args:
        frame: the table.
        key: of the config that names the column, below `data`.
        given: the value of that key.
        names: a pattern of usual names, as `plain` spells them.
        taken: columns that already have another role.

    Raises:
        DataError: the table has no column of the given name.
    """
    if given is not None:
        if given in frame.columns:
            return given
        near = nearest(given, frame.columns)
        raise DataError(
            f"the table has no column {given!r}",
            where=f"data.{key}",
            fix=f"name one of its columns: {name_list(frame.columns)}",
            override=f"data.{key}={near[0]}" if near else "",
        )
    free = (str(column) for column in frame.columns if column not in taken)
    return next((column for column in free if re.fullmatch(names, plain(column))), None)


def required(frame: pd.DataFrame, key: str, column: str | None, taken: Collection[str] = ()) -> str:
    """Returns the column, which must not be `None`.

    Args:
        frame: the table.
        key: of the config that names the column, below `data`.
        column: as `pick_column` returned it.
        taken: columns that already have another role.

    Raises:
        DataError: it is `None`: the table has no such column.
    """
    if column is not None:
        return column
    free = [str(name) for name in frame.columns if name not in taken]
    numbered = all(str(name).replace(".", "", 1).isdigit() for name in frame.columns)
    raise DataError(
        f"no column looks like the {key}",
        where=f"data.{key}",
        fix="if the file has no header line, say so" if numbered else f"name one of {name_list(free)}",
        override="data.header=none" if numbered else f"data.{key}={free[0]}" if free else "",
    )

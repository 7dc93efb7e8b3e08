"""Finds the columns that a kind of data needs by what files call them."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from dltrain.data.cells import name_list, nearest
from dltrain.errors import DataError


def plain(name: str) -> str:
    """A column's name without case, spaces and marks: `User_ID` and `userId` are the same."""
    return re.sub(r"[\W_]+", "", name.casefold())


def pick_column(
    frame: pd.DataFrame, key: str, given: str | None, names: str, taken: Collection[str] = ()
) -> str | None:
    """The column that is given, else the first whose name the pattern fits; `None` where no column does.

    Args:
        frame: the table.
        key: of the config that names the column, below `data`.
        given: what stands there.
        names: a pattern of what such columns are called, as `plain` spells them.
        taken: columns that are something else.

    Raises:
        DataError: the given column is not there.
    """
    if given is not None:
        if given in frame.columns:
            return given
        near = nearest(given, frame.columns)
        raise DataError(
            f"the table has no column {given!r}",
            where=f"data.{key}",
            fix=f"its columns are {name_list(frame.columns)}",
            override=f"data.{key}={near[0]}" if near else "",
        )
    free = (str(column) for column in frame.columns if column not in taken)
    return next((column for column in free if re.fullmatch(names, plain(column))), None)


def required(frame: pd.DataFrame, key: str, found: str | None, taken: Collection[str] = ()) -> str:
    """The column that was found.

    Raises:
        DataError: none was.
    """
    if found is not None:
        return found
    free = [str(column) for column in frame.columns if column not in taken]
    numbered = all(str(column).replace(".", "", 1).isdigit() for column in frame.columns)
    raise DataError(
        f"no column looks like the {key}",
        where=f"data.{key}",
        fix="the file seems to lack a header line" if numbered else f"name one of {name_list(free)}",
        override="data.header=none" if numbered else f"data.{key}={free[0]}" if free else "",
    )

"""Reads a table of ratings, with one row per pair of user and item, and a table of titles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import LARGEST, Cells, read_cells
from dltrain.data.dates import read_moments
from dltrain.data.table_files import read_table
from dltrain.errors import DataError, named_by
from dltrain.kinds.ratings.columns import Role, find_titles
from dltrain.kinds.ratings.encoder import read_ids

OnBad = Literal["error", "skip"]


def read_pairs(
    frame: pd.DataFrame, columns: Mapping[Role, str], on_bad: OnBad, dates: str = "auto"
) -> tuple[pd.DataFrame, list[str]]:
    """Returns one row per pair of user and item, the last of several, and notes about what was left out.

    Args:
        frame: the table.
        columns: the name of the column of each role.
        on_bad: whether a row with an unusable cell is refused or skipped.
        dates: how dates are read.

    Returns:
        Columns `row` of the source, `user` and `item` as text, `target` and perhaps `time` as numbers; the target is 1
        without a column of ratings.

    Raises:
        DataError: a cell is missing or not a number or time, dates may be read in several ways, or fewer
            than two rows are left.
    """
    cells = {role: read_cells(frame[name]) for role, name in columns.items()}
    pairs = pd.DataFrame({"user": read_ids(cells["user"]), "item": read_ids(cells["item"])})
    pairs["target"] = cells["target"].as_numbers() if "target" in cells else 1.0
    if "time" in cells:
        pairs["time"] = read_moments(cells["time"], columns["time"], dates=dates)
    good = np.ones(len(frame), dtype=bool)
    for role in cells:
        bad = cells[role].codes < 0 if role in ("user", "item") else ~(np.abs(pairs[role].to_numpy()) <= LARGEST)
        if bad.any() and on_bad == "error":
            raise _bad_cell(cells[role], bad, columns[role], "rating" if role == "target" else role)
        good &= ~bad
    needed = "user, item, numeric rating or time" if "time" in cells else "user, item or numeric rating"
    notes = [] if good.all() else [f"skipped {(~good).sum()} of {len(good)} rows without {needed}"]
    pairs = pairs[good]
    # A later rating of the same item replaces the earlier one.
    order = pairs.sort_values("time", kind="stable") if "time" in pairs else pairs
    latest = order.drop_duplicates(["user", "item"], keep="last").sort_index()
    if len(latest) < len(pairs):
        notes.append(f"left out {len(pairs) - len(latest)} ratings that a later one of the same user and item replaces")
    if len(latest) < 2:
        count = "1 rating is" if len(latest) else "0 ratings are"
        raise DataError(f"{count} too few", where="data.path", fix="give more ratings, for training and testing")
    users, items = latest["user"].nunique(), latest["item"].nunique()
    notes.append(f"{len(latest):,} ratings of {items:,} items by {users:,} users")
    return latest.reset_index(names="row"), notes


def _bad_cell(cells: Cells, bad: NDArray[np.bool_], name: str, role: str) -> DataError:
    at = int(bad.argmax())
    cell = cells.spell(at)
    others = f" (and {bad.sum() - 1} more such cells)" if bad.sum() > 1 else ""
    return DataError(
        f"{cell} is not a valid {role}{others}",
        where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
        fix="correct it, or leave these rows out",
        override="data.on_bad=skip",
    )


def read_titles(path: str, item: str, encoding: str, delimiter: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns the title of each item, and notes on how the file was read.

    Args:
        path: the path of a table.
        item: the name of the column of items in the table of ratings.
        encoding: as in `data=ratings`.
        delimiter: likewise.

    Raises:
        DataError: the file cannot be read, or has no such columns.
    """
    with named_by("data.titles"):
        frame, notes = read_table(path, encoding, delimiter)
    items, titles = (read_ids(read_cells(frame[name])) for name in find_titles(frame, path, item))
    return dict(zip(items.tolist(), titles.tolist(), strict=True)), notes

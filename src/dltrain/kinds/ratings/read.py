"""Reads a table of ratings, with one row per pair of user and item, and a table of titles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import LARGEST, Cells, name_list, read_cells, shorten
from dltrain.data.dates import read_moments
from dltrain.data.table_files import read_file, read_table
from dltrain.data.table_format import AUTO, NONE, TableFormat
from dltrain.errors import DataError, named_by
from dltrain.kinds.ratings.columns import MOST_COLUMNS, Role, find_ids, find_titles, with_plain_names
from dltrain.kinds.ratings.content import FIRST_SECOND, LAST_SECOND, is_time, why_data
from dltrain.kinds.ratings.encoder import read_ids
from dltrain.kinds.ratings.features import Features, Of, find_features
from dltrain.kinds.ratings.matrix import Layout, find_layout, melt
from dltrain.kinds.ratings.own_forms import read_own_form

OnBad = Literal["error", "skip"]
MOST_BAD = 0.5  # share of rows with an unusable cell, above which leaving them out is no advice
EUROPEAN = "cp1252"  # the encoding that is proposed for European texts


@dataclass(frozen=True)
class Table:
    """A table of ratings.

    Args:
        frame: a row for each rating.
        notes: how it was read.
        has_header: whether the file names its columns.
        layout: of the file.
        columns: the name of the column of each role, as far as the file's format says it.
        in_order: whether the rows may be in the order of time.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]
    has_header: bool = True
    layout: Layout = "pairs"
    columns: Mapping[Role, str] = field(default_factory=dict)
    in_order: bool = True


def read_ratings(path: str, form: TableFormat, layout: Layout = "auto") -> Table:
    """Returns the ratings in a file, a row each.

    Args:
        path: the path of a table.
        form: how it is to be read.
        layout: of the file; `auto` to find it.

    Raises:
        DataError: the file cannot be read.
    """
    if (read := read_own_form(path)) is not None:
        return Table(read[0], (read[1],), in_order=False)
    frame, notes = read_file(path, form)
    has_header = form.header != NONE and not any(note.startswith("no header line") for note in notes)
    if form.header == AUTO and has_header and frame.shape[1] <= MOST_COLUMNS and (reason := why_data(frame)):
        with suppress(DataError):  # a file that has names for its columns, such as JSON
            whole, more = read_file(path, replace(form, header=NONE))
            if len(whole) > len(frame):
                said = f"no header line, because {reason}: columns are called column_1, column_2, ..."
                frame, notes, has_header = whole, (*more, f"{said} (data.header=first if it is one)"), False
    frame = with_plain_names(frame).reset_index(drop=True)
    layout = find_layout(frame) if layout == "auto" else layout
    if layout == "pairs":
        return Table(frame, notes, has_header)
    frame, more_notes = melt(frame, layout)
    rows, others = map(str, frame.columns[:2])
    user, item = (rows, others) if layout == "users_in_rows" else (others, rows)
    return Table(frame, (*notes, *more_notes), has_header, layout, {"user": user, "item": item}, in_order=False)


def without_unreadable_times(
    frame: pd.DataFrame, columns: Mapping[Role, str], given: str | None, dates: str = "auto"
) -> tuple[Mapping[Role, str], tuple[str, ...]]:
    """Returns the columns without that of times if its name alone says that it holds some, and a note on it.

    Args:
        frame: the table.
        columns: the name of the column of each role.
        given: the column of times that the user names.
        dates: how dates are read.
    """
    if given is not None or "time" not in columns:
        return columns, ()
    cells = read_cells(frame[columns["time"]])
    if not len(cells.values) or is_time(cells) or np.isfinite(cells.as_numbers()).mean() > MOST_BAD:
        return columns, ()
    try:
        bad = np.isnan(read_moments(cells, columns["time"], dates=dates)).mean()
    except DataError:  # dates that may be read in several ways, which the user is asked about
        return columns, ()
    if bad <= MOST_BAD:
        return columns, ()
    others: dict[Role, str] = {role: name for role, name in columns.items() if role != "time"}
    return others, (f"{columns['time']} is left out: {shorten(cells.values[0])} is no time",)


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
        Columns `row` of the source, `user` and `item` as text, `target`, `count` and perhaps `time` as numbers; the
        target is 1 without a column of ratings, and the count the sum over all rows of the pair.

    Raises:
        DataError: a cell is missing or not a number or time, dates may be read in several ways, or fewer
            than two rows are left.
    """
    cells = {role: read_cells(frame[name]) for role, name in columns.items()}
    ids = {role: read_ids(cells[role]) for role in ("user", "item")}
    pairs = pd.DataFrame(ids, index=frame.index)  # which counts the rows of the source
    pairs["target"] = cells["target"].as_numbers() if "target" in cells else 1.0
    pairs["count"] = cells["count"].as_numbers() if "count" in cells else 1.0
    if "time" in cells:
        pairs["time"] = read_moments(cells["time"], columns["time"], dates=dates)
        _check_unit(cells["time"], columns["time"])
    good = np.ones(len(frame), dtype=bool)
    for role in cells:
        bad = cells[role].codes < 0 if role in ("user", "item") else ~(np.abs(pairs[role].to_numpy()) <= LARGEST)
        if bad.any() and on_bad == "error":
            raise _bad_cell(cells[role], bad, columns[role], "rating" if role == "target" else role)
        good &= ~bad
    needed = "user, item, numeric rating or time" if "time" in cells else "user, item or numeric rating"
    played = pairs["count"].to_numpy() != 0
    unchosen = int((good & ~played).sum())
    good &= played
    notes = [f"left out {unchosen:,} rows whose {columns['count']} is 0: they are no choices"] if unchosen else []
    bad_rows = int((~good & played).sum())
    notes += [f"skipped {bad_rows} of {len(good)} rows without {needed}"] if bad_rows else []
    pairs = pairs[good]
    # A later rating of the same item replaces the earlier one.
    order = pairs.sort_values("time", kind="stable") if "time" in pairs else pairs
    latest = order.drop_duplicates(["user", "item"], keep="last").sort_index()
    if len(latest) < len(pairs):
        latest = latest.assign(count=pairs.groupby(["user", "item"])["count"].transform("sum"))
    noun = "ratings" if "target" in cells else "choices"
    if (repeated := len(pairs) - len(latest)) and "target" in cells:
        notes.append(f"left out {repeated} ratings that a later one of the same user and item replaces")
    elif repeated:
        notes.append(f"{repeated:,} choices repeat a user and an item: each pair is one sample, at its last place")
    if len(latest) < 2:
        count = f"1 {noun[:-1]} is" if len(latest) else f"0 {noun} are"
        raise DataError(f"{count} too few", where="data.path", fix=f"give more {noun}, for training and testing")
    users, items = latest["user"].nunique(), latest["item"].nunique()
    notes += [note for role in ("user", "item") if (note := note_case(latest[role], columns[role]))]
    notes.append(f"{len(latest):,} {noun} of {items:,} items by {users:,} users")
    return latest.reset_index(names="row"), notes


def note_case(ids: pd.Series[str], name: str) -> str:
    """Returns a note on ids that differ by case alone, such as Ann@x.org and ann@x.org; empty if there are none."""
    distinct = pd.Series(ids.unique())
    alike = distinct[distinct.str.casefold().duplicated(keep=False)]
    if not len(alike):
        return ""
    pair = distinct[distinct.str.casefold() == alike.iloc[0].casefold()].tolist()
    count = f"{len(alike):,} of {len(distinct):,} {name}"
    return f"{count} differ by case alone, such as {name_list(pair, 2)}: they are kept apart"


def _check_unit(times: Cells, name: str) -> None:
    """Checks that a column does not hold times both in seconds and in milliseconds.

    Raises:
        DataError: it does.
    """
    numbers = times.numbers
    seconds, thousandths = ((numbers > unit * FIRST_SECOND) & (numbers < unit * LAST_SECOND) for unit in (1.0, 1000.0))
    if seconds.any() and thousandths.any() and (seconds | thousandths).all():
        at, other = int(seconds.argmax()), int(thousandths.argmax())
        raise DataError(
            f"column {name!r} holds times in seconds, such as {times.values[at]}, and in milliseconds, such as "
            f"{times.values[other]}",
            where="data.time",
            fix="write all of them in one unit",
        )


def _bad_cell(cells: Cells, bad: NDArray[np.bool_], name: str, role: str) -> DataError:
    at = int(bad.argmax())
    cell = cells.spell(at)
    others = f" (and {bad.sum() - 1} more such cells)" if bad.sum() > 1 else ""
    most = bad.mean() > MOST_BAD
    if most and role == "rating":
        return DataError(
            f"{name} holds {name_list(list(cells.values), 5)}, and ratings are numbers",
            where="data.target",
            fix="write numbers in their place, or learn which items users choose",
            override="data.split=leave_last",
            replaces="data.split",
        )
    return DataError(
        f"{cell} is not a valid {role}{others}",
        where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
        fix=f"give a column of numbers (data.{_key_of(role)})" if most else "correct it, or leave these rows out",
        override="" if most else "data.on_bad=skip",
    )


def _key_of(role: str) -> str:
    return "target" if role == "rating" else role


def read_items(path: str, known: Collection[str], encoding: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns a table of items, and notes on how it was read.

    Args:
        path: the path of a table.
        known: the ids of the items that are rated.
        encoding: as in `data=ratings`.

    Raises:
        DataError: the file cannot be read.
    """
    odd: tuple[str, ...] = ()
    try:
        frame, notes = read_table(path, encoding)
    except DataError as error:
        if error.override != f"data.encoding={EUROPEAN}":
            raise
        frame, notes = read_table(path, EUROPEAN)  # titles are only shown
        odd, encoding = (f"titles are read as {EUROPEAN}, because the file is not UTF-8",), EUROPEAN
    if set(known) & set(map(str, frame.columns)) and len(frame.columns) > 1:  # the first line is an item
        frame, notes = read_table(path, encoding, header=NONE)
    return with_plain_names(frame), (*notes, *odd)


class ReadFeatures(NamedTuple):
    """The features in a table of items or users.

    Args:
        features: of the rated ones, in the order of their numbers, and of the others.
        others: the ids of those in the table that are not rated, or have not rated.
        notes: on the features.
    """

    features: Features
    others: tuple[str, ...]
    notes: tuple[str, ...]


def read_features(
    path: str, column: str, rated: Sequence[str], encoding: str, of: Of, *, with_others: bool = False
) -> ReadFeatures:
    """Returns the features of items, or of users.

    Args:
        path: the path of a table.
        column: the name of the column of items, or of users, in the table of ratings.
        rated: the ids there, in the order of their numbers.
        encoding: as in `data=ratings`.
        of: whether it is a table of items or of users.
        with_others: whether those without ratings have features too.

    Raises:
        DataError: the file cannot be read, or has no such ids, or no features.
    """
    key = f"data.{of}_features"
    with named_by(key):
        frame, _ = read_items(path, rated, encoding)
    ids = find_ids(frame, path, column, rated, key, of)
    known = set(rated)
    listed = dict.fromkeys(read_cells(frame[ids]).or_else([""] * len(frame))) if with_others else {}
    others = tuple(each for each in listed if each and each not in known)
    features, notes = find_features(frame, ids, [*rated, *others], of)
    if not features.names:
        raise DataError(
            f"no column of {path} holds features that several {of}s share",
            where=key,
            fix="give columns such as genres or years" if of == "item" else "give columns such as ages or countries",
            override=f"{key}=null",
        )
    return ReadFeatures(features, others, tuple(notes))


def read_titles(path: str, item: str, items: Collection[str], encoding: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns the title of each item, and notes on how the file was read.

    Args:
        path: the path of a table.
        item: the name of the column of items in the table of ratings.
        items: the ids of the items that are rated.
        encoding: as in `data=ratings`.

    Raises:
        DataError: the file cannot be read, or has no such columns.
    """
    known = set(items)
    with named_by("data.titles"):
        frame, notes = read_items(path, known, encoding)
    ids, titles = find_titles(frame, path, item, known)
    notes = (*notes, f"the column {titles} of {path}, for the items in {ids}")
    cells = (read_ids(read_cells(frame[name])).tolist() for name in (ids, titles))
    return dict(zip(*cells, strict=True)), notes

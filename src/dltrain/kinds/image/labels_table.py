"""Reads a table that names images and their targets."""

from __future__ import annotations

import glob
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cell_parts import count_listed
from dltrain.data.cells import name_list, read_cells, shorten
from dltrain.data.column_names import pick_column, plain
from dltrain.data.file_index import FileIndex, best_share, find_column
from dltrain.data.folder_tree import spell_path
from dltrain.data.nouns import count, verb
from dltrain.data.split_names import split_of
from dltrain.data.table_files import read_table
from dltrain.errors import DataError, named_by
from dltrain.kinds.image.files import IMAGES
from dltrain.kinds.image.label_rows import TARGET_NAMES, LabelColumns, label_rows
from dltrain.kinds.image.labelled import Labelled
from dltrain.kinds.split_column import Followed, follow_column
from dltrain.types import SPLITS, SplitName

TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".json", ".jsonl")
MOST_ALIKE = 20  # files of one suffix in a folder in which a table is looked for
BOXES = (  # the columns of a box, as `plain` spells them
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("xmin", "ymin", "width", "height"),
    ("left", "top", "width", "height"),
    ("xcenter", "ycenter", "width", "height"),
    ("bbox",),
    ("boundingbox",),
)
NAMED = 3  # cells or files that a message names


def from_table(folder: Path, labels: str, columns: LabelColumns, task: str, *, skip: bool) -> Labelled:
    """Returns the images below a folder that a table names, with their targets.

    Args:
        folder: the folder.
        labels: the table, in the working directory or in the folder.
        columns: the columns that the user names.
        task: the task; `auto` decides by the target's values.
        skip: whether rows that name no image are left out; otherwise they are refused.

    Raises:
        DataError: the table does not name images of the folder, or they have no targets.
    """
    index = FileIndex.below(folder, IMAGES)
    if not index.files:
        raise DataError(f"{folder} contains no images", where="data.path", fix="name the folder of the images")
    tables = _tables_of_splits(labels, folder)
    path = next(iter(tables), None) or _locate(labels, folder)
    with named_by("data.labels"):
        followed = None
        if tables:
            frame, followed, notes = _read_tables(tables, columns)
        else:
            frame, notes = _read(path, index)
    image = _image_column(frame, index, columns, path, folder)
    targets = _target_columns(frame, image, columns)
    if columns.group is not None:
        pick_column(frame, "group", columns.group, "")
    boxes = _find_boxes(frame, {image, *targets, *columns.use})
    rows, files = _find_files(frame[image], index, folder, skip=skip)
    remarks = [*notes, f"{path.name} names the images in its column {image}; the target is {name_list(targets)}"]
    if absent := len(frame) - len(rows):
        left_out = f"left out {absent:,} of {count(len(frame), 'row')} of {path.name}"
        remarks.append(f"{left_out}, which {verb(absent, 'names', 'name')} no image")
    named = len(rows)
    rows, files = _once_each(frame, rows, files, targets, boxes)
    if repeats := named - len(rows):
        again = f"{count(repeats, 'row')} of {path.name} {verb(repeats, 'repeats', 'repeat')}"
        remarks.append(f"{again} another one's image and target")
    if boxes:
        remarks.append(f"the boxes in {name_list(boxes)} are not used: an image has one target, as a whole")
    if unnamed := len(index.files) - len(files):
        remarks.append(f"left out {unnamed:,} of {count(len(index.files), 'image')}, which {path.name} does not name")
    frame = frame.iloc[rows].reset_index(drop=True)
    if followed is not None:
        followed = followed._replace(splits=followed.splits[rows])
    return label_rows(folder, files, frame, image, targets, columns, task, remarks, followed)


def _locate(labels: str, folder: Path) -> Path:
    """Returns the table's path: as it is given, or within the folder, or beside it.

    Raises:
        DataError: there is one in the working directory and another one in the folder.
    """
    path, inside = Path(labels).expanduser(), folder / labels
    if path.is_file() and inside.is_file() and not path.samefile(inside):
        raise DataError(
            f"there are two tables, {path.absolute()} and {inside}",
            where="data.labels",
            fix="say which one",
            override=f"data.labels={inside.absolute()}",
        )
    places = (path, inside, folder.absolute().parent / labels)
    return next((place for place in places if place.is_file()), path if path.parent.is_dir() else inside)


def _tables_of_splits(labels: str, folder: Path) -> dict[Path, SplitName]:
    """Returns the tables of this name in the folders of splits, that of train first, unless there is one elsewhere."""
    if Path(labels).name != labels or any((place / labels).is_file() for place in (Path(), folder, folder.parent)):
        return {}
    found: dict[Path, SplitName] = {}
    for path in sorted(folder.glob(f"*/{glob.escape(labels)}")):
        named = split_of(path.parent.name)
        if named is not None and named.use != "unlabelled":
            found[path] = named.use
    if "val" in found.values() and "test" not in found.values():  # nobody may look at it while training
        found = {path: "test" if split == "val" else split for path, split in found.items()}
    return dict(sorted(found.items(), key=lambda item: SPLITS.index(item[1]))) if "train" in found.values() else {}


def _read_tables(tables: Mapping[Path, SplitName], columns: LabelColumns) -> tuple[pd.DataFrame, Followed, list[str]]:
    """Returns the rows of the splits' tables, with images named from the folder above on, their splits, and notes.

    Raises:
        DataError: a table cannot be read, names no images, or has other columns than that of train.
    """
    frames: list[pd.DataFrame] = []
    splits: list[int] = []
    notes: list[str] = []
    for path, split in tables.items():
        index = FileIndex.below(path.parent, IMAGES)
        frame, remarks = _read(path, index)
        image = _image_column(frame, index, columns, path, path.parent)
        frame[image] = f"{path.parent.name}/" + frame[image].astype(str)
        if frames and set(frame.columns) != set(frames[0].columns):
            raise DataError(
                f"it has the columns {name_list(frame.columns)}, and that of train has {name_list(frames[0].columns)}",
                where=str(path),
                fix="give each split's table the same columns, or move it out to leave that split out",
            )
        frames.append(frame)
        splits += [SPLITS.index(split)] * len(frame)
        notes += [remark for remark in remarks if remark not in notes]
    read = ", ".join(f"{split} {path.parent.name}/{path.name}" for path, split in tables.items())
    given = tuple(split for split in SPLITS if split != "train" and split in tables.values())
    followed = Followed(np.array(splits), given, notes=(f"each split has its table: {read}",))
    return pd.concat(frames, ignore_index=True), followed, notes


def _read(path: Path, index: FileIndex) -> tuple[pd.DataFrame, list[str]]:
    """Returns a table whose first line is data if it names an image, and notes.

    Raises:
        DataError: the table cannot be read.
    """
    frame, notes = read_table(str(path))
    if index.share(list(map(str, frame.columns))) > 0:
        frame, notes = read_table(str(path), header="none")
        notes = (*notes, f"{path.name} has no header: its first line names an image")
    return frame.set_axis([str(name) for name in frame.columns], axis="columns").reset_index(drop=True), list(notes)


def _image_column(frame: pd.DataFrame, index: FileIndex, columns: LabelColumns, path: Path, folder: Path) -> str:
    """Returns the column that names the images.

    Raises:
        DataError: there is none.
    """
    if columns.image is not None:
        return pick_column(frame, "image", columns.image, "") or columns.image
    target = [columns.target] if isinstance(columns.target, str) else columns.target or ()
    taken = {*map(str, target), columns.group or "", *columns.use}
    column = find_column(frame, index, taken, partly=True)
    if column is not None:
        return column
    for name in frame.columns:
        cells = frame[name].dropna().astype(str).tolist()
        if listed := count_listed(cells):
            side = math.isqrt(listed)
            shape = f", such as {side}×{side} pixels" if side**2 == listed else ""
            raise DataError(
                f"each row of {path.name} lists {listed:,} numbers in its column {name}{shape}: images are no text",
                where="data.path",
                fix="save them with their labels in one file, np.savez('images.npz', images=..., labels=...), where "
                "images is an array (N, H, W), and give data.path=images.npz",
            )
    best = best_share(frame, index, taken)
    if best is not None:
        name, share = best
        raise DataError(
            f"no column of {path.name} certainly names the images in {folder}: {100 * share:.0f} % of the values of "
            f"{name} may do so, such as {frame[name].dropna().iloc[0]}",
            where="data.image",
            fix=f"if {name} names the images, say so; the table's columns are {name_list(frame.columns)}",
            override=f"data.image={name}",
        )
    first = name_list(map(shorten, frame.iloc[0].astype(str)), NAMED)
    raise DataError(
        f"no column of {path.name} names the images in {folder}: its first row is {first}, and an image is "
        f"{spell_path(index.files[0].relative_to(folder))}",
        where="data.image",
        fix=f"name one of its columns, {name_list(frame.columns)}, or give the images' folder as data.path",
    )


def _target_columns(frame: pd.DataFrame, image: str, columns: LabelColumns) -> list[str]:
    """Returns the columns to predict: those that are given, else the one that is called so, or the only other one.

    Raises:
        DataError: there is no such column, or it is not certain which.
    """
    names = list(map(str, frame.columns))
    if columns.target:
        given = [columns.target] if isinstance(columns.target, str) else list(map(str, columns.target))
        for name in given:
            pick_column(frame, "target", name, "")
        return list(dict.fromkeys(given))
    taken = {image, columns.group, *columns.use, *follow_column(frame, {image}).columns}
    others = [name for name in names if name not in taken and not _only_numbers_rows(frame[name])]
    usual = pick_column(frame, "target", None, TARGET_NAMES, [name for name in names if name not in others])
    if usual is not None or len(others) == 1:
        return [usual or others[0]]
    two_valued = [name for name in others if set(read_cells(frame[name]).as_numbers().tolist()) == {0.0, 1.0}]
    several = two_valued if len(two_valued) > 1 else []
    raise DataError(
        "there is no target: which column should be predicted?",
        where="data.target",
        fix=f"choose one of {name_list(others)}" + (", or several labels" if several else "")
        if others
        else "give a table with a column to predict beside the images",
        override=f"data.target=[{','.join(several)}]" if several else f"data.target={others[-1]}" if others else "",
    )


def _only_numbers_rows(column: pd.Series[Any]) -> bool:
    """Tells whether a column counts the rows, 0 1 2 ... or 1 2 3 ..."""
    cells = column.astype(str).tolist()
    return len(cells) > 1 and any(cells == list(map(str, range(first, first + len(cells)))) for first in (0, 1))


def _find_boxes(frame: pd.DataFrame, taken: Collection[str]) -> list[str]:
    """Returns the columns of a table that hold boxes around objects, as corners or with sizes; nothing without any."""
    names = {re.sub("^(bbox|box)(?=.)", "", plain(name)): name for name in map(str, frame.columns) if name not in taken}
    return next(([names[part] for part in parts] for parts in BOXES if all(part in names for part in parts)), [])


def _find_files(cells: pd.Series[Any], index: FileIndex, folder: Path, *, skip: bool) -> tuple[list[int], list[Path]]:
    """Returns the rows that name an image, and the images.

    Raises:
        DataError: some name none, and must not be left out, or none does.
    """
    rows: list[int] = []
    files: list[Path] = []
    absent: list[str] = []
    for row, cell in enumerate(cells.fillna("").astype(str).tolist()):
        try:
            file = index.find(cell)
        except DataError as error:
            fix = f"{error.fix}, or give the folder of these images alone as data.path"
            raise DataError(error.what, f"column {cells.name!r}, row {row + 2}", fix) from None
        if file is None:
            absent.append(cell)
        else:
            rows.append(row)
            files.append(file)
    if absent and (not skip or not files):
        named = ", ".join(map(shorten, absent[:NAMED])) + (", ..." if absent[NAMED:] else "")
        number = f"{len(absent):,} of {count(len(cells), 'row')}"
        raise DataError(
            f"{number} {verb(len(absent), 'names', 'name')} no image below {folder}: {named}",
            where=f"column {cells.name!r}",
            fix="add the images, or leave such rows out" if files else "name the images' folder, or another column",
            override="data.on_bad=skip" if files else "",
        )
    return rows, files


def _once_each(
    frame: pd.DataFrame, rows: Sequence[int], files: Sequence[Path], targets: Sequence[str], boxes: Sequence[str]
) -> tuple[list[int], list[Path]]:
    """Returns one row for each image that these rows name, and the images.

    Raises:
        DataError: an image has rows with different targets.
    """
    first: dict[Path, int] = {}
    values = frame[list(targets)].fillna("").astype(str).to_numpy().tolist()
    for row, file in zip(rows, files, strict=True):
        other = first.setdefault(file, row)
        if values[other] != values[row]:
            raise DataError(
                f"{spell_path(file.name)} has several rows with different {name_list(targets)}: "
                f"{', '.join(values[other])} and {', '.join(values[row])}",
                where=f"rows {other + 2} and {row + 2}",
                fix=f"its boxes in {name_list(boxes)} are of several objects, and dltrain tells the class of a whole "
                "image: cut out each box as an image of its own, or give each image one row"
                if boxes
                else "give each image one row; several labels go into one cell, separated by |",
            )
    return list(first.values()), list(first)


def note_unused_tables(labelled: Labelled) -> list[str]:
    """Returns notes on tables that label the images of a split without folders of classes, with what uses them."""
    notes = []
    for part in () if labelled.folders is None else labelled.folders.unlabelled:
        index = FileIndex.below(part.path, IMAGES)
        named = f"the images in {spell_path(part.name)}/"
        for path in _tables_in(part.path, part.path.parent):
            name = spell_path(path.relative_to(labelled.folder))
            frame, image = _read_if_named(path, index)
            if frame is None:
                continue
            cells = {column: set(frame[column].dropna().astype(str)) for column in frame.columns if column != image}
            labels = [column for column in cells if cells[column] <= set(labelled.reader.classes)]
            if len(labels) != 1:
                notes.append(f"{name} names {named} and is not used either")
                continue
            given = f"data.path={spell_path(part.path)} data.labels={spell_path(path)}"
            notes.append(
                f"{name} labels {named} by its column {labels[0]}; measure a run on them: dltrain evaluate RUN {given}"
            )
    return notes


def _read_if_named(path: Path, index: FileIndex) -> tuple[pd.DataFrame | None, str]:
    """Returns a table with its column that names images; nothing if it is none or names none."""
    try:
        frame, _ = _read(path, index)
    except DataError:
        return None, ""
    image = find_column(frame, index) if len(frame.columns) > 1 else None
    return (None, "") if image is None else (frame, image)


def _tables_in(*folders: Path) -> list[Path]:
    """Returns the files directly in these folders that may be tables."""
    paths = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix.lower() in TABLES]
    alike = Counter((path.parent, path.suffix.lower()) for path in paths)
    few = [path for path in paths if alike[path.parent, path.suffix.lower()] <= MOST_ALIKE]  # else one for each image
    return [path for path in few if path.is_file() and not path.name.startswith(".")]


def propose_labels(folder: Path, error: DataError) -> DataError:
    """Returns the error, with a table as its fix if one in or beside the folder names its images: the one that names
    most of them."""
    below = cache(lambda place: FileIndex.below(place, IMAGES))
    best: tuple[int, Path, str] | None = None
    below_it = sorted({path.parent for path in folder.glob("*/*")})
    for path in _tables_in(folder, folder.absolute().parent, *below_it):
        frame, image = _read_if_named(path, below(path.parent if path.parent.parent == folder else folder))
        if frame is not None and (best is None or len(frame) > best[0]):
            best = len(frame), path, image
    if best is None:
        return error
    _, path, image = best
    inside = path.is_relative_to(folder) and not _tables_of_splits(path.name, folder)
    spelled = str(path.relative_to(folder)) if inside else path.name
    fix = f"{spelled} names images in its column {image}: predict one of its other columns"
    return DataError(error.what, error.where, fix, f"data.labels={spelled}", replaces="data.labels")

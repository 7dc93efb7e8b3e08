"""Reads the targets of images from rows, one for each image: those of a table, or what the names of files hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cells import name_list, read_cells
from dltrain.data.column_names import plain
from dltrain.data.nouns import count
from dltrain.kinds.image.labelled import Labelled
from dltrain.kinds.joined_columns import UsedColumns
from dltrain.kinds.labels import TASKS
from dltrain.kinds.shared_ids import read_ids
from dltrain.kinds.split_column import Followed, follow_column
from dltrain.kinds.table.notes import note_missing_targets
from dltrain.kinds.target import infer_task
from dltrain.types import SPLITS

TARGET_NAMES = "(labels?|class|classes|category|target|tags?|species|breed|diagnosis)(id|name|code)?|标签|类别|分类"


@dataclass(frozen=True)
class LabelColumns:
    """The columns of a table that the user names; `None` where dltrain finds them.

    Args:
        image: the column of files.
        target: the column to predict, or several.
        group: a column whose equal values stay in one split.
        use: columns that join the images in the model.
    """

    image: str | None = None
    target: str | Sequence[str] | None = None
    group: str | None = None
    use: Sequence[str] = ()


def label_rows(
    folder: Path,
    files: Sequence[Path],
    frame: pd.DataFrame,
    image: str,
    targets: Sequence[str],
    columns: LabelColumns,
    task: str,
    notes: Sequence[str],
    followed: Followed | None = None,
) -> Labelled:
    """Returns images with the targets in their rows.

    Args:
        folder: that the images lie in.
        files: the images.
        frame: their rows.
        image: the column that names them.
        targets: the columns to predict.
        columns: the columns that the user names.
        task: the task; `auto` decides by the target's values.
        notes: what was inferred or left out before.
        followed: the splits of the rows, if they are known; otherwise a column may say them.

    Raises:
        DataError: the columns cannot be predicted.
    """
    followed = followed or follow_column(frame, {image, *targets, columns.group, *columns.use})
    listed = task == "auto" and len(targets) == 1 and frame[targets[0]].astype(str).str.contains("|", regex=False).any()
    coded = task == "auto" and len(targets) == 1 and _holds_class_codes(frame[targets[0]])
    form = TASKS["labels"] if listed else TASKS["class"] if coded else task
    goal = infer_task(frame[list(targets)], form, strings=True)
    reason = goal.reason
    if listed:
        reason = f"{targets[0]} lists labels, separated by | (task={TASKS['class']} takes each list as a class)"
    elif coded:
        reason = f"{targets[0]} numbers {len(goal.classes)} classes (task={TASKS['number']} takes them as amounts)"
    remarks = [*notes, *followed.notes, f"{goal.task}, because {reason}"]
    if goal.form == "labels" and (goal.y >= 0).all() and (goal.y.sum(axis=1) == 1).all():
        remarks.append("each image has exactly one of these labels: a single column would be learned as classes")
    present = np.flatnonzero(goal.present)
    if len(present) < len(files):
        remarks.append(f"left out {count(len(files) - len(present), 'image')} without a value of {name_list(targets)}")
    unlabelled = [name for name in followed.given if not (followed.splits[present] == SPLITS.index(name)).any()]
    if unlabelled:
        without = f"no image of {name_list(unlabelled)} has a value of {name_list(targets)}"
        remarks.append(f"{without}: cut from train instead")
    given = [name for name in followed.given if name not in unlabelled]
    remarks += note_missing_targets(goal)
    group = {} if columns.group is None else {columns.group: read_cells(frame[columns.group])}
    used = UsedColumns.read(frame, columns.use) if columns.use else None
    if used is not None:
        remarks += [f"{column.name} joins the images as {column.role}" for column in used.columns]
    names = frame[image].astype(str).tolist()
    ids = read_ids(frame, {image, *targets, columns.group, *columns.use, *followed.columns})
    if goal.form == "class":
        ids = {name: cells for name, cells in ids.items() if not _follows_from(frame, name, targets[0])}
    labelled = Labelled(
        folder, files, names, goal.reader, goal.y, followed.splits, given, group, ids, remarks, used, image
    )
    return labelled.take(present.tolist())


def _follows_from(frame: pd.DataFrame, name: str, target: str) -> bool:
    """Tells whether a column has one value for each class, as an id of the class has."""
    return bool(frame.groupby(target)[name].nunique().max() <= 1)


def _holds_class_codes(column: pd.Series[Any]) -> bool:
    """Tells whether a column that is called like classes holds all whole numbers from 0 or 1 on, each several times."""
    cells = column.dropna().astype(str).str.strip()
    codes = set(cells)
    if not re.fullmatch(TARGET_NAMES, plain(str(column.name))) or len(codes) < 2 or 2 * len(codes) > len(cells):
        return False
    return any(codes == set(map(str, range(first, first + len(codes)))) for first in (0, 1))

"""Turns a table into `Data`: infers the task, splits the rows and encodes the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list, nearest, read_cells
from dltrain.data.folds import Folds, by_fold
from dltrain.data.spelling import merge_spellings
from dltrain.data.splits import Indices
from dltrain.data.stand_ins import Missing, StandIns, empty_cells, for_columns, read_stand_ins, remark_stand_in
from dltrain.errors import DataError
from dltrain.kinds.forms import DecimalChoice, Reading, ThousandsChoice, read_written
from dltrain.kinds.table.columns import Column, Role, find_id, infer_columns, no_column
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.kinds.table.notes import note_classes, note_columns, note_outliers, note_task
from dltrain.kinds.table.numeric import Impute
from dltrain.kinds.table.raw import RawTable
from dltrain.kinds.table.rows import (
    Duplicates,
    Outliers,
    Rows,
    drop_incomplete,
    drop_repeats,
    find_limits,
    find_outliers,
    note_repeats,
    number_groups,
    number_rows,
    split_rows,
)
from dltrain.kinds.table.scale import Numeric
from dltrain.kinds.table.weight import WeightReader, check_weight_name, note_weights
from dltrain.kinds.target import Target, infer_task
from dltrain.kinds.target_scale import check_outputs, scale_of_targets
from dltrain.types import SPLITS, Data, Facts, Split, SplitName

MOST_CLASSES = 20  # values of a target, up to which one of them is rather a class than no value
GROUPS_ROWS = "data.group, which says which rows belong together"
WEIGHS_ROWS = "data.weight, which weighs the rows"
NAMES_ROWS = "data.id, which names the rows of predictions"


def table(
    frame: pd.DataFrame,
    *,
    target: str | Sequence[str],
    drop: Sequence[str] = (),
    task: str = "auto",
    ignore_case: bool | None = None,
    numeric: Numeric = "quantile",
    impute: Impute = "median",
    outliers: Outliers = "keep",
    duplicates: Duplicates = "keep",
    roles: Mapping[str, Role] | None = None,
    id: str | None = None,
    group: str | None = None,
    time: str | None = None,
    weight: str | None = None,
    dates: str = "auto",
    missing: Missing = None,
    decimal: DecimalChoice = "auto",
    thousands: ThousandsChoice = "auto",
    held_out: Mapping[SplitName, pd.DataFrame] | None = None,
    scale_target: bool = True,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    folds: int | str | None = None,
    fold: int | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Data:
    """Splits a table, fits the encoder to the training rows, and returns every row encoded.

    Args:
        frame: cells as text or as real dtypes, the target included.
        target: the column to predict, or several.
        drop: columns that are not used.
        task: `auto` decides by the target's values; `multilabel` reads labels listed in one cell; a task of your own,
            by its dotted path, decides itself.
        ignore_case: whether texts that differ only in case or blanks are one category or class, in the spelling that is
            the most frequent one; `None` to keep them apart with a warning.
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        impute: how missing numbers are filled: with the training rows' `median`, `mean` or `most_frequent` value,
            between the rows around them (`interpolate`), or as a `category` of their own; `drop` leaves such rows out.
        outliers: how outliers in the training rows are treated: `keep` them, `clip` them to their limits, or `drop`
            such rows from training.
        duplicates: whether repeated rows are left out.
        roles: the roles of columns, by name, that are not inferred.
        id: the column that names each row in predictions; `None` to find it.
        group: a column whose equal values stay in one split.
        time: a column of times or numbers: the first rows in its order are for training, the last ones for testing.
        weight: a column that weighs the rows in the loss and in metrics; rows of weight 0 are left out.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        missing: values that stand for missing cells: of all columns but classes and those that name, group, order or
            weigh rows, or a mapping of columns to theirs.
        decimal: the decimal mark of numbers; `auto` decides by the column and the file.
        thousands: the mark between groups of three digits, `none`, or `auto`.
        held_out: the rows of the validation or test split, with the same columns, instead of a fraction.
        scale_target: standardise a numeric target inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        folds: the number of folds of all rows that are not for testing, `auto`, `none` or `None`.
        fold: the fold that alone is the validation split; `None` for a model of each fold.
        seed: of the split.
        notes: earlier notes, which come first.

    Raises:
        DataError: the table has nothing to learn; the message says why.
    """
    several = isinstance(target, Sequence) and not isinstance(target, str)  # YAML may read a name as a number
    targets = list(dict.fromkeys(map(str, target if several else [target])))
    drop = [drop] if isinstance(drop, str) else list(map(str, drop))
    held_out, unweighed = _weigh_alike(held_out or {}, weight)
    frame, files = _join(frame, held_out, targets, drop)
    stand_ins = _find_stand_ins(frame, missing, targets, (id, group, time, weight))
    frame, emptied = empty_cells(frame, stand_ins)
    notes = [*notes, *emptied]
    if ignore_case:
        frame = frame.apply(merge_spellings)
    weigher: WeightReader | None = None
    if weight is not None:
        weigher, counted, weight_notes = _read_weights(frame, str(weight), targets, (decimal, thousands, dates))
        frame, files, notes = frame[counted], files[counted], [*notes, *weight_notes, *unweighed]
    cells = {name: read_cells(frame[name]) for name in frame.columns}
    reading = Reading.of((cells[name] for name in cells if name not in drop), decimal, thousands, dates)
    cells = {name: read_written(frame[name], reading, of_column) for name, of_column in cells.items()}
    goal = infer_task(frame[targets], task, reading)
    if ignore_case:
        goal = replace(goal, reader=replace(goal.reader, ignore_case=True))
    inputs = {name: of_column for name, of_column in cells.items() if name not in targets}
    unsaid = [remark for name in targets for remark in remark_stand_in(name, read_written(frame[name], reading))]
    rows, judged = _read_rows(frame.drop(columns=targets), inputs, files, goal, reading)
    del frame  # texts take more memory than cells
    if id is not None and id not in rows.inputs:
        raise no_column(id, rows.inputs, "data.id", f"data.id={(nearest(id, rows.inputs) or ['null'])[0]}")
    weighing = None if weigher is None else weigher.name
    reasons = {id: NAMES_ROWS, group: GROUPS_ROWS, time: "data.time", weighing: WEIGHS_ROWS}
    columns = _choose_columns(judged, goal.name, drop, roles or {}, reasons, reading)
    id = id or find_id(columns, judged)
    rows = rows.read_as({column.name: column.form for column in columns})
    numeric_columns = [column.name for column in columns if column.role == "numeric"]
    unsaid += [remark for name in numeric_columns for remark in remark_stand_in(name, rows.inputs[name])]
    notes = [*notes, *note_task(goal), *unsaid]

    rows, left_out = _leave_out(rows, columns, gaps=impute == "drop", repeats=duplicates == "drop")
    numbers = number_rows(rows, columns) if duplicates == "keep" else None

    def divide(fold: int | None) -> Data:
        divided = split_rows(
            rows,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            seed=seed,
            stratify=goal.form == "class",
            group=group,
            time=time,
            given=tuple(held_out or ()),
            dates=dates,
            folds=Folds.read(folds, fold, len(rows.y), given=held_out or (), ordered="data.time" if time else ""),
            classes=goal.classes,
        )
        parts = divided.parts
        repeats = [] if numbers is None else note_repeats(numbers, parts)
        train = rows.take(parts["train"])
        limits = find_limits(train.inputs, columns)
        stay, outlier_notes = _treat_outliers(train, limits, outliers)
        if not stay.all():
            parts["train"] = parts["train"][stay]
            train = train.take(np.flatnonzero(stay))
        of_rows = [*left_out, *divided.notes, *repeats, *outlier_notes, *note_classes(goal, rows.y, parts)]

        groups = None if group is None else number_groups(train.inputs[group])
        encoder = TableEncoder.fit(
            train.inputs,
            columns,
            goal.reader,
            ignore_case=bool(ignore_case),
            numeric=numeric,
            impute=impute,
            limits=limits if outliers == "clip" else None,
            y=train.y,
            seed=seed,
            groups=groups,
            id=id,
            missing=stand_ins,
        )
        encoded = _encode(encoder, rows, parts)
        for at, values in encoder.encode_training(train.inputs, train.y, seed, groups):
            encoded["train"][:, at] = values
        facts = _gather_facts(goal, encoder, encoded["train"], train.y, scale_target, weigher, divided.models)
        weights = None if weigher is None else torch.from_numpy(weigher.read(rows.inputs[weigher.name]))
        splits = {
            name: Split(
                inputs=(torch.from_numpy(encoded[name]),),
                target=torch.from_numpy(rows.y[at]),
                ids=rows.names(at, id),
                weight=None if weights is None else weights[at],
                fold=divided.of_split(name),
            )
            for name, at in parts.items()
        }
        at_random = group is None and time is None
        raw = RawTable(columns, rows, parts, at_random, int((~goal.present).sum()), ignore_case is None)
        return Data(facts, splits, notes=(*notes, *of_rows, *note_columns(columns, encoder, impute)), raw=raw)

    return by_fold(divide, fold)


def _find_stand_ins(
    frame: pd.DataFrame, missing: Missing, targets: Sequence[str], others: Sequence[str | None]
) -> StandIns:
    """Returns the values that stand for missing cells, by column; those of a target with few values are classes, and
    only a mapping concerns them.

    Raises:
        DataError: the config does not say which values, or a column does not exist.
    """
    given = read_stand_ins(missing)
    few = [name for name in targets if given and frame[name].nunique() <= MOST_CLASSES]
    return for_columns(given, list(frame.columns), {*few, *filter(None, others)})


def _weigh_alike(
    held_out: Mapping[SplitName, pd.DataFrame], weight: str | None
) -> tuple[dict[SplitName, pd.DataFrame], list[str]]:
    """Returns held-out files with a weight of 1 in each row of those that have no weights, and notes on these."""
    frames, notes = dict(held_out), []
    for name, other in held_out.items():
        if weight is not None and weight not in map(str, other.columns):
            frames[name] = other.assign(**{str(weight): "1"})
            notes.append(f"the {name} file has no column {weight}, so all its rows count alike")
    return frames, notes


def _join(
    frame: pd.DataFrame, held_out: Mapping[SplitName, pd.DataFrame], targets: Sequence[str], drop: Sequence[str]
) -> tuple[pd.DataFrame, Indices]:
    """Returns all rows, numbered as in their own file, and the file of each: 0, or its split's index in `SPLITS`."""
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns").reset_index(drop=True)
    for target in targets:
        _check_target_name(target, drop, list(frame.columns))
    frames, files = [frame], [np.zeros(len(frame), dtype=np.int64)]
    for name, other in held_out.items():
        other = other.set_axis([str(column) for column in other.columns], axis="columns").reset_index(drop=True)
        absent = [column for column in frame.columns if column not in other.columns and column not in drop]
        if unanswered := [target for target in targets if target in absent]:
            raise DataError(
                f"the {name} file has no answers: the column {unanswered[0]!r}, the target, is not in it",
                where=f"data.{name}_path",
                fix="train without it, then predict its rows: dltrain predict RUN FILE",
                override=f"data.{name}_path=null",
            )
        if absent:
            raise DataError(
                f"the {name} file has no column {absent[0]!r}, which the training file has",
                where=f"data.{name}_path",
                fix=f"add it, rename one of its columns ({name_list(other.columns)}), or learn without it",
                override=f"data.drop=[{','.join([*drop, *absent])}]",
            )
        frames.append(other.reindex(columns=frame.columns))
        files.append(np.full(len(other), SPLITS.index(name)))
    return pd.concat(frames) if held_out else frame, np.concatenate(files)


def _check_target_name(target: str, drop: Sequence[str], names: Sequence[str]) -> None:
    if target not in names:
        raise DataError(
            f"the table has no column {target!r}",
            where="data.target",
            fix=f"name one of its columns: {name_list(names)}",
            override=f"data.target={near[0]}" if (near := nearest(target, names)) else "",
        )
    if target in drop:
        raise DataError(
            f"{target!r} is both the target and in data.drop",
            where="data.drop",
            fix="remove it from data.drop, or predict another column",
            override=f"data.drop=[{','.join(name for name in drop if name != target)}]",
        )


def _read_weights(
    frame: pd.DataFrame, name: str, targets: list[str], marks: tuple[DecimalChoice, ThousandsChoice, str]
) -> tuple[WeightReader, NDArray[np.bool_], list[str]]:
    """Returns the reader of the rows' weights, which rows `(N,)` have one above 0, and notes.

    Raises:
        DataError: there is no such column, or it does not hold weights.
    """
    check_weight_name(name, targets, list(map(str, frame.columns)))
    reading = Reading.of([read_cells(frame[name])], *marks)
    cells = read_written(frame[name], reading)
    weigher = WeightReader.fit(name, cells, reading)
    weights = weigher.read(cells, override="data.weight=null")
    return weigher, weights > 0, list(note_weights(name, weights))


def _read_rows(
    frame: pd.DataFrame, inputs: Mapping[str, Cells], files: Indices, goal: Target, reading: Reading
) -> tuple[Rows, Mapping[str, Cells]]:
    """Returns the rows that have a target, and the cells from which the columns' roles are inferred.

    These are the cells of the training file alone, since the roles must not depend on held-out files.
    """
    labelled = np.flatnonzero(goal.present)
    if len(labelled) < len(frame):
        frame, files = frame.iloc[labelled], files[labelled]
        inputs = {name: read_written(frame[name], reading) for name in frame.columns}
    rows = Rows(inputs, goal.y[labelled], frame.index.to_numpy(), files)
    if not files.any():
        return rows, inputs
    return rows, {name: read_written(frame.loc[files == 0, name], reading) for name in frame.columns}


def _choose_columns(
    table: Mapping[str, Cells],
    target: str,
    drop: Sequence[str],
    roles: Mapping[str, Role],
    reasons: Mapping[str | None, str],
    reading: Reading,
) -> list[Column]:
    """Gives every column a role; those that have another use are dropped for a reason, unless the user gives them a
    role.

    Raises:
        DataError: all columns are dropped.
    """
    deciding = {name: reason for name, reason in reasons.items() if name in table and name not in roles}
    columns = [
        replace(column, reason=deciding[column.name]) if column.name in deciding else column
        for column in infer_columns(table, [*drop, *map(str, deciding)], roles, reading)
    ]
    if all(column.role == "dropped" for column in columns):
        raise DataError(
            f"no column is left to predict {target!r} from",
            fix="; ".join(f"{column.name} is dropped: {column.reason}" for column in columns[:10])
            or "give a table with more than one column",
        )
    return columns


def _leave_out(rows: Rows, columns: Sequence[Column], *, gaps: bool, repeats: bool) -> tuple[Rows, list[str]]:
    """Returns the rows without those with gaps and repeated ones, as far as requested, and notes about them."""
    notes: list[str] = []
    if gaps:
        rows, notes = drop_incomplete(rows, columns)
    if repeats:
        rows, repeat_notes = drop_repeats(rows, columns)
        notes = [*notes, *repeat_notes]
    return rows, notes


def _treat_outliers(
    train: Rows, limits: Mapping[str, tuple[float, float]], outliers: Outliers
) -> tuple[NDArray[np.bool_], list[str]]:
    """Returns which training rows stay, and notes about the outliers."""
    rows_of = find_outliers(train.inputs, limits)
    stay = np.ones(len(train.y), dtype=bool)
    if not rows_of:
        return stay, []
    if outliers == "drop":
        stay = ~np.any(list(rows_of.values()), axis=0)
    return stay, [note_outliers(rows_of, outliers)]


def _encode(
    encoder: TableEncoder, rows: Rows, parts: Mapping[SplitName, Indices]
) -> dict[SplitName, NDArray[np.float32]]:
    """Returns the encoded rows of each split `(n, F)`; encodes file by file, so that an error names the file."""
    if not rows.files.any():
        return encoder.encode_parts(rows.inputs, parts)
    x = np.empty((len(rows.y), len(encoder.features)), dtype=np.float32)
    for number, name in enumerate(SPLITS):
        at = np.flatnonzero(rows.files == number)
        if not len(at):
            continue
        interpolate_from = np.flatnonzero(np.isin(at, parts["train"])) if number == 0 else None
        try:
            x[at] = encoder.encode_cells(rows.take(at).inputs, interpolate_from)
        except DataError as error:
            if number:
                raise DataError(error.what, f"data.{name}_path, {error.where}", error.fix, error.override) from None
            raise
    return {name: x[at] for name, at in parts.items()}


def _gather_facts(
    goal: Target,
    encoder: TableEncoder,
    x: NDArray[np.float32],
    y: NDArray[Any],
    scale_target: bool,
    weigher: WeightReader | None,
    folds: int,
) -> Facts:
    """Returns the facts of the encoded training rows `(N, F)` and their targets."""
    if goal.form == "number" and goal.outputs:
        check_outputs(y, goal.outputs)
    mean, std = scale_of_targets(y, goal.outputs) if goal.form == "number" and scale_target else (0.0, 1.0)
    return Facts(
        kind="table",
        task=goal.task,
        input_shape=(x.shape[1],),
        target=goal.name,
        outputs=goal.outputs,
        classes=goal.classes,
        class_counts=tuple(np.bincount(y, minlength=len(goal.classes)).tolist()) if goal.classes else (),
        features=encoder.features,
        target_mean=mean,
        target_std=std,
        weight="" if weigher is None else weigher.name,
        folds=folds,
        bins=encoder.bins(x),
        preprocessing=encoder.to_json() | goal.reader.forms_to_json() | ({} if weigher is None else weigher.to_json()),
    )

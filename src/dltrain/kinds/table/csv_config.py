"""Loads a table from a file: `data=csv`."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, get_args

import pandas as pd
import yaml

from dltrain.data.cells import name_list
from dltrain.data.file_index import FileIndex, find_column, may_name_files
from dltrain.data.folds import FoldOption, FoldsOption
from dltrain.data.samples.grades import DEFAULT_ROWS, SAMPLE, make_grades
from dltrain.data.samples.on_demand import writing
from dltrain.data.splits import Fraction
from dltrain.data.stand_ins import Missing
from dltrain.data.table_files import read_file
from dltrain.data.table_format import AUTO, Header, TableFormat
from dltrain.errors import DataError, named_by
from dltrain.kinds.forms import DecimalChoice, ThousandsChoice
from dltrain.kinds.image.files import IMAGES
from dltrain.kinds.table.columns import Role
from dltrain.kinds.table.load import table
from dltrain.kinds.table.numeric import Impute
from dltrain.kinds.table.rows import Duplicates, Outliers
from dltrain.kinds.table.scale import Numeric
from dltrain.storage import make_folder, write_text
from dltrain.types import Data, Range, SplitName

HEADERS = 5  # first lines of a table, among which its real header may be
MOST_CELLS = 1_000_000  # of a table that is read again to find it


def csv(
    *,
    path: str,
    target: str | Sequence[str] | None,
    drop: Sequence[str] = (),
    task: str = "auto",
    val_path: str | None = None,
    test_path: str | None = None,
    id: str | None = None,
    group: str | None = None,
    time: str | None = None,
    weight: str | None = None,
    dates: str | int = "auto",
    missing: Missing = None,
    decimal: DecimalChoice = "auto",
    thousands: ThousandsChoice = "auto",
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    skip: int | str = "auto",
    comment: str = "auto",
    quote: str = "auto",
    sheet: str | int | None = None,
    roles: Mapping[str, Role] | str | None = None,
    ignore_case: bool | None = None,
    numeric: Numeric = "quantile",
    impute: Impute = "median",
    outliers: Outliers = "keep",
    duplicates: Duplicates = "keep",
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads a table with a column `target` to predict: CSV, Excel, Parquet or JSON lines.

    Args:
        path: the file; the sample of grades, `data/grades.csv`, is written first if it is missing.
        target: the column to predict, or several: numbers, or labels with two values each.
        drop: columns that are not used.
        task: `auto` decides by the target's values; `multilabel` reads labels listed in one cell, as in a|b; a task of
            your own, by its dotted path, decides itself.
        val_path: a file of the same columns for the validation split; None to cut it from `path`.
        test_path: the same for the test split.
        id: the column that names each row in predictions; None to find it. It is no input.
        group: a column whose equal values stay in one split.
        time: a column of times or numbers: the first rows in its order are for training, the last ones for testing.
        weight: a column that weighs the rows in the loss and in metrics; rows of weight 0 are left out.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        missing: values that stand for missing cells, such as -999, or a mapping of columns to theirs.
        decimal: the decimal mark of numbers; `auto` decides by the column and the file.
        thousands: the mark between groups of three digits, `none`, or `auto`.
        encoding: a Python encoding name, or `auto`; for CSV.
        delimiter: one character, `tab`, `blanks` for any number of them, or `auto`; for CSV.
        header: `first` if the first line names the columns, `none` if it is data, and columns get the names column_1,
            column_2, ...; `auto` treats a line of measured numbers as data.
        skip: the number of lines above the header, or `auto`; for CSV and Excel.
        comment: the character with which lines begin that are no rows, `none`, or `auto`; for CSV.
        quote: the character around cells that hold a delimiter, `none`, or `auto` for a double quote; for CSV.
        sheet: the name of a sheet or its number, counted from 1; None for the one with the table; for Excel.
        roles: the roles of columns: a mapping of names to `numeric`, `categorical`, `boolean`, `date`, `text`, `parts`
            or `dropped`, or the YAML of one,
            since Hydra's command line does not support mappings with keys in other scripts.
        ignore_case: whether texts that differ only in case or blanks are one category or class, in the spelling that is
            the most frequent one; None to keep them apart with a warning.
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        impute: how missing numbers are filled, `drop` to leave their rows out.
        outliers: whether outliers stay, are clipped, or their rows are left out of training.
        duplicates: whether repeated rows stay.
        scale_target: standardise a numeric target inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        folds: the number of folds of all rows that are not for testing. The run trains a model for each, on the rows of
            the others, validates each row by the model that has not learned from it, and predicts by all of them.
            `auto` is 5 below 10,000 rows; None for none, unless the model asks for them.
        fold: the fold that alone is the validation split, counted from 0; None for an ensemble of all folds.
        seed: of the split.

    Raises:
        DataError: a file cannot be read as a table, or the table has nothing to learn.
        StorageError: the sample cannot be written.
    """
    generated: tuple[str, ...] = ()
    if path == SAMPLE and not Path(path).exists():
        with writing(Path(path)):
            make_folder(Path(path).parent, parents=True)
            write_text(Path(path), make_grades())
        generated = (f"{path} did not exist: generated {DEFAULT_ROWS} rows",)
    form = TableFormat(encoding, delimiter, header, skip, comment, quote, sheet)
    frame, notes = read_file(path, form)
    refuse_names_of_images(frame, path, target, [*drop, *_read_roles(roles)])
    names, frames = list(frame.columns), [frame]
    del frame  # so that `table` can let go of it
    if target is None or target == []:
        raise DataError(
            "there is no target: which column should be predicted?",
            where="data.target",
            fix=f"choose one of {name_list(names)}",
            override=f"data.target={names[-1]}",
        )
    refuse_target_below_the_header(frames[0], path, form, target)
    held_out: dict[SplitName, pd.DataFrame] = {}
    files: dict[SplitName, str | None] = {"val": val_path, "test": test_path}
    for name, other in files.items():
        if other is not None:
            with named_by(f"data.{name}_path"):
                held_out[name], _ = read_file(other, form)
            notes += (f"{name}: the {len(held_out[name])} rows of {other}",)
    return table(
        frames.pop(),
        target=target,
        drop=drop,
        task=task,
        ignore_case=ignore_case,
        numeric=numeric,
        impute=impute,
        outliers=outliers,
        duplicates=duplicates,
        roles=_read_roles(roles),
        id=id,
        group=group,
        time=time,
        weight=weight,
        dates=str(dates),
        missing=missing,
        decimal=decimal,
        thousands=thousands,
        held_out=held_out,
        scale_target=scale_target,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        folds=folds,
        fold=fold,
        seed=seed,
        notes=(*generated, *notes),
    )


def refuse_target_below_the_header(
    frame: pd.DataFrame, path: str, form: TableFormat, target: str | Sequence[str]
) -> None:
    """Refuses a table whose header does not name the target, while a line below it does.

    Args:
        frame: the table.
        path: its path.
        form: how it was read.
        target: the columns to predict.

    Raises:
        DataError: it does; the fix is a number of lines to skip, with which the file was read.
    """
    targets = {target} if isinstance(target, str) else set(map(str, target))
    if targets <= set(map(str, frame.columns)) or form.skip != AUTO:
        return
    if frame.size > MOST_CELLS:
        return
    skip = next((lines for lines in range(1, HEADERS) if _names(path, replace(form, skip=lines), targets)), None)
    if skip is not None:
        raise DataError(
            f"the header has no column {', '.join(sorted(targets))!r}, but a line below it has",
            where="data.target",
            fix="if that line is the header, skip what is above it",
            override=f"data.skip={skip}",
        )


def _names(path: str, form: TableFormat, targets: Collection[str]) -> bool:
    """Tells whether the header of a file, read in a format, names all targets."""
    try:
        frame, _ = read_file(path, form)
    except DataError:
        return False
    return set(targets) <= set(map(str, frame.columns))


def refuse_names_of_images(
    frame: pd.DataFrame, path: str, target: str | Sequence[str] | None, judged: Collection[str]
) -> None:
    """Refuses a table one of whose columns names images that lie beside it, unless the user drops it.

    Args:
        frame: the table.
        path: its path.
        target: the columns to predict.
        judged: columns whose use the user has decided.

    Raises:
        DataError: it does; the fix is the command that trains on the images.
    """
    targets = [target] if isinstance(target, str) else list(map(str, target or ()))
    folder = Path(path).expanduser().parent
    open_columns = [name for name in map(str, frame.columns) if name not in judged and name not in targets]
    likely = [name for name in open_columns if may_name_files(frame[name], IMAGES)]
    image = find_column(frame[likely], FileIndex.near(folder, IMAGES)) if likely else None
    if image is None:
        return
    words = ["dltrain", "model=cnn", "data=images", f"data.path={folder}", f"data.labels={Path(path).name}"]
    words += [f"data.target={targets[0]}"] if len(targets) == 1 else []
    words += [f"data.target=[{','.join(targets)}]"] if len(targets) > 1 else []
    raise DataError(
        f"the column {image!r} names images, which data=csv does not look at",
        where=str(path),
        fix=f"train on the images: {shlex.join(words)}; or leave the column out",
        override=f"data.drop=[{','.join([*judged, image])}]",
    )


def _read_roles(roles: Mapping[str, Role] | str | None) -> Mapping[str, Role]:
    try:
        read = yaml.safe_load(roles) if isinstance(roles, str) else roles
    except yaml.YAMLError:
        read = roles
    choices = get_args(Role)
    if read is None:
        return {}
    if not isinstance(read, Mapping) or not set(read.values()) <= set(choices):
        raise DataError(
            f"{roles!r} is not a mapping of columns to roles",
            where="data.roles",
            fix=f"write it as {{Pclass: categorical}}; roles are {', '.join(choices)}",
            override="data.roles=null",
        )
    return {str(name): role for name, role in read.items()}

"""Collects what the jobs of a cross-validation predict for the rows that they did not train on, in one file."""

from __future__ import annotations

import csv
from pathlib import Path

from dltrain.report.configurations import REPEATS
from dltrain.report.sweep import Row, Summary
from dltrain.runs.folder import RunDir
from dltrain.runs.result import Result
from dltrain.storage import write_csv

NAME = "out_of_fold.csv"
FOLD = "data.fold"


def write_out_of_fold(summary: Summary, folder: Path) -> int:
    """Writes out_of_fold.csv of a sweep over folds: a line for each row of the data and each configuration.

    Returns:
        The number of lines; 0, and no file, if the sweep has no folds.
    """
    groups: dict[tuple[str, ...], list[tuple[Row, list[dict[str, str]]]]] = {}
    configuration_of = {job: str(number) for number, one in enumerate(summary.configurations) for job in one.jobs}
    for row in summary.rows:
        if row["state"] != "done" or FOLD not in row:
            continue
        repeat = tuple(str(row.get(key, "")) for key in REPEATS if key != FOLD)
        lines = _read_predictions(RunDir(folder / row["folder"]))
        groups.setdefault((configuration_of.get(row["job"], ""), *repeat), []).append((row, lines))
    lines = [line for members in groups.values() for line in _in_order(members)]
    if not lines:
        return 0
    columns = list(dict.fromkeys(name for line in lines for name in line))
    write_csv(folder / NAME, columns, ([line.get(name, "") for name in columns] for line in lines))
    return len(lines)


def _read_predictions(run: RunDir) -> list[dict[str, str]]:
    """Returns the predictions of the validation split."""
    path = run.validation
    if not path.exists():
        path = run.predictions
        if Result.read(run).shown_split != "val" or not path.exists():
            return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _in_order(members: list[tuple[Row, list[dict[str, str]]]]) -> list[dict[str, str]]:
    """Returns the lines of all folds in the order of the rows in their file, where ids are numbers of rows."""
    lines = [{"job": str(row["job"]), "fold": str(row[FOLD]), **line} for row, part in members for line in part]
    if all(line.get("id", "").isdigit() for line in lines):
        lines.sort(key=lambda line: int(line["id"]))
    return lines

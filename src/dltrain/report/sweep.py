"""The table of a sweep, with a row for each job, and its best job; read from the jobs' folders alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dltrain.runs.folder import RunDir
from dltrain.runs.result import Result
from dltrain.storage import write_csv, write_text
from dltrain.tasks.metric_table import (
    Declared,
    MetricInfo,
    describe_metric,
    headline_of,
    is_larger_better,
    read_declared,
)

Row = dict[str, Any]

SPLITS = ("train", "val", "test")
SCALES = {"data.scale_target", "data.negatives", "task"}  # losses cannot be compared where one of these differs
TOKENS = {"data.tokens", "data.vocabulary", "data.least"}  # nor those of the next token, where one of these differs
DIFFERENT_DATA = {"data", "data.path", "data.target", "data.name", "data.rows", "experiment"}


@dataclass(frozen=True)
class Summary:
    """The summary of a sweep.

    Args:
        rows: one for each job, in the order of their numbers.
        measure: the column that decides which job is best; empty where the jobs cannot be compared.
        best: the row of the best finished job, if there is one.
        reason: why there is no best job; empty where there is one.
    """

    rows: list[Row]
    measure: str
    best: Row | None
    reason: str = ""

    @property
    def failed(self) -> list[Row]:
        """Returns the rows of jobs that did not finish."""
        return [row for row in self.rows if row["state"] != "done"]

    def as_dict(self) -> dict[str, Any]:
        """Returns the summary as a JSON object."""
        return {"jobs": self.rows, "measure": self.measure, "best": self.best}


def summarize(folder: Path) -> Summary:
    """Reads every job below a sweep's folder, and writes sweep.csv and the best job's config, best.yaml, there."""
    folders = [path.parent for path in folder.rglob("status.json") if "evaluations" not in path.parts]
    runs = sorted(map(RunDir, folders), key=lambda run: _order(run, folder))
    jobs = [read_job(run, folder) for run in runs]
    rows = [job.row for job in jobs]
    measure, reason = _measure(jobs)
    done = [row for row in rows if row["state"] == "done" and row.get(measure) is not None]
    declared: dict[str, MetricInfo] = {}
    for job in jobs:
        declared |= job.declared
    sign = -1 if is_larger_better(measure, declared) else 1
    best = min(done, key=lambda row: sign * row[measure], default=None)
    if best is None and not reason:
        reason = "no job has a result"

    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_csv(folder / "sweep.csv", columns, ([row.get(name, "") for name in columns] for row in rows))
    if best is not None:
        write_text(folder / "best.yaml", RunDir(folder / best["job"]).config.read_text("utf-8"))
    return Summary(rows, measure, best, reason if best is None else "")


def _measure(jobs: Sequence[Job]) -> tuple[str, str]:
    """Returns the column by which the jobs are compared, or why there is none.

    It is what all jobs monitor; the main metric of their task where their losses cannot be compared; and none where
    their data differ.
    """
    keys = {key for job in jobs for key in job.row}
    varied = {key for key in keys if len({job.row.get(key) for job in jobs}) > 1}
    if varied & DIFFERENT_DATA:
        return "", "the jobs use different data, so their results cannot be compared"
    monitors = {job.monitor for job in jobs if job.monitor}
    primary = Counter(job.primary for job in jobs if job.primary)
    losses_differ = varied & SCALES or any(key.split(".")[0] == "loss" for key in varied)
    losses_differ = losses_differ or (varied & TOKENS and any(describe_metric(name).unit == "bits" for name in primary))
    if len(monitors) == 1 and not losses_differ:
        return str(*monitors), ""
    if not primary:
        return "", "no job has a result"
    if len(primary) > 1:
        return "", f"the jobs have different main metrics: {', '.join(sorted(primary))}"
    return next(iter(primary)), ""


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    Args:
        row: of the table.
        monitor: the metric that decided which of its epochs is best; empty where it has no result.
        primary: the main metric of its task, on the validation split if there is one.
        declared: the descriptions of the user's own metrics that it records.
    """

    row: Row
    monitor: str = ""
    primary: str = ""
    declared: Declared = field(default_factory=dict)


def read_job(run: RunDir, folder: Path) -> Job:
    """Reads a job from its run's folder, which lies below that of its sweep."""
    status = run.read_status()
    overrides: list[str] = []
    if (run.hydra / "overrides.yaml").exists():
        overrides = yaml.safe_load((run.hydra / "overrides.yaml").read_text("utf-8")) or []
    row: Row = {"job": run.path.relative_to(folder).as_posix(), "state": status["state"]}
    row |= {"overrides": " ".join(overrides), "error": status.get("error", "")}
    row |= dict(override.split("=", 1) for override in overrides if "=" in override)
    if not run.result.exists():
        return Job(row)
    result = Result.read(run)
    names = ("best_epoch", "epochs", "parameters", "seconds", "samples_per_second")
    row |= {name: getattr(result, name) for name in names}
    row |= {f"{split}/{name}": value for split in SPLITS for name, value in result.of_split(split).items()}
    declared = read_declared(result.metrics)
    split = "val" if result.val else "train"
    metric = headline_of(result.of_split(split), declared)
    return Job(row, result.monitor, f"{split}/{metric}" if metric else "", declared)


def _order(run: RunDir, folder: Path) -> tuple[int, str]:
    """Returns a key that sorts jobs by their numbers, and other folders behind them by their names."""
    name = run.path.relative_to(folder).as_posix()
    return (int(name), "") if name.isdigit() else (1 << 60, name)

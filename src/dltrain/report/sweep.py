"""A sweep's table: a row a job, from the jobs' folders alone."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from dltrain.runs.folder import RunDir, write_text
from dltrain.runs.result import Result
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
SCALES = {"data.scale_target", "data.negatives", "task"}  # with another of these, losses do not compare
TOKENS = {"data.tokens", "data.vocabulary", "data.least"}  # nor do those of a token that is to come
DIFFERENT_DATA = {"data", "data.path", "data.target", "data.name", "data.rows", "experiment"}


@dataclass(frozen=True)
class Summary:
    """What a sweep's jobs add up to.

    Args:
        rows: a row a job, in the order of their numbers.
        measure: the column that decides which job is best; empty where the jobs cannot be compared.
        best: the row of the best finished job.
        reason: why there is no best job; empty where there is one.
    """

    rows: list[Row]
    measure: str
    best: Row | None
    reason: str = ""

    @property
    def failed(self) -> list[Row]:
        """The rows of jobs that did not finish."""
        return [row for row in self.rows if row["state"] != "done"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"jobs": self.rows, "measure": self.measure, "best": self.best}


def summarize(folder: Path) -> Summary:
    """Reads every job below a sweep's folder; writes sweep.csv there, and best.yaml, the best job's config."""
    found = [path.parent for path in folder.rglob("status.json") if "evaluations" not in path.parts]
    runs = sorted(map(RunDir, found), key=lambda run: _order(run, folder))
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
        reason = "no job came to a result"

    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "sweep.csv", text.getvalue())
    if best is not None:
        write_text(folder / "best.yaml", RunDir(folder / best["job"]).config.read_text("utf-8"))
    return Summary(rows, measure, best, reason if best is None else "")


def _measure(jobs: Sequence[Job]) -> tuple[str, str]:
    """Returns the column that the jobs are compared by, or why there is none: what all of them monitor, or the metric
    that says most of their task where their losses differ in kind; nothing where their data differ."""
    keys = {key for job in jobs for key in job.row}
    varied = {key for key in keys if len({job.row.get(key) for job in jobs}) > 1}
    if varied & DIFFERENT_DATA:
        return "", "the jobs differ in their data, and so do their results"
    monitors = {job.monitor for job in jobs if job.monitor}
    found = Counter(job.primary for job in jobs if job.primary)
    losses_differ = varied & SCALES or any(key.split(".")[0] == "loss" for key in varied)
    losses_differ = losses_differ or (varied & TOKENS and any(describe_metric(name).unit == "bits" for name in found))
    if len(monitors) == 1 and not losses_differ:
        return str(*monitors), ""
    if not found:
        return "", "no job came to a result"
    if len(found) > 1:
        return "", f"the jobs are measured differently: {', '.join(sorted(found))}"
    return next(iter(found)), ""


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    Args:
        row: of the table.
        monitor: what decided which of its epochs is best; empty where it has no result.
        primary: the metric that says most of its task, on the validation split where there is one.
        declared: what it records of metrics that are not built in.
    """

    row: Row
    monitor: str = ""
    primary: str = ""
    declared: Declared = field(default_factory=dict)


def read_job(run: RunDir, folder: Path) -> Job:
    """Reads a job from its folder, below that of its sweep."""
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
    name = run.path.relative_to(folder).as_posix()
    return (int(name), "") if name.isdigit() else (1 << 60, name)

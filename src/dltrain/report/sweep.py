"""The answer of a sweep: a row for each job, the best configuration and how sure that is; read from folders alone."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from dltrain.report.configurations import REPEATS, SPLITTING, Configuration, Verdict, judge
from dltrain.runs.folder import RunDir, yaml_loader
from dltrain.runs.lock import state_of
from dltrain.runs.result import Result
from dltrain.runs.search_record import SearchRecord
from dltrain.runs.sweep_record import SweepRecord
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
WAITING = "waiting"  # the state of a job that has not begun


@dataclass(frozen=True)
class Summary:
    """The summary of a sweep.

    Args:
        rows: one for each job, in the order of their numbers.
        measure: the column that decides which job is best; empty where the jobs cannot be compared.
        best: the row of the best finished job of the best configuration, if there is one.
        reason: why there is no best job; empty where there is one.
        declared: the descriptions of the user's own metrics.
        configurations: jobs that differ only in what repeats them, as one each.
        verdict: which configuration is best, and how sure that is.
        command: the command that repeats the best job; empty where there is none.
        state: of the sweep.
        search: what is recorded of the search, if the sweep is one.
    """

    rows: list[Row]
    measure: str
    best: Row | None
    reason: str = ""
    declared: Declared = field(default_factory=dict)
    configurations: tuple[Configuration, ...] = ()
    verdict: Verdict = field(default_factory=lambda: Verdict(None))
    command: str = ""
    state: str = "done"
    search: SearchRecord | None = None

    @property
    def failed(self) -> list[Row]:
        """Returns the rows of jobs that did not finish, except those that a search ended early."""
        return [row for row in self.rows if row["state"] not in ("done", "pruned")]

    @property
    def chosen(self) -> list[Row]:
        """Returns the rows of the finished jobs of the best configuration."""
        jobs = self.verdict.best.jobs if self.verdict.best is not None else ()
        return [row for row in self.rows if row["job"] in jobs and row["state"] == "done"]

    @property
    def larger_is_better(self) -> bool:
        """Tells whether larger values of the measure are better."""
        return is_larger_better(self.measure, self.declared)

    def as_dict(self) -> dict[str, Any]:
        """Returns the summary as a JSON object."""
        verdict, best = self.verdict, self.verdict.best
        answer = None
        if best is not None:
            answer = {
                "configuration": dict(best.values),
                "mean": best.mean,
                "deviation": best.deviation,
                "winner": verdict.is_winner,
                "confidence": verdict.confidence,
                "tied": [dict(one.values) for one in verdict.tied],
            }
        return {
            "jobs": self.rows,
            "measure": self.measure,
            "best": self.best,
            "answer": answer,
            "command": self.command,
        }


def summarize(folder: Path) -> Summary:
    """Reads every job below a sweep's folder, and writes sweep.csv and the best job's config, best.yaml, there."""
    summary = read_summary(folder)
    columns = list(dict.fromkeys(key for row in summary.rows for key in row))
    write_csv(folder / "sweep.csv", columns, ([row.get(name, "") for name in columns] for row in summary.rows))
    if summary.best is not None:
        config = RunDir(folder / summary.best["folder"]).config.read_text("utf-8")
        comment = "".join(f"# {line}\n" for line in summary.command.splitlines())
        write_text(folder / "best.yaml", comment + config)
    return summary


def read_summary(folder: Path) -> Summary:
    """Reads every job below a sweep's folder, and those that have not begun from its record.

    Raises:
        CheckpointError: a file is damaged.
    """
    record = SweepRecord.read(folder)
    folders = [path.parent for path in folder.rglob("status.json") if "evaluations" not in path.parts]
    runs = sorted(map(RunDir, folders), key=lambda run: _order(run, folder))
    jobs = [read_job(run, folder) for run in runs]
    jobs += _waiting(record, jobs)
    jobs.sort(key=lambda job: _number(job.row["job"]))
    rows = [job.row for job in jobs]
    measure, reason = _measure(jobs)
    declared: dict[str, MetricInfo] = {}
    for job in jobs:
        declared |= job.declared
    larger = is_larger_better(measure, declared)
    configurations = group_jobs(jobs, measure) if measure else ()
    verdict = judge(configurations, larger_is_better=larger)
    done = [row for row in rows if row["state"] == "done" and row.get(measure) is not None]
    chosen = set(verdict.best.jobs) if verdict.best is not None else set()
    sign = -1 if larger else 1
    best = min((row for row in done if row["job"] in chosen), key=lambda row: sign * row[measure], default=None)
    if best is None and not reason:
        reason = "no job has a result"
    command = ""
    if best is not None:
        command = repeat_command(next(job.overrides for job in jobs if job.row is best), record)
    state = "done" if record is None else record.state
    search = SearchRecord.read(folder)
    reason = reason if best is None else ""
    return Summary(rows, measure, best, reason, declared, configurations, verdict, command, state, search)


def repeat_command(overrides: Sequence[str], record: SweepRecord | None) -> str:
    """Returns the command that trains a job of a sweep again as a run of its own."""
    words = ["dltrain", *overrides]
    if record is not None and record.config_dir:
        words += ["--config-dir", record.config_dir]
    if (record is not None and not record.multirun) or any(word.startswith("search=") for word in overrides):
        words.append("hydra.mode=RUN")
    return shlex.join(words)


def group_jobs(jobs: Sequence[Job], measure: str) -> tuple[Configuration, ...]:
    """Returns the configurations of the jobs: those that differ only in what repeats a run are one."""
    groups: dict[tuple[tuple[str, str], ...], list[Job]] = {}
    for job in jobs:
        fixed = tuple((key, value) for key, value in job.values.items() if key not in REPEATS)
        groups.setdefault(fixed, []).append(job)
    varied = varied_keys(jobs)
    splitting = any(len({job.values.get(key) for job in jobs}) > 1 for key in SPLITTING)
    configurations = []
    for fixed, members in groups.items():
        scored = [job for job in members if job.row["state"] == "done" and job.row.get(measure) is not None]
        overlap = max((job.overlap for job in scored), default=0.0) if splitting else 0.0
        configurations.append(
            Configuration(
                {key: value for key, value in fixed if key in varied},
                tuple(job.row["job"] for job in members),
                {_block(job): float(job.row[measure]) for job in scored},
                overlap,
                len(scored) == len(members),
            )
        )
    return tuple(configurations)


def varied_keys(jobs: Sequence[Job]) -> list[str]:
    """Returns the keys in which configurations differ, in the order in which they were typed."""
    keys = dict.fromkeys(key for job in jobs for key in job.values if key not in REPEATS)
    return [key for key in keys if len({job.values.get(key) for job in jobs}) > 1]


def differ_in_more_than_repeats(jobs: Sequence[Sequence[str]]) -> bool:
    """Tells whether jobs, given by their overrides, are several configurations."""
    fixed = {tuple(sorted((key, value) for key, value in pairs(job) if key not in REPEATS)) for job in jobs}
    return len(fixed) > 1


def pairs(overrides: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields key and value of each override."""
    for override in overrides:
        key, sign, value = override.partition("=")
        if sign:
            yield key.lstrip("+"), value


def _block(job: Job) -> tuple[str, ...]:
    return tuple(job.values.get(key, "") for key in REPEATS)


def _waiting(record: SweepRecord | None, begun: Sequence[Job]) -> list[Job]:
    """Returns the jobs of a sweep that have no folder yet."""
    if record is None or record.jobs is None:
        return []
    left = Counter(job.overrides for job in begun)
    waiting = []
    for number, overrides in enumerate(record.jobs):
        if left[overrides]:
            left[overrides] -= 1
            continue
        row = _row(str(number), WAITING, overrides)
        waiting.append(Job(row, overrides))
    return waiting


def _row(name: str, state: str, overrides: Sequence[str], error: str = "", seconds: float | str = "") -> Row:
    row: Row = {"job": name, "state": state, "overrides": " ".join(overrides), "error": error}
    row |= dict(pairs(overrides))
    return row | {"seconds": seconds, "folder": "" if state == WAITING else name}


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
        overrides: from which it was composed.
        monitor: the metric that decided which of its epochs is best; empty where it has no result.
        primary: the main metric of its task, on the validation split if there is one.
        declared: the descriptions of the user's own metrics that it records.
        overlap: validation samples per training sample.
    """

    row: Row
    overrides: tuple[str, ...] = ()
    monitor: str = ""
    primary: str = ""
    declared: Declared = field(default_factory=dict)
    overlap: float = 0.0

    @property
    def values(self) -> Mapping[str, str]:
        """Returns the values of its overrides by key."""
        return dict(pairs(self.overrides))


def read_overrides(run: RunDir) -> tuple[str, ...]:
    """Returns the overrides from which a run was composed, without secrets; none where they were not written."""
    path = run.hydra / "overrides.yaml"
    return tuple(map(str, yaml.load(path.read_text("utf-8"), yaml_loader()) or [])) if path.exists() else ()


def read_job(run: RunDir, folder: Path) -> Job:
    """Reads a job from its run's folder, which lies below that of its sweep."""
    status = run.read_status()
    overrides = read_overrides(run)
    name = run.path.relative_to(folder).as_posix()
    row = _row(name, state_of(run), overrides, status.get("error", ""), _duration(status))
    if not run.result.exists():
        return Job(row, overrides)
    result = Result.read(run)
    names = ("best_epoch", "epochs", "parameters", "seconds", "samples_per_second")
    row |= {name: getattr(result, name) for name in names}
    row |= {f"{split}/{name}": value for split in SPLITS for name, value in result.of_split(split).items()}
    declared = read_declared(result.metrics)
    split = "val" if result.val else "train"
    metric = headline_of(result.of_split(split), declared)
    sizes = result.data.splits
    overlap = sizes.get("val", 0) / max(1, sizes.get("train", 0))
    return Job(row, overrides, result.monitor, f"{split}/{metric}" if metric else "", declared, overlap)


def _duration(status: Mapping[str, Any]) -> float | str:
    """Returns the seconds from a job's beginning to what it recorded last; empty where it recorded none."""
    try:
        return (datetime.fromisoformat(status["updated"]) - datetime.fromisoformat(status["started"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return ""


def _order(run: RunDir, folder: Path) -> tuple[int, str]:
    """Returns a key that sorts jobs by their numbers, and other folders behind them by their names."""
    return _number(run.path.relative_to(folder).as_posix())


def _number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (1 << 60, name)

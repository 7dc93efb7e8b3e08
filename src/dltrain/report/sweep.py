"""A sweep's table: a row a job, from the jobs' folders alone."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from dltrain.runs.folder import RunDir, write_text
from dltrain.tasks.metrics import BETTER

Row = dict[str, Any]

SCALES = {"data.scale_target", "data.negatives", "task"}  # with another of these, losses do not compare
DIFFERENT_DATA = {"data", "data.path", "data.target", "data.name", "data.rows", "experiment"}


@dataclass(frozen=True)
class Summary:
    """What a sweep's jobs add up to.

    Args:
        rows: a row a job, in the order of their numbers.
        measure: the column that decides which job is best; empty where the jobs cannot be compared.
        best: the row of the best finished job.
    """

    rows: list[Row]
    measure: str
    best: Row | None

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
    rows = [_row(run, folder) for run in runs]
    measure = _measure(rows)
    done = [row for row in rows if row["state"] == "done" and row.get(measure) is not None]
    sign = 1 if BETTER.get(measure.split("/")[-1], "min") == "min" else -1
    best = min(done, key=lambda row: sign * row[measure], default=None)

    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "sweep.csv", text.getvalue())
    if best is not None:
        write_text(folder / "best.yaml", RunDir(folder / best["job"]).config.read_text("utf-8"))
    return Summary(rows, measure, best)


def _measure(rows: list[Row]) -> str:
    """What the jobs are compared by: what all of them monitor; accuracy or RMSE where their losses differ in kind;
    nothing where their data differ."""
    monitors = {row.pop("monitor") for row in rows if "monitor" in row}
    keys = {key for row in rows for key in row}
    varied = {key for key in keys if len({row.get(key) for row in rows}) > 1}
    if varied & DIFFERENT_DATA:
        return ""
    losses_differ = varied & SCALES or any(key.split(".")[0] == "loss" for key in varied)
    if len(monitors) == 1 and not losses_differ:
        return str(*monitors)
    candidates = ("val/accuracy", "val/rmse", "val/ndcg@10", "train/accuracy", "train/rmse")
    return next((name for name in candidates if any(row.get(name) is not None for row in rows)), "")


def _row(run: RunDir, folder: Path) -> Row:
    status = run.read_status()
    overrides: list[str] = []
    if (run.hydra / "overrides.yaml").exists():
        overrides = yaml.safe_load((run.hydra / "overrides.yaml").read_text("utf-8")) or []
    row: Row = {"job": run.path.relative_to(folder).as_posix(), "state": status["state"]}
    row |= {"overrides": " ".join(overrides), "error": status.get("error", "")}
    row |= dict(override.split("=", 1) for override in overrides if "=" in override)
    if run.result.exists():
        result = json.loads(run.result.read_text("utf-8"))
        row["monitor"] = result["monitor"]
        row |= {key: result[key] for key in ("best_epoch", "epochs", "parameters", "seconds", "samples_per_second")}
        row |= {f"{split}/{name}": value for split in ("train", "val", "test") for name, value in result[split].items()}
    return row


def _order(run: RunDir, folder: Path) -> tuple[int, str]:
    name = run.path.relative_to(folder).as_posix()
    return (int(name), "") if name.isdigit() else (1 << 60, name)

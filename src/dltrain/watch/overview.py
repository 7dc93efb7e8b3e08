"""Reads the runs and sweeps below a folder again and again, and only what has changed since."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dltrain.errors import DltrainError
from dltrain.report.sweep import pairs, read_overrides
from dltrain.runs.config import RunConfig
from dltrain.runs.folder import RunDir
from dltrain.runs.lock import state_of
from dltrain.runs.sweep_record import NAME as SWEEP
from dltrain.runs.sweep_record import SweepRecord
from dltrain.tasks.metric_table import is_larger_better

MOST_POINTS = 500  # of a curve
Stamp = tuple[int, ...]


class Overview:
    """The runs and sweeps below a folder.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._rows: dict[str, tuple[Stamp, dict[str, Any]]] = {}

    def read(self) -> dict[str, Any]:
        """Returns the rows of all runs and sweeps, the newest first, as a JSON object."""
        runs, sweeps = [], []
        for path, names in self._folders():
            if SWEEP in names:
                sweeps.append(path)
            if "status.json" in names:
                runs.append(self._row(path))
        found = {path.relative_to(self.folder).as_posix() for path in sweeps}
        for row in runs:
            row["sweep"] = next((name for name in _parents(row["run"]) if name in found), "")
        for name in found:
            _leave_varied_keys([row for row in runs if row["sweep"] == name])
        rows = [self._sweep(path, runs) for path in sweeps]
        return {
            "folder": str(self.folder),
            "sweeps": sorted(rows, key=lambda row: str(row["started"]), reverse=True),
            "runs": sorted(runs, key=lambda row: (str(row["started"]), _number(row["run"])), reverse=True),
        }

    def read_curves(self, name: str) -> dict[str, list[float | None]]:
        """Returns the columns of a run's metrics.csv; of a long run, every second, third ... row and the last."""
        path = self.folder / name
        if name not in {folder.relative_to(self.folder).as_posix() for folder, _ in self._folders()}:
            return {}
        try:
            rows = RunDir(path).read_history()
        except (DltrainError, OSError):
            return {}
        every = -(-len(rows) // MOST_POINTS) or 1
        rows = rows if every == 1 else [*rows[:-1:every], rows[-1]]
        names = dict.fromkeys(key for row in rows for key in row)
        return {key: [_finite(row.get(key)) for row in rows] for key in names}

    def _folders(self) -> Iterator[tuple[Path, list[str]]]:
        """Yields the folders of runs and sweeps with the names of their files; follows no links."""
        for folder, folders, names in os.walk(self.folder):
            is_run = "status.json" in names
            if is_run:
                folders.clear()  # what lies in a run is its own
            folders[:] = [name for name in folders if not name.startswith(".")]
            if is_run or SWEEP in names:
                yield Path(folder), names

    def _row(self, path: Path) -> dict[str, Any]:
        """Returns the row of a run; the one that was read before, if its files are the same."""
        run = RunDir(path)
        name = path.relative_to(self.folder).as_posix()
        stamp = _stamp(run.status, run.history, run.result, run.report, run.config)
        before = self._rows.get(name)
        if before is None or before[0] != stamp or before[1]["state"] == "running":
            try:
                row = _read_run(run, name)
            except (DltrainError, OSError, ValueError) as error:  # it is being written, or damaged
                row = {"run": name, "state": "unreadable", "started": "", "error": str(error)}
            self._rows[name] = (stamp, row)
        return dict(self._rows[name][1])

    def _sweep(self, path: Path, runs: list[dict[str, Any]]) -> dict[str, Any]:
        name = path.relative_to(self.folder).as_posix()
        jobs = [row for row in runs if row["sweep"] == name]
        states = Counter(str(row["state"]) for row in jobs)
        try:
            record = SweepRecord.read(path)
        except DltrainError:
            record = None
        expected = len(record.jobs) if record is not None and record.jobs is not None else len(jobs)
        scored = [row for row in jobs if row.get("best") is not None]
        monitors = {row["monitor"] for row in scored}
        best = None
        if len(monitors) == 1:
            choose = max if is_larger_better(*monitors) else min
            best = choose(scored, key=lambda row: float(row["best"]))
        return {
            "sweep": name,
            "state": _state_of_sweep(record, states),
            "states": dict(states) | ({"waiting": expected - len(jobs)} if expected > len(jobs) else {}),
            "started": min((str(row["started"]) for row in jobs), default=""),
            "best": None if best is None else {key: best[key] for key in ("run", "monitor", "best")},
            "page": (path / "sweep.html").is_file(),
        }


def _state_of_sweep(record: SweepRecord | None, states: Counter[str]) -> str:
    if states["running"]:
        return "running"
    return "done" if record is None else record.state


def _read_run(run: RunDir, name: str) -> dict[str, Any]:
    status = run.read_status()
    rows = run.read_history() if run.history.exists() else []
    config: Any = RunConfig(run).values if run.config.exists() else {}
    trainer = config.get("trainer") or {}
    monitor = str(trainer.get("monitor", "val/loss"))
    values = [row[monitor] for row in rows if _finite(row.get(monitor)) is not None]
    last = rows[-1] if rows else {}
    choose = max if is_larger_better(monitor) else min
    return {
        "run": name,
        "state": state_of(run),
        "error": status.get("error", ""),
        "started": status.get("started") or status.get("updated", ""),
        "epoch": int(last.get("epoch", 0)),
        "epochs": trainer.get("epochs"),
        "seconds": _finite(last.get("seconds")),
        "monitor": monitor,
        "last": _finite(last.get(monitor)),
        "best": choose(values) if values else None,
        "keys": dict(pairs(read_overrides(run))),
        "page": run.report.is_file(),
    }


def _leave_varied_keys(jobs: list[dict[str, Any]]) -> None:
    """Removes from the rows of a sweep's jobs the keys that have the same value in all of them."""
    keys = [row.get("keys", {}) for row in jobs]
    varied = {key for own in keys for key in own if len({other.get(key) for other in keys}) > 1}
    if len(jobs) > 1:
        for row, own in zip(jobs, keys, strict=True):
            row["keys"] = {key: value for key, value in own.items() if key in varied}


def _stamp(*paths: Path) -> Stamp:
    stamp = []
    for path in paths:
        try:
            stat = path.stat()
            stamp += [stat.st_mtime_ns, stat.st_size]
        except OSError:
            stamp += [0, 0]
    return tuple(stamp)


def _parents(name: str) -> Iterator[str]:
    path = Path(name)
    return (parent.as_posix() for parent in (path, *path.parents))


def _number(name: str) -> int:
    last = name.rpartition("/")[2]
    return -int(last) if last.isdigit() else 0


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def is_folder_of_runs(path: Path) -> bool:
    """Tells whether a folder is that of a run or of a sweep."""
    return (path / "status.json").is_file() or (path / SWEEP).is_file()

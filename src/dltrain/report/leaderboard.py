"""The leaderboard of all runs below a folder: their rows, filtered and sorted."""

from __future__ import annotations

import logging
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltrain.config.validation import nearest
from dltrain.errors import CheckpointError, ConfigError, DltrainError
from dltrain.runs.config import read_values
from dltrain.runs.folder import RunDir, refuse_links
from dltrain.runs.lock import state_of
from dltrain.runs.result import Result
from dltrain.tasks.metric_table import Declared, MetricInfo, headline_of, is_larger_better, read_declared

log = logging.getLogger("dltrain")

Value = str | float | int | None
FIXED_COLUMNS = ("run", "state", "model", "data", "parameters", "epochs", "seconds")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
CONDITION = re.compile(r"([\w./@ -]+?)\s*(>=|<=|!=|=|>|<)\s*(.*)")


@dataclass(frozen=True)
class Entry:
    """A run as a row of the leaderboard.

    Args:
        run: its folder.
        values: by column: its name, state, model and data, its cost, and its metrics as `test/accuracy`.
        config: every value of its config, by dotted key.
        declared: the descriptions of the user's own metrics that it records.
        primary: the column by which it is compared; empty where it has no result.
    """

    run: RunDir
    values: Mapping[str, Value]
    config: Mapping[str, Any] = field(default_factory=dict)
    declared: Declared = field(default_factory=dict)
    primary: str = ""

    def value(self, name: str) -> Any:
        """Returns the value of a column or of a key of the config; `None` if it has neither."""
        return self.values[name] if name in self.values else self.config.get(name)


def find_runs(folder: Path) -> Iterator[Entry]:
    """Yields every run below a folder in the order of their paths; warns of those that cannot be read, and skips them.

    Raises:
        CheckpointError: there is no such folder.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder {folder}", fix="name a folder that contains runs, such as outputs/")
    for path in sorted(folder.rglob("status.json")):
        if "evaluations" in path.relative_to(folder).parts:
            continue
        try:
            yield read_entry(RunDir(path.parent), folder)
        except DltrainError as error:
            log.warning("warning %s", error.what)


def read_entry(run: RunDir, folder: Path | None = None) -> Entry:
    """Reads a run as a row; its name is its path below the folder, if that is given.

    Raises:
        CheckpointError: it cannot be read.
    """
    refuse_links(run.path)
    name = run.path.relative_to(folder).as_posix() if folder is not None else str(run.path)
    values: dict[str, Value] = {"run": name, "state": state_of(run)}
    config = read_values(run)
    values["model"] = str(config.get("model._target_", "")).rsplit(".", 1)[-1].lower()
    values["data"] = _data_name(config)
    if not run.result.exists():
        return Entry(run, values, config)
    result = Result.read(run)
    names = ("parameters", "epochs", "best_epoch", "seconds", "seed", "monitor")
    values |= {name: getattr(result, name) for name in names}
    for split in ("train", "val", "test"):
        values |= {f"{split}/{key}": value for key, value in result.of_split(split).items()}
    declared = read_declared(result.metrics)
    metric = headline_of(result.of_split(result.shown_split), declared)
    return Entry(run, values, config, declared, f"{result.shown_split}/{metric}" if metric else "")


def select(entries: Sequence[Entry], conditions: Sequence[str]) -> list[Entry]:
    """Returns the runs that meet all conditions, such as `test/accuracy>0.9`, `model=mlp` or `data.seed=1`.

    Raises:
        ConfigError: a condition cannot be read, or names a column that no run has.
    """
    selected = list(entries)
    columns = {name for entry in entries for name in (*entry.values, *entry.config)}
    for condition in conditions:
        match = CONDITION.fullmatch(condition)
        if match is None:
            raise ConfigError(f"{condition} is not a condition", fix="write it like test/accuracy>0.9 or model=mlp")
        name, sign, wanted = match.groups()
        check_column(name, columns)
        selected = [entry for entry in selected if _meets(entry.value(name), sign, wanted)]
    return selected


def sort(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Returns the runs sorted by a column: by a metric the best first, by anything else in ascending order.

    Raises:
        ConfigError: no run has that column.
    """
    check_column(name, {key for entry in entries for key in (*entry.values, *entry.config)})
    declared: dict[str, MetricInfo] = {}
    for entry in entries:
        declared |= entry.declared
    sign = -1 if "/" in name and is_larger_better(name, declared) else 1

    def key(entry: Entry) -> tuple[int, float, str]:
        value = entry.value(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return (0, sign * float(value), "")
        return (2, 0.0, "") if value is None else (1, 0.0, str(value))

    return sorted(entries, key=key)


def main_metric(entries: Sequence[Entry]) -> str:
    """Returns the most common `primary` column of the runs; `run` if none has a result."""
    counts = Counter(
        entry.primary for entry in entries if entry.primary and entry.values.get(entry.primary) is not None
    )
    return counts.most_common(1)[0][0] if counts else "run"


def check_column(name: str, columns: set[str]) -> None:
    """Checks that some run has a column or a config key of that name.

    Raises:
        ConfigError: none has; the error proposes the nearest name.
    """
    if name not in columns:
        shown = [column for split in ("test", "val", "train") for column in columns if column == f"{split}/{name}"]
        near = next(iter(shown), "") or nearest(name, sorted(columns))
        raise ConfigError(
            f"no run has a column {name}",
            fix=f"did you mean {near}?" if near else "choose one of the columns that dltrain runs --csv prints",
            override=near,
            replaces=name,
        )


def _meets(value: Any, sign: str, wanted: str) -> bool:
    """Tells whether a value meets a condition; numbers are compared as numbers, anything else as text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return COMPARISONS[sign](float(value), float(wanted))
        except ValueError:
            return sign == "!="
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return sign in ("=", "!=") and COMPARISONS[sign](text, wanted)


def _data_name(config: Mapping[str, Any]) -> str:
    """Returns the name of a run's data: that of its file or folder, else that of the data set."""
    target = str(config.get("data._target_", "")).rsplit(".", 1)[-1]
    return str(config.get("data.name") or Path(str(config.get("data.path") or target)).name)

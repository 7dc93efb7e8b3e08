"""A finished run as its folder tells it, typed; read without torch, and each part only when something asks for it."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.errors import CheckpointError
from dltrain.runs.folder import RunDir, read_json, refuse_links
from dltrain.runs.result import Result

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

HYDRAS_QUOTES = re.compile(r"'([^'\\,\[\]{}]*[^\x00-\x7f'][^'\\,\[\]{}]*)'")  # around a word in another script
SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Example:
    """A row of examples.csv, as text."""

    id: str
    true: str
    predicted: str
    error: str
    text: str = ""


class Run:
    """A finished run.

    Raises:
        CheckpointError: the folder holds no run, or the run did not finish.
    """

    def __init__(self, folder: RunDir) -> None:
        self.folder = folder
        self._remembered: dict[str, Any] = {}
        refuse_links(folder.path)
        self.status = folder.read_status()
        self.state = str(self.status.get("state"))
        if not folder.result.exists():
            raise CheckpointError(
                f"{folder.path} did not finish, so there is nothing to report: its state is {self.state}",
                fix="wait until it is done" if self.state == "running" else "train again",
            )
        self.result = Result.read(folder)
        facts = read_json(folder.facts)
        self.facts = folder.read_facts()
        self.notes = [str(note) for note in facts.get("notes", ())]

    @property
    def name(self) -> str:
        return self.folder.path.resolve().name

    @property
    def shown_split(self) -> str:
        """The split that predictions and examples come from."""
        return self.result.shown_split

    @cached_property
    def history(self) -> list[dict[str, float]]:
        return self.folder.read_history() if self.folder.history.exists() else []

    def curve(self, name: str) -> Floats:
        """A column of metrics.csv, `(epochs,)`; NaN where a cell is empty or not finite."""
        values = np.array([row.get(name, np.nan) for row in self.history], dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def has_curve(self, name: str) -> bool:
        """Whether some epoch has a finite value of it."""
        return bool(np.isfinite(self.curve(name)).any())

    def remember(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns what `make` returned when it was first called for this key."""
        if key not in self._remembered:
            self._remembered[key] = make()
        return self._remembered[key]

    @cached_property
    def examples(self) -> list[Example]:
        """Up to 64 samples, the worst first."""
        path = self.folder.examples / "examples.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            rows = [Example(*row[:5]) for row in islice(csv.reader(file), 1, None)]
        return [Example(_unescaped(row.id), row.true, row.predicted, row.error, _unescaped(row.text)) for row in rows]

    @cached_property
    def samples(self) -> list[tuple[str, str]]:
        """What the model wrote by itself after some of the epochs: the epoch and the text."""
        if not self.folder.samples.exists():
            return []
        with self.folder.samples.open(newline="", encoding="utf-8") as file:
            return [(row[0], row[1]) for row in islice(csv.reader(file), 1, None)]

    @cached_property
    def example_inputs(self) -> NDArray[Any] | None:
        """The stored inputs of the examples, `(n, ...)`, in their order."""
        return _read_tensor(self.folder.examples / "inputs.safetensors", "input_0")

    def read_weight(self, name: str) -> NDArray[Any] | None:
        """A tensor of the best checkpoint, if it has one of that name."""
        pointer = self.folder.checkpoints / "best"
        if not pointer.exists():
            return None
        step = Path(pointer.read_text(encoding="utf-8").strip()).name
        return _read_tensor(self.folder.checkpoints / step / "model.safetensors", name)

    @cached_property
    def projection(self) -> tuple[Indices, Floats] | None:
        """The samples in a plane: their places among the predictions `(n,)`, and their coordinates `(n, 2)`."""
        if not self.folder.projection.exists():
            return None
        with self.folder.projection.open(newline="", encoding="utf-8") as file:
            rows = [list(map(float, row)) for row in islice(csv.reader(file), 1, None)]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
        return (table[:, 0].astype(np.int64), table[:, 1:]) if rows else None

    @cached_property
    def changes(self) -> list[tuple[str, str, str]] | None:
        """Key, default and value of what its config changes; `None` where that was not written."""
        if not self.folder.changes.exists():
            return None
        said = read_json(self.folder.changes)["changes"]
        return [(str(one["key"]), str(one["default"]), str(one["value"])) for one in said]

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """What config.yaml holds, interpolations unresolved; empty where it is gone."""
        return _read_yaml(self.folder.config)

    @cached_property
    def place(self) -> str:
        """The folder as a command names it: from where the run was started, or whole if it is no longer below that."""
        folder = self.folder.path.resolve()
        started = _read_yaml(self.folder.hydra / "hydra.yaml").get("hydra", {}).get("runtime", {}).get("cwd")
        return str(folder.relative_to(started)) if started and folder.is_relative_to(started) else str(folder)

    @cached_property
    def command(self) -> str | None:
        """The command that trains this again, quoted for a shell."""
        path = self.folder.hydra / "overrides.yaml"
        if not path.exists():
            return None
        import yaml

        overrides = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        # What was quoted for Hydra's grammar alone, dltrain quotes again by itself.
        return shlex.join(["dltrain", *(HYDRAS_QUOTES.sub(r"\1", str(override)) for override in overrides)])


def _unescaped(cell: str) -> str:
    """A cell without the apostrophe that keeps spreadsheets from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@", "\t", "\r") else cell


def _read_yaml(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    import yaml

    value = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return value if isinstance(value, Mapping) else {}


def _read_tensor(path: Path, name: str) -> NDArray[Any] | None:
    if not path.exists():
        return None
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return np.asarray(file.get_tensor(name)) if name in file.keys() else None  # noqa: SIM118

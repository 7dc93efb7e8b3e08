"""Reads a finished run from its folder, without torch, and each part only when it is asked for."""

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
from dltrain.runs.folder import RunDir, read_json, read_yaml, refuse_links
from dltrain.runs.result import Result

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

HYDRAS_QUOTES = re.compile(r"'([^'\\,\[\]{}]*[^\x00-\x7f'][^'\\,\[\]{}]*)'")  # around words that are not ASCII
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
    """A finished run, read from its folder.

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
                f"the run in {folder.path} did not finish: its state is {self.state}",
                fix="wait until it is done"
                if self.state == "running"
                else f"continue it: dltrain resume {shlex.quote(str(folder.path))}",
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
        """Returns the name of the split that predictions and examples come from."""
        return self.result.shown_split

    @property
    def is_of_new_data(self) -> bool:
        """Tells whether this is an evaluation of data that the run did not have, which stands in place of a split."""
        return not (self.result.evaluation or {}).get("own_split", True)

    @property
    def shown_words(self) -> str:
        """Returns what samples of the shown split are called: `test`, or `new`."""
        return "new" if self.is_of_new_data else SPLIT_WORDS[self.shown_split]

    @property
    def shown_data(self) -> str:
        """Returns what the shown split is called: `test split`, or `new data`."""
        return "new data" if self.is_of_new_data else f"{self.shown_words} split"

    def name_of(self, split: str) -> str:
        """Returns the name of a split in tables; of new data, `new`."""
        return "new" if split == self.shown_split and self.is_of_new_data else split

    @cached_property
    def history(self) -> list[dict[str, float]]:
        return self.folder.read_history() if self.folder.history.exists() else []

    def curve(self, name: str) -> Floats:
        """Returns a column of metrics.csv, `(epochs,)`; NaN where a cell is empty or not finite."""
        values = np.array([row.get(name, np.nan) for row in self.history], dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def has_curve(self, name: str) -> bool:
        """Tells whether a column of metrics.csv has a finite value in some epoch."""
        return bool(np.isfinite(self.curve(name)).any())

    def remember(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns what `make` returned when it was first called for this key."""
        if key not in self._remembered:
            self._remembered[key] = make()
        return self._remembered[key]

    @cached_property
    def examples(self) -> list[Example]:
        """Returns up to 64 samples of the shown split, those with the largest errors first."""
        path = self.folder.examples / "examples.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            rows = [Example(*row[:5]) for row in islice(csv.reader(file), 1, None)]
        return [Example(_unescaped(row.id), row.true, row.predicted, row.error, _unescaped(row.text)) for row in rows]

    @cached_property
    def wrong_labels(self) -> list[list[str]]:
        """Returns the rows of wrong_labels.csv: id, split, label and its score, the likely class and its score."""
        if not self.folder.wrong_labels.exists():
            return []
        with self.folder.wrong_labels.open(newline="", encoding="utf-8") as file:
            return [[_unescaped(row[0]), *row[1:6]] for row in islice(csv.reader(file), 1, None)]

    @cached_property
    def samples(self) -> list[tuple[str, str]]:
        """Returns the texts that a language model generated during training, each with its epoch."""
        if not self.folder.samples.exists():
            return []
        with self.folder.samples.open(newline="", encoding="utf-8") as file:
            return [(row[0], row[1]) for row in islice(csv.reader(file), 1, None)]

    @cached_property
    def example_inputs(self) -> NDArray[Any] | None:
        """Returns the stored inputs of the examples, `(n, ...)`, in their order."""
        return _read_tensor(self.folder.examples / "inputs.safetensors", "input_0")

    def read_tensor(self, path: Path, name: str) -> NDArray[Any] | None:
        """Returns a tensor of a file in the run's folder; `None` if there is none of that name, or no such file."""
        return _read_tensor(path, name)

    def read_weight(self, name: str) -> NDArray[Any] | None:
        """Returns a tensor of the best checkpoint; `None` if it has none of that name."""
        pointer = self.folder.checkpoints / "best"
        if not pointer.exists():
            return None
        step = Path(pointer.read_text(encoding="utf-8").strip()).name
        return _read_tensor(self.folder.checkpoints / step / "model.safetensors", name)

    @cached_property
    def projection(self) -> tuple[Indices, Floats] | None:
        """Returns the projected samples: their rows among the predictions `(n,)`, and their coordinates `(n, 2)`."""
        if not self.folder.projection.exists():
            return None
        with self.folder.projection.open(newline="", encoding="utf-8") as file:
            rows = [list(map(float, row)) for row in islice(csv.reader(file), 1, None)]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
        return (table[:, 0].astype(np.int64), table[:, 1:]) if rows else None

    @cached_property
    def changes(self) -> list[tuple[str, str, str]] | None:
        """Returns key, default and value of each config value that is not the default; `None` if none are recorded."""
        if not self.folder.changes.exists():
            return None
        changes = read_json(self.folder.changes)["changes"]
        return [(str(change["key"]), str(change["default"]), str(change["value"])) for change in changes]

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Returns the mapping in config.yaml, interpolations unresolved; empty if the file is missing."""
        return read_yaml(self.folder.config)

    @cached_property
    def place(self) -> str:
        """Returns the folder's path as a command names it: relative to where the run was started if it still lies below
        that folder, else absolute."""
        folder = self.folder.path.resolve()
        try:
            started = read_yaml(self.folder.hydra / "hydra.yaml").get("hydra", {}).get("runtime", {}).get("cwd")
        except (CheckpointError, AttributeError):  # a damaged file, of which nothing else is needed
            started = None
        return str(folder.relative_to(started)) if started and folder.is_relative_to(started) else str(folder)

    @cached_property
    def command(self) -> str | None:
        """Returns the command that trains this run again, quoted for a shell; `None` if it is not recorded."""
        path = self.folder.hydra / "overrides.yaml"
        if not path.exists():
            return None
        import yaml

        overrides = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        # dltrain adds these quotes, which only Hydra's grammar needs, by itself.
        return shlex.join(["dltrain", *(HYDRAS_QUOTES.sub(r"\1", str(override)) for override in overrides)])


def _unescaped(cell: str) -> str:
    """Returns a cell without the apostrophe that keeps spreadsheets from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@", "\t", "\r") else cell


def _read_tensor(path: Path, name: str) -> NDArray[Any] | None:
    if not path.exists():
        return None
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return np.asarray(file.get_tensor(name)) if name in file.keys() else None  # noqa: SIM118

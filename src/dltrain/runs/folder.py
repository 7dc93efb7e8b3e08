"""A run folder: the names of all its artifacts, and what is read and written of them whatever they hold."""

from __future__ import annotations

import csv
import json
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dltrain.errors import CheckpointError, ConfigError
from dltrain.storage import write_json
from dltrain.types import Facts

SCHEMA = 1
STATES = ("running", "done", "failed", "interrupted", "diverged", "pruned")


class RunDir:
    """The folder of one run; each property is the path of an artifact."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def hydra(self) -> Path:
        return self.path / ".hydra"

    @property
    def facts(self) -> Path:
        return self.path / "facts.json"

    @property
    def kept(self) -> Path:
        """Returns the path of tensors that predictions need besides the facts, where there are any."""
        return self.path / "kept.safetensors"

    @property
    def likeness(self) -> Path:
        """Returns the path of what tells samples that are unlike those of training, where there is anything."""
        return self.path / "likeness.safetensors"

    @property
    def recommendations(self) -> Path:
        """Returns the path of recommendations for some users, where the data is ratings."""
        return self.path / "recommendations.csv"

    @property
    def history(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def profile(self) -> Path:
        return self.path / "profile.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples.csv"

    @property
    def vectors(self) -> Path:
        return self.path / "vectors.txt"

    @property
    def examples(self) -> Path:
        return self.path / "examples"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.csv"

    @property
    def validation(self) -> Path:
        """Returns the path of the validation split's predictions, where predictions.csv holds those of the test split
        of a job that a sweep chose."""
        return self.path / "validation.csv"

    @property
    def projection(self) -> Path:
        return self.path / "projection.csv"

    @property
    def wrong_labels(self) -> Path:
        return self.path / "wrong_labels.csv"

    @property
    def changes(self) -> Path:
        return self.path / "changes.json"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations"

    @property
    def exports(self) -> Path:
        return self.path / "exports"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    def own(self, path: Path) -> Path:
        """Returns the same path, after checking that it lies in the folder even if it is a link.

        Raises:
            CheckpointError: it leads out of the folder.
        """
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise CheckpointError(
                f"{path} leads out of the run folder", fix="replace the link by a copy of what it points to"
            )
        return path

    def refuse_output(self, path: Path) -> None:
        """Checks that a file written at `path` does not replace one of the run's own.

        Raises:
            ConfigError: it lies in the run's folder, but not in `exports/` or `evaluations/`.
        """
        inside = path.resolve().is_relative_to(self.path.resolve())
        allowed = any(path.resolve().is_relative_to(own.resolve()) for own in (self.exports, self.evaluations))
        if inside and not allowed:
            raise ConfigError(f"{path} lies in the run's folder", where="-o", fix="name a file outside it")

    def read_history(self) -> list[dict[str, float]]:
        """Returns the rows of metrics.csv; empty cells are left out of their rows.

        Raises:
            CheckpointError: a cell is not a number.
        """
        try:
            with self.history.open(newline="", encoding="utf-8") as file:
                return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
        except (ValueError, TypeError, AttributeError, csv.Error) as error:
            raise CheckpointError(f"{self.history} is damaged: {error}") from None

    def read_facts(self) -> Facts:
        """Returns the facts of the data, from facts.json.

        Raises:
            CheckpointError: the file is missing or damaged, or was written by a newer version.
        """
        try:
            return Facts.from_json(read_json(self.own(self.facts)))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{self.facts} is damaged: {error}") from None

    def write_status(self, state: str, **details: Any) -> None:
        """Writes the run's state and `details` to status.json; other values in it stay."""
        assert state in STATES
        status = json.loads(self.status.read_text(encoding="utf-8")) if self.status.exists() else {"schema": SCHEMA}
        write_json(self.status, status | {"state": state, "updated": utc_now()} | details)

    def read_status(self) -> dict[str, Any]:
        """Returns the JSON object in status.json.

        Raises:
            CheckpointError: this is not a run folder, or the file is damaged.
        """
        if self.status.is_file() and not self.status.stat().st_size:
            return {"schema": SCHEMA, "state": "running", "updated": utc_now()}  # killed while it took its folder
        status = read_json(self.status)
        if status.get("state") not in STATES:
            raise CheckpointError(f"{self.status} is damaged: its state is {status.get('state')!r}")
        return status


def advise_restart(path: Path) -> str:
    """Returns the advice for a run that was killed before its config was written."""
    place = shlex.quote(str(path))
    return f"delete it and train again: rm -r {place} && dltrain ... hydra.run.dir={place}"


def refuse_links(path: Path) -> None:
    """Checks that nothing in a run's folder is a symbolic link, which could lead out of it.

    Raises:
        CheckpointError: something is a link.
    """
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            if (child := Path(folder) / name).is_symlink():
                raise CheckpointError(f"{child} is a link", fix="delete it: a run's folder must not contain links")


def remove_half_written(path: Path) -> None:
    """Deletes the temporary files that a killed process left in a run's folder and in its folders of plots, examples
    and configs."""
    for folder in (path, path / "plots", path / "examples", path / ".hydra"):
        for half in folder.glob(".*.tmp"):
            half.unlink(missing_ok=True)


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Returns the mapping in a YAML file of a run folder; empty where there is no such file or it holds no mapping.

    Raises:
        CheckpointError: the file is broken.
    """
    import yaml

    if not path.exists():
        return {}
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), yaml_loader())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    return value if isinstance(value, Mapping) else {}


def yaml_loader() -> Any:
    """Returns the safe loader of YAML, the one in C where PyYAML has it."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file of a run folder.

    Raises:
        CheckpointError: the file is missing or broken, or was written by a newer version.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} is not a run folder: it has no {path.name}", fix="name a folder below outputs/"
        ) from None
    except NotADirectoryError:
        raise CheckpointError(
            f"{path.parent} is a file, not a run folder", fix="name a folder below outputs/"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not contain a JSON object")
    schema = value.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise CheckpointError(f"{path} was written by a newer dltrain (schema {schema})", fix="upgrade dltrain")
    return value


def utc_now() -> str:
    """Returns the time as ISO 8601, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")

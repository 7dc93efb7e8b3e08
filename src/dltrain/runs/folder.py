"""A run folder: the name of every artifact, in one place, and how each is written so that it is never half there."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dltrain.errors import CheckpointError, ConfigError, StorageError
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
        """Tensors that a prediction needs beyond the facts, where there are any."""
        return self.path / "kept.safetensors"

    @property
    def recommendations(self) -> Path:
        """What some users are recommended, where the data is ratings."""
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
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples.csv"

    @property
    def examples(self) -> Path:
        return self.path / "examples"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.csv"

    @property
    def projection(self) -> Path:
        return self.path / "projection.csv"

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
        """The same path, if it leads to nothing outside the folder.

        Raises:
            CheckpointError: a link does.
        """
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise CheckpointError(f"{path} leads out of the run folder", fix="copy what it names in its place")
        return path

    def refuse_output(self, path: Path) -> None:
        """Makes sure that what is to be written at `path` takes the place of nothing that the run holds.

        Raises:
            ConfigError: it lies in the run's folder, but for what was exported or evaluated.
        """
        mine = path.resolve().is_relative_to(self.path.resolve())
        kept = any(path.resolve().is_relative_to(own.resolve()) for own in (self.exports, self.evaluations))
        if mine and not kept:
            raise ConfigError(f"{path} is a place of the run's own", where="-o", fix="name a file outside its folder")

    def read_history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv; a metric that an epoch lacks is left out of its row.

        Raises:
            CheckpointError: it holds something else than numbers.
        """
        try:
            with self.history.open(newline="", encoding="utf-8") as file:
                return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
        except (ValueError, TypeError, AttributeError, csv.Error) as error:
            raise CheckpointError(f"{self.history} is damaged: {error}") from None

    def read_facts(self) -> Facts:
        """What was learned of the data.

        Raises:
            CheckpointError: facts.json is missing, of a newer version, or damaged.
        """
        try:
            return Facts.from_json(read_json(self.own(self.facts)))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{self.facts} is damaged: {error}") from None

    def write_status(self, state: str, **details: Any) -> None:
        """Says how the run stands; `details` are added to what was said before."""
        assert state in STATES
        said = json.loads(self.status.read_text(encoding="utf-8")) if self.status.exists() else {"schema": SCHEMA}
        write_json(self.status, said | {"state": state, "updated": utc_now()} | details)

    def read_status(self) -> dict[str, Any]:
        """What status.json says.

        Raises:
            CheckpointError: this is no run folder.
        """
        status = read_json(self.status)
        if status.get("state") not in STATES:
            raise CheckpointError(f"{self.status} is damaged: its state is {status.get('state')!r}")
        return status


def anew(path: Path) -> str:
    """What to do about a run that was killed before it had a config."""
    place = shlex.quote(str(path))
    return f"delete it and train again: rm -r {place} && dltrain ... hydra.run.dir={place}"


def refuse_links(path: Path) -> None:
    """Makes sure that nothing in a run's folder leads out of it.

    Raises:
        CheckpointError: something is a symbolic link.
    """
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            if (found := Path(folder) / name).is_symlink():
                raise CheckpointError(f"{found} is a link", fix="a run's folder holds none: delete it")


def remove_half_written(path: Path) -> None:
    """Deletes what a killed process left in a run's folder: files that had not got their names yet."""
    for half in path.glob(".*.tmp"):
        half.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or none: into a neighbour first, which then takes its name."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, for bytes.

    Raises:
        StorageError: the disk is full or not writable.
    """
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with neighbour.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(path)
    except OSError as error:
        with suppress(OSError):
            neighbour.unlink(missing_ok=True)
        fix = "free some space, or run in a folder that you may write to"
        raise StorageError(f"cannot write {path}: {error.strerror}", fix=fix) from error


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Makes a folder, or takes the one that is there.

    Raises:
        StorageError: it cannot be made, or something else has its name.
    """
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a whole JSON file or none; numbers that JSON lacks, NaN and infinities, become null."""
    write_text(path, json.dumps(_finite(value), ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file of a run folder.

    Raises:
        CheckpointError: it is missing or broken.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} is no run folder: it has no {path.name}", fix="name a folder below outputs/"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    schema = value.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise CheckpointError(f"{path} was written by a newer dltrain (schema {schema})", fix="upgrade dltrain")
    return value


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def utc_now() -> str:
    """The time as ISO 8601, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def unwritable(folder: Path, error: OSError) -> StorageError:
    fix = "run in a folder that you may write to, or name one with hydra.run.dir"
    return StorageError(f"cannot write to the folder {folder}: {error.strerror}", fix=fix)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

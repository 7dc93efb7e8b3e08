"""sweep.json, typed: what a sweep was asked for, so that it can be summed up and continued from its folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dltrain.errors import CheckpointError
from dltrain.runs.folder import SCHEMA, read_json
from dltrain.storage import write_json

NAME = "sweep.json"


@dataclass(frozen=True)
class SweepRecord:
    """What is recorded of a sweep before its first job begins.

    Args:
        overrides: everything typed, Hydra's own keys included, without secrets.
        multirun: whether `-m` was typed; otherwise a config made it a sweep.
        config_dir: the user's additional folder of configs; `None` without one.
        jobs: the overrides of each job, without secrets; `None` if the sweeper decides as it goes.
        test_later: whether jobs leave the test split until a configuration is chosen.
        search: what a sweeper that goes on where it ended makes its jobs from, without secrets; `None` for another one.
        state: `running`, `done`, `failed` if some jobs failed, or `interrupted`.
    """

    overrides: tuple[str, ...]
    multirun: bool = True
    config_dir: str | None = None
    jobs: tuple[tuple[str, ...], ...] | None = None
    test_later: bool = True
    search: tuple[str, ...] | None = None
    state: str = "running"

    @classmethod
    def read(cls, folder: Path) -> SweepRecord | None:
        """Reads the record in a sweep's folder; returns `None` where there is none.

        Raises:
            CheckpointError: it is damaged, or was written by a newer version.
        """
        path = folder / NAME
        if not path.exists():
            return None
        stored = read_json(path)
        try:
            jobs, search = stored["jobs"], stored.get("search")
            return cls(
                _texts(stored["overrides"]),
                bool(stored["multirun"]),
                stored["config_dir"],
                None if jobs is None else tuple(map(_texts, jobs)),
                bool(stored["test_later"]),
                None if search is None else _texts(search),
                str(stored["state"]),
            )
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from None

    def write(self, folder: Path) -> None:
        """Writes the record into a sweep's folder.

        Raises:
            StorageError: it cannot be written.
        """
        stored: Mapping[str, Any] = {"schema": SCHEMA} | asdict(self)
        write_json(folder / NAME, stored)

    @property
    def can_continue(self) -> bool:
        """Tells whether the sweep can go on from its folder."""
        return self.jobs is not None or self.search is not None

    def is_same(self, other: SweepRecord) -> bool:
        """Tells whether another record is of a sweep of the same jobs, or of the same search."""
        return self.can_continue and (self.jobs, self.search) == (other.jobs, other.search)

    def with_state(self, state: str) -> SweepRecord:
        """Returns a copy with another state."""
        return replace(self, state=state)


def is_sweep(folder: Path) -> bool:
    """Tells whether a folder is that of a sweep."""
    return (folder / NAME).is_file()


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError(f"{values!r} is not a list")
    return tuple(map(str, values))

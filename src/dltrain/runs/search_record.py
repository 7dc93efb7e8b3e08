"""search.json, typed: what a search keeps in its sweep's folder besides its study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dltrain.errors import CheckpointError
from dltrain.runs.folder import SCHEMA, read_json
from dltrain.storage import write_json

NAME = "search.json"


@dataclass(frozen=True)
class SearchRecord:
    """What is recorded of a search.

    Args:
        id: of this search; several searches may share a study.
        study: the name of the study.
        sampler: by which values are chosen.
        trials: the number of each job's trial in the study, by the job's number as text.
        seconds: that the search has taken so far.
        deadline: when its jobs must end, in seconds since 1970; `None` for no limit.
        importance: the share of each key in the variation of the results, from all trials of the study.
        finished: the trials of the study from which the importance was computed.
    """

    id: str
    study: str
    sampler: str
    trials: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    deadline: float | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    finished: int = 0

    @classmethod
    def read(cls, folder: Path) -> SearchRecord | None:
        """Reads the record in a sweep's folder; returns `None` where there is none.

        Raises:
            CheckpointError: it is damaged, or was written by a newer version.
        """
        path = folder / NAME
        if not path.exists():
            return None
        stored = read_json(path)
        try:
            return cls(
                str(stored["id"]),
                str(stored["study"]),
                str(stored["sampler"]),
                {str(job): int(number) for job, number in stored["trials"].items()},
                float(stored["seconds"]),
                None if stored["deadline"] is None else float(stored["deadline"]),
                {str(key): float(share) for key, share in stored["importance"].items()},
                int(stored["finished"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from None

    def write(self, folder: Path) -> None:
        """Writes the record into a sweep's folder.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(folder / NAME, {"schema": SCHEMA} | asdict(self))

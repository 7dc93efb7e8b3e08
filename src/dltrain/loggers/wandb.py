"""Writes a run as one of Weights & Biases, offline unless the user says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from dltrain.errors import ConfigError, require
from dltrain.loggers.logger import LoggedRun, Logger
from dltrain.runs.folder import read_json
from dltrain.storage import write_json

if TYPE_CHECKING:
    from wandb import Run

NAME = "wandb.json"  # the file of a run's folder that names its run of Weights & Biases


class WandB(Logger):
    """Scalars by epoch, the config, the results as the run's summary, and plots as images.

    Args:
        project: the name of the project.
        entity: a user or a team; `None` for the user's own.
        mode: `offline` writes to the folder wandb/ where the command was called, `online` sends it as well.
    """

    def __init__(
        self, project: str = "dltrain", entity: str | None = None, mode: Literal["offline", "online"] = "offline"
    ) -> None:
        require("wandb", "wandb", "logger=wandb needs", ConfigError, where="logger")
        self.project, self.entity, self.mode = project, entity, mode
        self.run: Run | None = None

    def begin(self, run: LoggedRun) -> str:
        import wandb

        if self.run is not None:
            return ""  # rows that are logged again replace the others, since their axis is the epoch
        note = run.folder / NAME
        own_id = str(read_json(note)["id"]) if note.exists() else uuid4().hex[:8]
        write_json(note, {"id": own_id, "project": self.project})
        settings = wandb.Settings(console="off", silent=True)
        more: dict[str, Any] = {"resume": "allow"} if self.mode == "online" else {}
        self.run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            id=own_id,
            name=run.name,
            group=run.sweep or None,
            config=dict(run.config),
            settings=settings,
            reinit="finish_previous",
            **more,
        )
        self.run.define_metric("*", step_metric="epoch")
        return str(self.run.url) if self.mode == "online" else f"wandb sync {Path(self.run.dir).parent}"

    def log(self, row: Mapping[str, float]) -> None:
        assert self.run is not None
        self.run.log(dict(row))

    def finish(self, result: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        import wandb

        assert self.run is not None
        self.run.summary.update({f"result/{name}": value for name, value in result.items()})
        if plots:
            self.run.log({f"plots/{name}": wandb.Image(str(path)) for name, path in plots.items()})

    def close(self, state: str) -> None:
        if self.run is not None:
            self.run.summary.update({"state": state})
            self.run.finish(exit_code=0 if state == "done" else 1)
        self.run = None

"""Writes a run as one of MLflow's, to a tracking server or a database."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dltrain.config.diff import leaves
from dltrain.errors import ConfigError, require
from dltrain.loggers.logger import LoggedRun, Logger
from dltrain.runs.folder import read_json
from dltrain.storage import write_json

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

NAME = "mlflow.json"  # the file of a run's folder that names its run of MLflow
LONGEST = 500  # characters of a parameter
AT_ONCE = 100  # parameters that MLflow takes in one call
STATUS = {"done": "FINISHED", "interrupted": "KILLED"}


class MLflow(Logger):
    """Metrics by epoch, all keys of the config as parameters, config and plots as artifacts.

    Args:
        experiment: the name of MLflow's experiment, which is made if there is none.
        uri: of a tracking server or a database; `None` for MLFLOW_TRACKING_URI, or MLflow's own default.
    """

    def __init__(self, experiment: str = "dltrain", uri: str | None = None) -> None:
        require("mlflow", "mlflow", "logger=mlflow needs", ConfigError, where="logger")
        self.experiment, self.uri = experiment, uri
        self.client: MlflowClient | None = None
        self.run_id = ""

    def begin(self, run: LoggedRun) -> str:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it is not the user who calls MLflow
        import mlflow
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)  # they report each table of a new database
        self.client = MlflowClient(self.uri)
        uri = self.uri or mlflow.get_tracking_uri()
        note = run.folder / NAME
        if note.exists() and (stored := read_json(note)).get("uri") == uri:
            self.run_id = str(stored["run_id"])
            self.client.update_run(self.run_id, "RUNNING")
            return f"run {self.run_id} at {uri}"
        found = self.client.get_experiment_by_name(self.experiment)
        experiment = self.client.create_experiment(self.experiment) if found is None else found.experiment_id
        tags = {"folder": str(run.folder.absolute())} | ({"sweep": run.sweep} if run.sweep else {})
        self.run_id = self.client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        write_json(note, {"run_id": self.run_id, "uri": uri})
        self._log_config(run)
        return f"run {self.run_id} at {uri}"

    def _log_config(self, run: LoggedRun) -> None:
        from mlflow.entities import Param

        assert self.client is not None
        params = [Param(_name(key), _spelled(value)[:LONGEST]) for key, value in leaves(run.config)]
        for first in range(0, len(params), AT_ONCE):
            self.client.log_batch(self.run_id, params=params[first : first + AT_ONCE])
        self.client.log_text(self.run_id, yaml.safe_dump(dict(run.config), allow_unicode=True), "config.yaml")

    def log(self, row: Mapping[str, float]) -> None:
        self._log({name: value for name, value in row.items() if name != "epoch"}, int(row["epoch"]))

    def finish(self, result: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        assert self.client is not None
        self._log({f"result/{name}": value for name, value in result.items()}, 0)
        for path in plots.values():
            self.client.log_artifact(self.run_id, str(path), "plots")

    def close(self, state: str) -> None:
        if self.client is not None:
            self.client.set_terminated(self.run_id, STATUS.get(state, "FAILED"))
            self.client.set_tag(self.run_id, "state", state)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        assert self.client is not None
        now = int(1000 * time.time())
        self.client.log_batch(
            self.run_id, metrics=[Metric(_name(key), float(value), now, step) for key, value in values.items()]
        )


def _name(key: str) -> str:
    """Returns a key with the characters that MLflow takes: `hit_rate@10` becomes `hit_rate_10`."""
    return re.sub(r"[^\w\-. :/]", "_", key)


def _spelled(value: Any) -> str:
    return "null" if value is None else str(value)

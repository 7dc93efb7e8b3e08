"""Builds the loggers of a run, and gives them what its folder contains."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from dltrain.errors import ConfigError
from dltrain.experiment.outputs import refusal_of, with_article
from dltrain.experiment.targets import arguments, resolve_entry
from dltrain.loggers.logger import LoggedRun, Logger, Loggers
from dltrain.runs.config import RunConfig
from dltrain.runs.folder import RunDir, read_json
from dltrain.runs.result import Result
from dltrain.runs.sweep_record import is_sweep

SPLITS = ("train", "val", "test")


def build_loggers(nodes: Mapping[str, Any] | None) -> Loggers:
    """Returns the loggers in a config.

    Raises:
        ConfigError: one cannot be built, or its package is not installed.
    """
    loggers = {}
    for name, node in (nodes or {}).items():
        try:
            loggers[name] = resolve_entry("logger", name, node)(**arguments(node))
        except Exception as error:
            raise refusal_of(error, f"{node['_target_']} cannot be built", where=f"logger.{name}") from error
        if not isinstance(loggers[name], Logger):
            what = f"{node['_target_']} returns {with_article(type(loggers[name]).__name__)} instead of a Logger"
            raise ConfigError(what, where=f"logger.{name}", fix="let it return a subclass of Logger")
    return Loggers(loggers)


def begin_logging(loggers: Loggers, run: RunDir, epoch: int = 0, verbosity: int = logging.INFO) -> None:
    """Opens the logs of a run that has trained so many epochs; its folder contains its config without secrets."""
    if not loggers:
        return
    folder = run.path.absolute()
    sweep = folder.parent.name if is_sweep(folder.parent) else ""
    config: Any = OmegaConf.to_container(RunConfig(run).values, resolve=False)
    changes = read_json(run.changes)["changes"] if run.changes.exists() else []
    name = f"{sweep}/{folder.name}" if sweep else folder.name
    values = {str(change["key"]): str(change["value"]) for change in changes}
    loggers.begin(LoggedRun(name, folder, sweep, config, values, epoch), verbosity)


def log_result(loggers: Loggers, run: RunDir) -> None:
    """Logs the results of a finished run, and the plots in its folder."""
    if not loggers:
        return
    result = Result.read(run)
    metrics = {f"{split}/{name}": value for split in SPLITS for name, value in result.of_split(split).items()}
    values = {name: value for name, value in metrics.items() if value is not None}
    plots = {path.stem: path for path in sorted(run.plots.glob("*.png"))}
    loggers.finish(values | {"best_epoch": float(result.best_epoch), "seconds": result.seconds}, plots)


def log_plots(config: Mapping[str, Any], run: RunDir) -> None:
    """Opens the logs of a finished job once more, for plots that are drawn when its sweep has ended."""
    loggers = build_loggers(config.get("logger"))
    with loggers.closed_after():
        begin_logging(loggers, run, Result.read(run).epochs, logging.DEBUG)
        log_result(loggers, run)

"""One job of a sweep, as any of Hydra's launchers calls it, in this process or in another."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, time
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from dltrain.config.redaction import redacted
from dltrain.errors import CheckpointError, DltrainError
from dltrain.experiment import build
from dltrain.experiment.continuation import resume_job
from dltrain.experiment.log import configure_logging
from dltrain.experiment.loggers import log_result
from dltrain.experiment.pruning import Pruned, pruning_of
from dltrain.experiment.run import begin, recorded, train
from dltrain.experiment.slots import take_share
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.sweep_folder import can_continue, clear, is_own, is_running
from dltrain.experiment.targets import drop_leftovers
from dltrain.report.sweep import summarize
from dltrain.report.sweep_page import NAME as PAGE
from dltrain.report.sweep_page import write_page
from dltrain.runs.config import write_yaml
from dltrain.runs.folder import RunDir
from dltrain.runs.lock import claim, locked, state_of
from dltrain.runs.result import Result
from dltrain.runs.sweep_record import SweepRecord
from dltrain.tasks.metric_table import METRICS

log = logging.getLogger("dltrain")

QUIET = "DLTRAIN_QUIET"  # tells the processes of a launcher that nothing but warnings is to be printed
UPDATE_SECONDS = 2.0  # between two updates of a running sweep's page
UPDATE_SHARE = 0.1  # the same, a job: to read a job's folder takes some milliseconds


def run_job(composed: DictConfig) -> float:
    """Trains one job of a sweep, in the process and the folder that Hydra's launcher chose.

    The outcome is in the folder's status.json. A job that fails returns instead of raising, so that the others run and
    the sweep is summed up.

    Args:
        composed: the job's config; the rest is in `HydraConfig`.

    Returns:
        The monitored value of the kept epoch, which a sweeper optimizes; where the job failed, the worst there is.

    Raises:
        Stopped: a signal asked the process to end.
    """
    began, hydra = perf_counter(), HydraConfig.get()
    if not log.handlers:  # a process of the launcher's own
        configure_logging(console=QUIET not in os.environ)
        os.chdir(hydra.runtime.cwd)  # paths in the config are relative to the folder of the command
        take_share(str(composed.trainer.device))
    SOURCES.forget(str(hydra.sweep.dir))
    run, sweep = RunDir(hydra.runtime.output_dir), Path(hydra.sweep.dir)
    record = SweepRecord.read(sweep)
    reads_test = record is not None and not record.test_later
    name, overrides = hydra.job.num, list(hydra.overrides.task)
    continues = False
    if run.status.exists() and is_own(run, overrides):
        if state_of(run) == "done" and run.result.exists():
            log.debug("kept    job %s", name)
            return objective(run)
        if state_of(run) == "pruned":
            return worst(str(composed.trainer.monitor))
        if not is_running(run.path):
            continues = can_continue(run)
            if not continues:
                clear(run)
    try:
        if not continues:
            claim(run.path)
    except DltrainError as error:
        log.error("failed  job %s: %s", name, error.what)
        return worst(str(composed.trainer.monitor))
    if name == 0:
        redact_file(sweep / "multirun.yaml")  # the sweep may be killed before its end
    log.info("job     %s: %s", name, " ".join(redacted(overrides)))
    drop_leftovers(composed, overrides)
    config = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))
    pruning = pruning_of(hydra, str(name))

    def train_here() -> None:
        if continues:
            try:
                with locked(run.path):
                    resume_job(run, composed, config, began, sweep=str(sweep), reads_test=reads_test, pruning=pruning)
                return
            except CheckpointError as error:
                log.warning("warning job %s begins anew: %s", name, error.what)
                clear(run)
                claim(run.path)
        with locked(run.path), recorded(run, config):
            begin(run, composed, hydra)
            update(sweep, at_most_every=UPDATE_SECONDS, jobs=name)
            setup = replace(build.build(config), pruning=pruning)
            with setup.loggers.closed_after():
                train(setup, config, run, began, verbosity=logging.DEBUG, reads_test=reads_test)
                log_result(setup.loggers, run)

    return concluded(run, str(config["trainer"]["monitor"]), train_here)


def concluded(run: RunDir, monitor: str, train_here: Callable[[], None]) -> float:
    """Trains the job that Hydra has begun, and shows its outcome on the sweep's page.

    Args:
        run: the job's folder.
        monitor: the monitored metric.
        train_here: trains the job and records its outcome in the folder.

    Returns:
        The monitored value, as `run_job` does.

    Raises:
        Stopped: a signal asked the process to end.
    """
    hydra = HydraConfig.get()
    name = hydra.job.num
    try:
        train_here()
    except Pruned as reason:
        log.info("pruned  job %s %s", name, reason.what)
        return worst(monitor)
    except Exception as error:
        log.debug("failed  job %s: %s", name, error)
        return worst(monitor)
    finally:
        update(Path(hydra.sweep.dir), at_most_every=UPDATE_SECONDS, jobs=name)
    return objective(run)


def update(folder: Path, at_most_every: float = 0.0, jobs: int = 0) -> None:
    """Writes the table and the page of a sweep that is running; a failure to do so stops no job.

    Args:
        folder: the sweep's folder.
        at_most_every: seconds that the page must be old; more, if there are many jobs.
        jobs: the number of jobs so far.
    """
    page = folder / PAGE
    try:
        if page.exists() and time() - page.stat().st_mtime < max(at_most_every, UPDATE_SHARE * jobs):
            return
        write_page(summarize(folder), folder)
    except (DltrainError, OSError, ValueError) as error:  # another process may be writing what is read here
        log.debug("the page of the sweep cannot be written: %s", error)


def objective(run: RunDir) -> float:
    """Returns the monitored value of the epoch whose weights a run kept."""
    result = Result.read(run)
    split, _, metric = result.monitor.partition("/")
    value = result.of_split(split).get(metric)
    return worst(result.monitor) if value is None else float(value)


def worst(monitor: str) -> float:
    """Returns the worst value that the monitored metric can have; of a metric of the user's own, by the sweeper.

    A sweeper takes it for a bad choice and goes on; NaN it would take for a fault, and Optuna's ends with it.
    """
    metric = METRICS.get(monitor.rpartition("/")[2])
    if metric is not None:
        return -math.inf if metric.better == "max" else math.inf
    return -math.inf if direction_of(HydraConfig.get()) == "maximize" else math.inf


def direction_of(hydra: Any) -> str:
    """Returns `minimize` or `maximize`, which a sweeper that optimizes is set to; of another one, `None` as text."""
    direction = OmegaConf.select(hydra, "sweeper.direction")
    return str(getattr(direction, "name", direction))


def redact_file(path: Path) -> None:
    """Removes the secrets from a file that Hydra itself wrote."""
    if path.exists():
        written = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        write_yaml(path, redacted(written))

"""Runs a sweep: checks all jobs before the first begins, lets Hydra's launchers run them, and sums them up."""

from __future__ import annotations

import copy
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from dltrain.config.compose import Job, Sweep
from dltrain.config.files import locate
from dltrain.config.loader import CONFIG_NAME, own_hydra
from dltrain.config.quoting import quoted
from dltrain.config.redaction import redacted, secrets_of, without
from dltrain.data.samples.on_demand import on_approval
from dltrain.errors import ConfigError, DltrainError, OutOfMemory, explained
from dltrain.experiment import build
from dltrain.experiment.log import configure_logging
from dltrain.experiment.run import begin, build_callbacks, recorded, train
from dltrain.experiment.signals import Stopped
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.targets import check, drop_leftovers
from dltrain.report.page import write_report
from dltrain.report.sweep import summarize
from dltrain.runs.folder import RunDir
from dltrain.runs.lock import check_writable, claim, locked, reserve
from dltrain.runs.result import Result
from dltrain.storage import make_folder, write_text
from dltrain.tasks.metric_table import METRICS

log = logging.getLogger("dltrain")

QUIET = "DLTRAIN_QUIET"  # tells the processes of a launcher that nothing but warnings is to be printed


def run_sweep(sweep: Sweep, *, named: bool = False, quiet: bool = False) -> tuple[int, dict[str, Any]]:
    """Checks every job, lets Hydra's sweeper and launcher run them, and sums them up even after a failure.

    Args:
        sweep: the sweep, composed and checked key by key.
        named: whether the user chose the folder.
        quiet: whether jobs in other processes print only warnings.

    Returns:
        The exit code, and the summary.

    Raises:
        ExceptionGroup, DltrainError: the sweep was refused, and nothing was written; or its sweeper failed.
    """
    with own_hydra():
        check_writable(sweep.folder)
        with on_approval() as samples:
            _check_sweeper(sweep, check_jobs(sweep.jobs))
            callbacks = build_callbacks(sweep.master)
            folder = _folder(sweep.folder) if named else reserve(sweep.folder)
            samples.accept()
        SOURCES.keep_for(str(folder))
        secrets = {secret for job in sweep.jobs for secret in secrets_of(job.config)}
        stopped, fault = 0, None
        try:
            _launch(sweep, callbacks, folder, quiet)
        except Stopped as signal:
            stopped = signal.exit_code
        except Exception as error:
            fault = error
        finally:
            _hide_secrets(folder, sorted(secrets))
        code, summary = finish_sweep(folder, sweep.count)
        if isinstance(fault, HydraException):
            raise ConfigError(" ".join(str(fault).split()), where="hydra.sweeper", fix="check its settings") from fault
        if fault is not None:
            raise fault
        return stopped or code, summary


def check_jobs(jobs: Sequence[Job]) -> str:
    """Builds every job once, so that a job that cannot run is refused before anything is written.

    Returns:
        The metric that the first job monitors.

    Raises:
        ExceptionGroup: one ConfigError for each wrong value of a config.
        DltrainError: a job cannot be built.
    """
    SOURCES.forget()
    monitors = []
    for job in jobs:
        drop_leftovers(job.config, job.overrides)
        if errors := check(job.config):
            group = ExceptionGroup("config", errors)
            locate(group, job.key_files)
            raise group
    for job in jobs:
        try:
            monitors.append(build.build(job.config).settings.monitor)
        except Exception as error:
            # If one job of several runs out of memory, it fails when it runs, and the others finish.
            if len(jobs) == 1 or not isinstance(explained(error), OutOfMemory):
                locate(error, job.key_files)
                raise
    return monitors[0] if monitors else ""


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
    SOURCES.forget(str(hydra.sweep.dir))
    run = RunDir(hydra.runtime.output_dir)
    try:
        claim(run.path)
    except DltrainError as error:
        log.error("failed  job %s: %s", hydra.job.num, error.what)
        return worst(str(composed.trainer.monitor))
    if hydra.job.num == 0:
        _redact(Path(hydra.sweep.dir) / "multirun.yaml")  # the sweep may be killed before its end
    log.info("job     %s: %s", hydra.job.num, " ".join(redacted(hydra.overrides.task)))
    drop_leftovers(composed, hydra.overrides.task)
    config = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))
    try:
        with locked(run.path), recorded(run, config):
            begin(run, composed)
            train(build.build(config), config, run, began, verbosity=logging.DEBUG)
    except Exception as error:
        log.debug("failed  job %s: %s", hydra.job.num, error)
        return worst(config["trainer"]["monitor"])
    return objective(run)


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
    return -math.inf if _direction(HydraConfig.get()) == "maximize" else math.inf


def finish_sweep(folder: Path, count: int | None) -> tuple[int, dict[str, Any]]:
    """Sums up the jobs in a sweep's folder, and draws plots and page of the best one.

    Args:
        folder: the sweep's folder.
        count: the expected number of jobs; None if the sweeper decides.

    Returns:
        The exit code, and the summary.
    """
    _redact(folder / "multirun.yaml")
    summary = summarize(folder)
    for job in summary.failed:
        log.warning("failed  job %s: %s", job["job"], job["error"] or job["state"])
    if summary.best is not None:
        best = RunDir(folder / summary.best["job"])
        write_report(best)
        log.info("best    %s (%s %.4g)", summary.best["overrides"], summary.measure, summary.best[summary.measure])
        log.info("report  %s", best.report)
    else:
        log.info("best    none: %s", summary.reason)
    log.info("sweep   %s", folder / "sweep.csv")
    complete = bool(summary.rows) and count in (None, len(summary.rows)) and not summary.failed
    return (0 if complete else 6), summary.as_dict()


def _launch(sweep: Sweep, callbacks: Callbacks, folder: Path, quiet: bool) -> None:
    """Passes the jobs to Hydra's sweeper, as `hydra.main` does."""
    master = sweep.master
    with open_dict(master.hydra):
        master.hydra.sweep.dir = str(folder)
        master.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(folder))}")
    if quiet:
        os.environ[QUIET] = "1"  # for the processes of a launcher
    try:
        callbacks.on_multirun_start(config=master, config_name=CONFIG_NAME)
        context = HydraContext(config_loader=sweep.loader, callbacks=callbacks)
        sweeper = Plugins.instance().instantiate_sweeper(config=master, hydra_context=context, task_function=run_job)
        sweeper.sweep(arguments=list(sweep.overrides))
        callbacks.on_multirun_end(config=master, config_name=CONFIG_NAME)
    finally:
        os.environ.pop(QUIET, None)


def _check_sweeper(sweep: Sweep, monitor: str) -> None:
    """Checks that the sweeper can be created and that it optimizes in the direction of the monitored metric.

    Raises:
        ConfigError: the sweeper cannot be created, or optimizes in the wrong direction.
    """
    context = HydraContext(config_loader=sweep.loader, callbacks=Callbacks())
    try:
        Plugins.instance().instantiate_sweeper(
            config=copy.deepcopy(sweep.master), hydra_context=context, task_function=run_job
        )
    except Exception as error:  # whatever a plugin makes of settings that are not its own
        what = " ".join(str(error).split())
        raise ConfigError(what, where="hydra.sweeper", fix="check the settings of sweeper and launcher") from error
    direction = _direction(sweep.master.hydra)
    metric = METRICS.get(monitor.rpartition("/")[2])
    right = direction if metric is None else {"min": "minimize", "max": "maximize"}[metric.better]
    if direction in ("minimize", "maximize") and direction != right:
        raise ConfigError(
            f"the sweeper would {direction} {monitor}",
            where="hydra.sweeper.direction",
            fix=f"{right} it",
            override=f"hydra.sweeper.direction={right}",
        )


def _direction(hydra: Any) -> str:
    """Returns `minimize` or `maximize`, which a sweeper that optimizes is set to; of another one, `None` as text."""
    direction = OmegaConf.select(hydra, "sweeper.direction")
    return str(getattr(direction, "name", direction))


def _folder(folder: Path) -> Path:
    """Creates and returns the folder that the user chose, which must not contain jobs yet."""
    if folder.is_file() or any(folder.rglob("status.json")):
        what = "is a file" if folder.is_file() else "already contains a sweep"
        raise ConfigError(f"{folder} {what}", where="hydra.sweep.dir", fix=f"choose another folder, such as {folder}-2")
    make_folder(folder, parents=True)
    return folder


def _redact(path: Path) -> None:
    """Removes the secrets from a file that Hydra itself wrote."""
    if path.exists():
        written = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(redacted(written))))


def _hide_secrets(folder: Path, secrets: Sequence[str]) -> None:
    """Removes secrets from the launcher's own files next to the jobs; deletes files with secrets that are not text."""
    jobs = {path.parent for path in folder.rglob("status.json")}
    for path in [path for path in folder.rglob("*") if path.is_file() and not jobs & {*path.parents}]:
        content = path.read_bytes()
        if not any(secret.encode() in content for secret in secrets):
            continue
        try:
            write_text(path, without(secrets, content.decode("utf-8")))
        except UnicodeDecodeError:
            path.unlink()

"""Runs a sweep: checks all jobs before the first begins, lets Hydra's launchers run them, and sums them up."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import OmegaConf, open_dict

from dltrain.config.compose import Job, Sweep, compose
from dltrain.config.files import locate
from dltrain.config.loader import CONFIG_NAME, own_hydra
from dltrain.config.quoting import quote, quoted
from dltrain.config.redaction import REDACTED, redacted, secrets_of, without
from dltrain.data.samples.on_demand import on_approval
from dltrain.errors import ConfigError, DataError, DltrainError, OutOfMemory, explained
from dltrain.experiment import build
from dltrain.experiment.prepared import PREPARED
from dltrain.experiment.results import described
from dltrain.experiment.run import build_callbacks
from dltrain.experiment.signals import Stopped
from dltrain.experiment.slots import AT_ONCE, jobs_at_once
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.sweep_answer import finish_sweep
from dltrain.experiment.sweep_folder import (
    REOPENED,
    Command,
    begun_job,
    check_unchanged,
    find_begun,
    fingerprints_of,
    new_record,
)
from dltrain.experiment.sweep_job import QUIET, direction_of, run_job, update
from dltrain.experiment.targets import check, drop_leftovers
from dltrain.report.sweep import read_summary
from dltrain.runs.lock import check_writable, locked, reserve
from dltrain.runs.sweep_record import SweepRecord
from dltrain.storage import make_folder, write_text

log = logging.getLogger("dltrain")


def run_sweep(
    sweep: Sweep, command: Command, *, named: bool = False, quiet: bool = False
) -> tuple[int, dict[str, Any]]:
    """Checks every job, lets Hydra's sweeper and launcher run them, and sums them up even after a failure.

    A sweep of the same jobs that was begun and did not finish is continued: what is done stays as it is.

    Args:
        sweep: the sweep, composed and checked key by key.
        command: what was typed.
        named: whether the user chose the folder.
        quiet: whether jobs in other processes print only warnings.

    Returns:
        The exit code, and the summary.

    Raises:
        ExceptionGroup, DltrainError: the sweep was refused, and nothing was written; or its sweeper failed.
    """
    record = new_record(sweep, command)
    with own_hydra():
        check_writable(sweep.folder)
        begun = find_begun(sweep, record, named=named)
        others = begun_job(begun, command) if begun is not None and record.search is not None else []
        with on_approval() as samples:
            if begun is not None and others:
                check_unchanged(begun, others)
            _check_sweeper(sweep, check_jobs([*sweep.jobs, *others], begun, keeps=_trains_what_was_built(sweep)))
            callbacks = build_callbacks(sweep.master)
            folder = begun or _new_folder(sweep.folder, named=named)
            samples.accept()
        with locked(folder):
            if begun is not None:
                log.info("sweep   continues in %s: what is done stays as it is", folder)
            record.write(folder)
            SOURCES.keep_for(str(folder))
            try:
                return _run(sweep, record, callbacks, folder, quiet)
            finally:
                SOURCES.forget()
                PREPARED.forget()


def check_sweep(sweep: Sweep) -> None:
    """Checks the sweeper and every job, and writes nothing.

    Raises:
        ExceptionGroup, DltrainError: as `run_sweep`, before anything is written.
    """
    with own_hydra(), on_approval():
        _check_sweeper(sweep, check_jobs(sweep.jobs))
        build_callbacks(sweep.master)


def resume_sweep(folder: Path, given: Mapping[str, str], *, quiet: bool = False) -> tuple[int, dict[str, Any]]:
    """Runs the jobs of a sweep that are missing or failed; the arguments are the folder and secrets, by key.

    Returns:
        The exit code, and the summary.

    Raises:
        ExceptionGroup, DltrainError: as `run_sweep`; or other values are given than the secrets that were not stored.
    """
    record = SweepRecord.read(folder)
    assert record is not None, "the folder is that of a sweep"
    if not record.can_continue:
        what = "the sweeper chose these jobs as it went, so the sweep cannot be continued"
        raise ConfigError(what, where=str(folder), fix="begin a new one")
    words = [word for word in record.overrides if not word.startswith("hydra.sweep.dir=")]
    secret = [word.partition("=")[0] for word in words if REDACTED in word]
    reopened = {key: value for key, value in given.items() if key in REOPENED and record.search is not None}
    words = [word for word in words if word.partition("=")[0] not in reopened]
    words += [f"{key}={value}" for key, value in reopened.items()]
    for key in given:
        if key not in (name.lstrip("+") for name in secret) and key not in reopened:
            what = "a sweep is continued as it began"
            raise ConfigError(what, where=key, fix=f"leave it out, or train one job further: dltrain resume {folder}/0")
    words = [
        f"{name}={given[name.lstrip('+')]}" if REDACTED in word and name.lstrip("+") in given else word
        for word in words
        for name in [word.partition("=")[0]]
    ]
    if left := [word.partition("=")[0] for word in words if REDACTED in word]:
        raise ConfigError(
            "this is a secret, which is not stored", where=left[0], fix="give it again", override=f"{left[0]}=..."
        )
    overrides = [quote(word) for word in words]
    place = f"hydra.sweep.dir={quoted(str(folder.absolute()))}"
    described = compose([*overrides, place], record.config_dir, multirun=record.multirun)
    if not isinstance(described, Sweep):
        raise ConfigError("the config no longer describes a sweep", where="hydra.mode", fix="restore it")
    command = Command(tuple(words), record.config_dir, multirun=record.multirun)
    return run_sweep(described, command, named=True, quiet=quiet)


def _run(
    sweep: Sweep, record: SweepRecord, callbacks: Callbacks, folder: Path, quiet: bool
) -> tuple[int, dict[str, Any]]:
    """Launches the jobs of a sweep, and sums them up."""
    secrets = {secret for job in sweep.jobs for secret in secrets_of(job.config)}
    secrets.update(secrets_of(OmegaConf.to_container(sweep.master.hydra.sweeper, resolve=False)))
    stopped, fault = 0, None
    try:
        _launch(sweep, callbacks, folder, quiet)
    except Stopped as signal:
        stopped = signal.exit_code
    except Exception as error:
        fault = error
    finally:
        _hide_secrets(folder, sorted(secrets))
    configs = {tuple(redacted(list(job.overrides))): job.config for job in sweep.jobs}
    try:
        code, summary = finish_sweep(folder, sweep.count, record, configs, ended=not (stopped or fault))
    except Stopped as signal:
        record.with_state("interrupted").write(folder)
        update(folder)
        return signal.exit_code, read_summary(folder).as_dict()
    if isinstance(fault, HydraException):
        raise ConfigError(" ".join(str(fault).split()), where="hydra.sweeper", fix="check its settings") from fault
    if fault is not None:
        raise fault
    return stopped or code, summary


def _trains_what_was_built(sweep: Sweep) -> bool:
    """Tells whether the launcher trains the objects that were built to check the jobs."""
    launcher = Plugins.instance().class_name_to_class.get(str(sweep.master.hydra.launcher.get("_target_")))
    return bool(getattr(launcher, "trains_what_was_built", False))


def check_jobs(jobs: Sequence[Job], begun: Path | None = None, *, keeps: bool = False) -> tuple[str, str]:
    """Builds every job once, so that a job that cannot run is refused before anything is written.

    Args:
        jobs: all jobs.
        begun: the folder of the sweep that they continue; `None` for a new one.
        keeps: whether what was built is kept for the launcher.

    Returns:
        The metric that the first job monitors, and whether it is to `minimize` or to `maximize`.

    Raises:
        ExceptionGroup: one ConfigError for each wrong value of a config.
        DltrainError: a job cannot be built, or its data has changed since the sweep began.
    """
    SOURCES.forget()
    PREPARED.forget()
    before = fingerprints_of(begun) if begun is not None else {}
    monitors = []
    for job in jobs:
        drop_leftovers(job.config, job.overrides)
        if errors := check(job.config):
            group = ExceptionGroup("config", errors)
            locate(group, job.key_files)
            raise group
    for job in jobs:
        try:
            began = perf_counter()
            setup = build.build(job.config)
            if keeps:
                PREPARED.keep(job.config, setup, perf_counter() - began)
            better = setup.task.describe_metric(setup.settings.monitor).better
            monitors.append((setup.settings.monitor, {"min": "minimize", "max": "maximize"}[better]))
            fingerprint = before.get(tuple(redacted(list(job.overrides))))
            if fingerprint and fingerprint != described(setup.data)["fingerprint"]:
                raise DataError(
                    f"the data has changed since the sweep in {begun} began",
                    where="data",
                    fix="choose another folder",
                    override=f"hydra.sweep.dir={begun}-2",
                )
        except Exception as error:
            # If one job of several runs out of memory, it fails when it runs, and the others finish.
            if len(jobs) == 1 or not isinstance(explained(error), OutOfMemory):
                locate(error, job.key_files)
                raise
    return monitors[0] if monitors else ("", "")


def _launch(sweep: Sweep, callbacks: Callbacks, folder: Path, quiet: bool) -> None:
    """Passes the jobs to Hydra's sweeper, as `hydra.main` does."""
    master = sweep.master
    with open_dict(master.hydra):
        master.hydra.sweep.dir = str(folder)
        master.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(folder))}")
    if quiet:
        os.environ[QUIET] = "1"  # for the processes of a launcher
    if isinstance(n_jobs := master.hydra.launcher.get("n_jobs"), int):
        os.environ[AT_ONCE] = str(jobs_at_once(n_jobs))
    try:
        callbacks.on_multirun_start(config=master, config_name=CONFIG_NAME)
        context = HydraContext(config_loader=sweep.loader, callbacks=callbacks)
        sweeper = Plugins.instance().instantiate_sweeper(config=master, hydra_context=context, task_function=run_job)
        sweeper.sweep(arguments=list(sweep.overrides))
        callbacks.on_multirun_end(config=master, config_name=CONFIG_NAME)
    finally:
        os.environ.pop(QUIET, None)
        os.environ.pop(AT_ONCE, None)


def _check_sweeper(sweep: Sweep, monitored: tuple[str, str]) -> None:
    """Checks that the sweeper can be created and that it optimizes in the direction of the monitored metric.

    A sweeper whose direction is open is given the right one.

    Raises:
        ConfigError: the sweeper cannot be created, or optimizes in the wrong direction.
    """
    monitor, right = monitored
    if "direction" in sweep.master.hydra.sweeper and sweep.master.hydra.sweeper.direction is None:
        sweep.master.hydra.sweeper.direction = right or None
    context = HydraContext(config_loader=sweep.loader, callbacks=Callbacks())
    try:
        Plugins.instance().instantiate_sweeper(
            config=copy.deepcopy(sweep.master), hydra_context=context, task_function=run_job
        )
    except (DltrainError, ExceptionGroup):
        raise
    except Exception as error:  # whatever a plugin makes of settings that are not its own
        what = " ".join(str(error).split())
        raise ConfigError(what, where="hydra.sweeper", fix="check the settings of sweeper and launcher") from error
    direction = direction_of(sweep.master.hydra)
    if right and direction in ("minimize", "maximize") and direction != right:
        raise ConfigError(
            f"the sweeper would {direction} {monitor}",
            where="hydra.sweeper.direction",
            fix=f"{right} it",
            override=f"hydra.sweeper.direction={right}",
        )


def _new_folder(folder: Path, *, named: bool) -> Path:
    """Creates and returns the folder of a new sweep: the one that the user chose, or one whose name is free."""
    if not named:
        return reserve(folder)
    make_folder(folder, parents=True)
    return folder


def _hide_secrets(folder: Path, secrets: Sequence[str]) -> None:
    """Removes secrets from the launcher's own files next to the jobs; deletes files with secrets that are not text."""
    if not secrets:
        return
    jobs = {path.parent for path in folder.rglob("status.json")}
    for path in [path for path in folder.rglob("*") if path.is_file() and not jobs & {*path.parents}]:
        content = path.read_bytes()
        if not any(secret.encode() in content for secret in secrets):
            continue
        try:
            write_text(path, without(secrets, content.decode("utf-8")))
        except UnicodeDecodeError:
            path.unlink()

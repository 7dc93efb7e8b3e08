"""Trains one run, from a checked config to a finished run folder.

A single run is built once: the objects that were built to check the config are trained, and errors are raised.
"""

from __future__ import annotations

import logging
import os
import shlex
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus, env_override
from hydra.core.utils import run_job as run_in_hydra
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict
from safetensors.torch import save as safetensors_bytes

from dltrain.config.compose import Job
from dltrain.config.defaults import Defaults
from dltrain.config.files import locate
from dltrain.config.loader import CONFIG_NAME, own_hydra
from dltrain.config.quoting import quoted
from dltrain.config.redaction import redacted, secrets_of, without
from dltrain.data.samples.on_demand import on_approval
from dltrain.errors import ConfigError, DltrainError, StorageError, explained
from dltrain.experiment import build
from dltrain.experiment.changes import Written, save_changes
from dltrain.experiment.complete import complete, new_saver, write_page
from dltrain.experiment.log import logged_to
from dltrain.experiment.loggers import log_result
from dltrain.experiment.results import described
from dltrain.experiment.resume import read_config
from dltrain.experiment.signals import Stopped, deferred, no_error_after_a_signal
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.targets import check, drop_leftovers
from dltrain.models.names import name_of, picked_models
from dltrain.runs.config import write_yaml, yaml_text
from dltrain.runs.folder import RunDir, utc_now
from dltrain.runs.lock import check_writable, claim, locked, reserve
from dltrain.storage import make_folder, write_bytes, write_json, write_text
from dltrain.tasks.registry import page_of
from dltrain.training.random_state import TURN
from dltrain.training.saving import Saver
from dltrain.workers import count_cores

log = logging.getLogger("dltrain")


def run_single(job: Job, began: float, *, named: bool = False) -> RunDir:
    """Trains the run that a job describes, in a folder of its own; a call from another thread waits.

    Args:
        job: the job, composed and checked key by key.
        began: `perf_counter` when the command began.
        named: whether the user chose the folder.

    Returns:
        The finished run.

    Raises:
        ExceptionGroup, DltrainError: the run was refused, and nothing was written; or training failed, and status.json
            says why.
        Stopped: a signal asked the process to end; the folder contains a checkpoint to continue from.
    """
    with TURN, own_hydra(), env_override(job.composed.hydra.job.env_set):
        drop_leftovers(job.composed, job.overrides)
        check_writable(job.run_dir)
        with on_approval() as samples:
            setup = build_checked(job.config, job.key_files, job.overrides)
            callbacks = build_callbacks(job.composed)
            run = RunDir(claim(job.run_dir if named else reserve(job.run_dir)))  # from here on, it is this run's
            samples.accept()
        _name_folder(job.composed, run.path)

        def train_and_report(composed: DictConfig) -> None:
            with locked(run.path), recorded(run, job.config), setup.loggers.closed_after():
                begin(run, composed, HydraConfig.get(), job.defaults)
                train(setup, job.config, run, began)
                write_page(run, setup)
                log_result(setup.loggers, run)
                log.info("report  %s", run.report)

        _call(train_and_report, job, callbacks)
        return run


def build_checked(
    config: Mapping[str, Any],
    key_files: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
    begun: RunDir | None = None,
    sweep: str = "",
) -> build.Setup:
    """Returns the objects that a config describes, built and tried.

    Args:
        config: the config, composed and checked key by key.
        key_files: the user's file that sets each key.
        overrides: the overrides that it was composed from; keys that they make obsolete are removed from the config.
        begun: the run that these objects continue.
        sweep: the folder of the sweep whose jobs share their data; empty for a run of its own.

    Raises:
        ExceptionGroup: one ConfigError for each wrong value.
        DltrainError: the objects cannot be built.
    """
    SOURCES.forget(sweep)
    drop_leftovers(config, overrides)
    try:
        if errors := check(config):
            raise ExceptionGroup("config", errors)
        return build.build(config, begun)
    except Exception as error:
        locate(error, key_files or {})
        raise


def _name_folder(composed: DictConfig, path: Path) -> None:
    """Sets the reserved folder in Hydra's config, as if the user had chosen it."""
    with open_dict(composed.hydra):
        composed.hydra.run.dir = str(path)
        composed.hydra.overrides.hydra.append(f"hydra.run.dir={quoted(str(path))}")


def build_callbacks(composed: DictConfig) -> Callbacks:
    """Returns Hydra's callbacks, as the section `hydra.callbacks` of a config describes them.

    Raises:
        ConfigError: one cannot be built.
    """
    try:
        return Callbacks(composed)
    except Exception as error:  # whatever a callback of the user's own raises
        reason, *_ = str(error).partition(", set env var")  # Hydra's advice for its own command line
        what = f"a callback cannot be built: {' '.join(reason.split())}"
        raise ConfigError(what, where="hydra.callbacks", fix="check its _target_ and its arguments") from error


def _call(work: Callable[[DictConfig], None], job: Job, callbacks: Callbacks) -> None:
    """Calls `work` with a job's config as Hydra does, with its callbacks, environment and `HydraConfig`."""
    composed = job.composed
    callbacks.on_run_start(config=composed, config_name=CONFIG_NAME)
    done = run_in_hydra(
        task_function=work,
        config=composed,
        job_dir_key="hydra.run.dir",
        job_subdir_key=None,
        hydra_context=HydraContext(config_loader=job.loader, callbacks=callbacks),
    )
    callbacks.on_run_end(config=composed, config_name=CONFIG_NAME, job_return=done)
    if done.status is JobStatus.FAILED:
        raise done._return_value


@contextmanager
def recorded(run: RunDir, config: Mapping[str, Any]) -> Iterator[None]:
    """Writes the messages inside the block to the run's log and its outcome to status.json, both without secrets.

    Raises:
        DltrainError: the explanation of the exception that ended the run, if there is one; else the exception itself.
    """
    secrets = tuple(secrets_of(config))
    try:
        with logged_to(run, secrets), no_error_after_a_signal():
            yield
        run.write_status("done", exit_code=0)
    except Stopped as stopped:
        with suppress(StorageError):
            run.write_status("interrupted", exit_code=stopped.exit_code)
            stopped.status = run.read_status()
        log.warning("interrupted; continue with: dltrain resume %s", shlex.quote(os.path.relpath(run.path)))
        raise
    except Exception as error:
        explanation = explained(error)
        if explanation is not None:
            for name in ("what", "where", "fix", "override"):
                setattr(explanation, name, without(secrets, getattr(explanation, name)))
        with suppress(StorageError, OSError):  # the folder cannot be written; the caller still gets the error
            _record(run, error, explanation, secrets)
        if explanation is None or explanation is error:
            raise
        raise explanation from error


def train(
    setup: build.Setup,
    config: Mapping[str, Any],
    run: RunDir,
    began: float,
    verbosity: int = logging.INFO,
    *,
    reads_test: bool = True,
    saver: Saver | None = None,
) -> None:
    """Trains until the end or until patience is used up, and writes everything but plots and page.

    Args:
        setup: the objects, freshly built.
        config: the config that they were built from.
        run: the run's folder.
        began: `perf_counter` when the run began.
        verbosity: the log level of progress; the result is always logged at INFO.
        reads_test: whether the test split is evaluated.
        saver: of the state, if it is trained already; `None` to make one.

    Raises:
        DltrainError: training failed; the folder contains what was written before.
        Stopped: a signal asked the process to end; the folder contains a checkpoint to continue from.
    """
    torch.set_num_threads(setup.threads)
    introduce(setup, verbosity)
    keep_choices(run, setup, config)
    with setup.profile.measure("save"):
        save_facts(run, setup)
    complete(setup, saver or new_saver(run, setup), run, config["seed"], began, verbosity, reads_test=reads_test)


def save_facts(run: RunDir, setup: build.Setup) -> None:
    """Writes what predictions need of the training data: its facts, and the tensors that its kind keeps."""
    write_json(run.facts, described(setup.data))
    if setup.data.kept:
        write_bytes(run.kept, safetensors_bytes(dict(setup.data.kept)))


def keep_choices(run: RunDir, setup: build.Setup, config: Mapping[str, Any]) -> None:
    """Logs what was chosen in place of `auto` by this machine, and writes it into the run's config, since other
    machines may differ."""
    chosen: dict[str, Any] = {}
    if config["trainer"]["batch_size"] == "auto":
        chosen["batch_size"] = size = setup.settings.batch_size
        log.info("batch   %s samples per step, which fit into the memory of %s", size, setup.device)
    if config["trainer"]["precision"] == "auto":
        chosen["precision"] = setup.settings.precision
        log.info("numbers %s, because %s", setup.settings.precision, setup.precision_reason)
    if chosen:
        stored = read_config(run)
        stored.trainer.update(chosen)
        write_yaml(run.config, OmegaConf.to_container(stored))


def introduce(setup: build.Setup, verbosity: int = logging.INFO) -> None:
    """Logs the data, its notes and findings, and the model with warnings about it."""
    facts, splits = setup.data.facts, setup.data.splits
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in splits.items())
    log.log(verbosity, "data    %s to %s: %s", setup.kind.describe(facts), page_of(facts).goal(), sizes)
    for note in setup.data.notes:
        log.log(verbosity, "        %s", note)
    for finding in setup.source.findings:
        log.log(verbosity, "%-7s %s", finding.severity, finding)
    parameters = sum(parameter.numel() for parameter in setup.state.model.parameters())
    where = threads_in_words(setup) if setup.device.type == "cpu" else ""
    if setup.device.type == "cuda":
        where = torch.cuda.get_device_name(setup.device)
    name = name_of(setup.state.model)
    for note in setup.notes:
        log.log(verbosity if verbosity < logging.INFO else logging.WARNING, "warning %s", note)
    log.log(verbosity, "model   %s with %s parameters, on %s (%s)", name, f"{parameters:,}", setup.device, where)
    if reason := getattr(picked_models(setup.state.model)[0], "reason", ""):
        log.log(verbosity, "        %s", reason)
    for sentence in setup.start:
        log.log(verbosity, "start   %s", sentence)


def threads_in_words(setup: build.Setup) -> str:
    """Returns the number of CPU threads, and why these are fewer than the cores."""
    words = f"{setup.threads} thread{'s' * (setup.threads > 1)}"
    cores = count_cores()
    if setup.settings.threads is not None or setup.threads >= cores:
        return words
    return f"{words} of {cores}, because more would gain little in steps this small"


def begin(run: RunDir, composed: DictConfig, hydra: Any, defaults: Defaults | None = None) -> None:
    """Writes that the run is running, and its config; a signal waits, so that what it interrupts can be resumed.

    Args:
        run: the run.
        composed: its config as written, without Hydra's own.
        hydra: Hydra's own.
        defaults: the defaults that it is compared with; `None` to compose them.

    Raises:
        StorageError: the folder cannot be written.
        Stopped: a signal came meanwhile.
    """
    with deferred():
        run.write_status("running", exit_code=1, started=utc_now())
        save_changes(run, defaults, save_config(run, composed, hydra))


def save_config(run: RunDir, composed: DictConfig, hydra: Any) -> Written:
    """Writes the composed config and Hydra's own, without secrets and with interpolations unresolved; returns both."""
    config = redacted(OmegaConf.to_container(composed, resolve=False))
    tasks = redacted(OmegaConf.to_container(hydra.overrides.task))
    own = redacted(OmegaConf.to_container(hydra, resolve=False))
    make_folder(run.hydra)
    text = yaml_text(config)
    write_text(run.hydra / "config.yaml", text)
    write_yaml(run.hydra / "hydra.yaml", {"hydra": own})
    write_yaml(run.hydra / "overrides.yaml", tasks)
    write_text(run.config, text)  # last, because a run with this file can be resumed
    return Written(config, own)


def _record(run: RunDir, error: Exception, explanation: DltrainError | None, secrets: Sequence[str]) -> None:
    """Writes why the run failed, with a traceback if there is no explanation."""
    reported = explanation or DltrainError(f"{type(error).__name__}: {error}")
    words = {"error": reported.what, "where": reported.where, "fix": reported.fix, "override": reported.override}
    words = {name: without(secrets, text) for name, text in words.items()}
    run.write_status(reported.state, exit_code=reported.exit_code if explanation else 1, **words)
    with run.log.open("a", encoding="utf-8") as file:
        file.write(f"{reported.state}: {words['error']}\n")
        if explanation is None:
            file.write(without(secrets, "".join(traceback.format_exception(error))))

"""One run, from a checked config to a finished run folder."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import save as safetensors_bytes

from dltrain.config.compose import Job
from dltrain.config.diff import save_changes
from dltrain.config.redaction import redacted, secrets_of, without
from dltrain.config.validation import spelled
from dltrain.errors import ConfigError, DataError, DltrainError, OutOfMemory, StorageError, explained
from dltrain.experiment import build
from dltrain.experiment import cache as sources
from dltrain.experiment.complete import complete, is_spent, new_saver
from dltrain.experiment.log import logged_to
from dltrain.experiment.results import described
from dltrain.experiment.resume import differences, read_config
from dltrain.experiment.signals import Stopped
from dltrain.experiment.targets import check, drop_leftovers
from dltrain.kinds.series.window_scale import name_of
from dltrain.report.page import write_report
from dltrain.report.sweep import summarize
from dltrain.runs.folder import (
    RunDir,
    make_folder,
    read_json,
    remove_half_written,
    utc_now,
    write_bytes,
    write_json,
    write_text,
)
from dltrain.runs.lock import claim, locked
from dltrain.types import Facts

log = logging.getLogger("dltrain")

UNITS = {"image": "pixels", "text": "tokens", "corpus": "tokens"}  # of an input


def check_jobs(jobs: Sequence[Job]) -> None:
    """Builds every job and lets go of it again, so that what cannot run is refused before anything is written.

    Raises:
        ExceptionGroup: of what is wrong with the configs' values.
        DltrainError: a job cannot be built.
    """
    sources.forget()
    for job in jobs:
        drop_leftovers(job.config, job.overrides)
        errors = check(job.config)
        if errors:
            raise ExceptionGroup("config", errors)
    for job in jobs:
        try:
            build.build(job.config)
        except Exception as error:
            # The jobs of a sweep run out of memory each by itself: its turn tells it, and the others finish.
            if len(jobs) == 1 or not isinstance(explained(error), OutOfMemory):
                raise


def run_job(composed: DictConfig, began: float | None = None) -> None:
    """Trains what Hydra composed, in the folder that Hydra chose; how it ended stands in the folder's status.

    Args:
        composed: the config.
        began: `perf_counter` when the command began; by default now.
    """
    began = perf_counter() if began is None else began
    hydra = HydraConfig.get()
    run = RunDir(hydra.runtime.output_dir)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    if in_sweep:
        try:
            claim(run.path)
        except DltrainError as error:
            log.error("failed  job %s: %s", hydra.job.num, error.what)
            return
        if hydra.job.num == 0:
            _redact(Path(hydra.sweep.dir) / "multirun.yaml")  # the sweep may be killed before its end
        log.info("job     %s: %s", hydra.job.num, " ".join(redacted(hydra.overrides.task)))
    drop_leftovers(composed, hydra.overrides.task)
    config = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))
    with locked(run.path), recorded(run, config):
        run.write_status("running", exit_code=1, started=utc_now())
        save_config(run, composed, hydra)
        train(config, run, began, verbosity=logging.DEBUG if in_sweep else logging.INFO)
        if not in_sweep:
            write_report(run)
            log.info("report  %s", run.report)


@contextmanager
def recorded(run: RunDir, config: Mapping[str, Any]) -> Iterator[None]:
    """Keeps what is said meanwhile in the run's log, and how it ends in its status, both without the config's secrets.

    An error that has a meaning ends here: it stands in the status, and whoever started the run tells the user.
    """
    secrets = tuple(secrets_of(config))
    try:
        with logged_to(run, secrets):
            yield
        run.write_status("done", exit_code=0)
    except Stopped as stopped:
        with suppress(StorageError):
            run.write_status("interrupted", exit_code=stopped.exit_code)
        log.warning("interrupted; go on with: dltrain resume %s", shlex.quote(os.path.relpath(run.path)))
        raise
    except Exception as error:
        known = explained(error)
        said = known or DltrainError(f"{type(error).__name__}: {error}")
        try:
            _record(run, said, said.exit_code if known else 1, secrets)
        except (StorageError, OSError):
            raise (known or error) from None  # the status tells nobody: the folder cannot be written
        if known is None:
            raise


def train(config: Mapping[str, Any], run: RunDir, began: float, verbosity: int = logging.INFO) -> None:
    """Trains until the end or until patience is spent, and writes everything but plots and page.

    Args:
        config: composed and checked.
        run: its folder.
        began: `perf_counter` when the run began.
        verbosity: the level at which it says what it does; the result is always said.

    Raises:
        DltrainError: what stopped it; the folder holds what had been reached.
        Stopped: it was asked to end; the folder holds a checkpoint to go on from.
    """
    setup = build.build(config)
    torch.set_num_threads(setup.threads)
    introduce(setup, verbosity)
    if config["trainer"]["batch_size"] == "auto":
        keep_batch_size(run, setup)
    write_json(run.facts, described(setup.data))
    if setup.data.kept:
        write_bytes(run.kept, safetensors_bytes(dict(setup.data.kept)))
    complete(setup, new_saver(run, setup), run, config["seed"], began, verbosity)


def resume_job(run: RunDir, stored: DictConfig, config: Mapping[str, Any], began: float, *, force: bool) -> None:
    """Goes on with a run from its newest sound checkpoint, or from the beginning where there is none.

    Args:
        run: its folder, locked.
        stored: its config with the new values, nothing resolved; it replaces the one in the folder.
        config: the same, resolved.
        began: `perf_counter` when the command began.
        force: whether other data will do.

    Raises:
        DltrainError, ExceptionGroup: it cannot go on, and nothing was changed.
        Stopped: it was asked to end; the folder holds a checkpoint to go on from.
    """
    sources.forget()
    errors = check(config)
    if errors:
        raise ExceptionGroup("config", errors)
    setup, status = build.build(config), run.read_status()
    state, facts = setup.state, described(setup.data)
    if run.facts.exists() and not force and read_json(run.facts).get("fingerprint") != facts["fingerprint"]:
        raise DataError(
            "the data is not what this run was trained on", where="data", fix="train anew, or", override="--force"
        )
    saver = new_saver(run, setup)
    found = saver.restore()
    if found and state.epoch > setup.settings.last_epoch:
        raise ConfigError(
            f"{state.epoch} epochs are trained already",
            where="trainer.epochs",
            fix="give more",
            override=f"trainer.epochs={2 * state.epoch}",
        )
    if setup.settings.threads is not None or not found:
        torch.set_num_threads(setup.threads)
    if status["state"] == "done":
        state.stale = 0 if is_spent(state, setup.settings) else state.stale
    with recorded(run, config):
        run.write_status("running", exit_code=1, resumed=utc_now(), error="", where="", fix="", override="")
        remove_half_written(run.path)
        for key, old, new in differences(cast(Any, read_config(run)), cast(Any, stored)):
            log.info("change  %s: %s, was %s", key, spelled(redacted(new, key)), spelled(old))
        write_text(run.config, OmegaConf.to_yaml(OmegaConf.create(redacted(OmegaConf.to_container(stored)))))
        save_changes(run)
        write_json(run.facts, facts)
        introduce(setup)
        if found and state.epoch == setup.settings.last_epoch:
            log.info("resume  at the end, after %d epochs: trainer.epochs=%d goes on", state.epoch, 2 * state.epoch)
        elif found:
            log.info("resume  from step %d, in epoch %d of %d", state.step, state.epoch + 1, setup.settings.last_epoch)
        else:
            log.info("resume  from the beginning: nothing was saved before it ended")
        complete(setup, saver, run, config["seed"], began - state.seconds)
        write_report(run)
        log.info("report  %s", run.report)


def keep_batch_size(run: RunDir, setup: build.Setup) -> None:
    """Says which batch size was found, and writes it into the run's config: on another machine it may be another."""
    size = setup.settings.batch_size
    log.info("batch   %s samples a step are what the memory of %s holds", size, setup.device)
    config = read_config(run)
    config.trainer.batch_size = size
    write_text(run.config, OmegaConf.to_yaml(config))


def introduce(setup: build.Setup, verbosity: int = logging.INFO) -> None:
    """Says what is about to be trained on what."""
    facts, splits = setup.data.facts, setup.data.splits
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in splits.items())
    goal = f"{len(facts.classes)} classes of {facts.target}" if facts.classes else facts.target
    if facts.task == "multilabel":
        goal = f"{len(facts.outputs)} labels: {', '.join(facts.outputs[:10])}" + " ..." * (len(facts.outputs) > 10)
    log.log(verbosity, "data    %s to %s: %s", spell_input(facts), goal, sizes)
    for note in setup.data.notes:
        log.log(verbosity, "        %s", note)
    for finding in sources.examine_data(setup.data_node):
        log.log(verbosity, "%-7s %s", finding.severity, finding)
    parameters = sum(parameter.numel() for parameter in setup.state.model.parameters())
    where = f"{setup.threads} thread{'s' * (setup.threads > 1)}" if setup.device.type == "cpu" else ""
    if setup.device.type == "cuda":
        where = torch.cuda.get_device_name(setup.device)
    name = name_of(setup.state.model)
    log.log(verbosity, "model   %s with %s parameters, on %s (%s)", name, f"{parameters:,}", setup.device, where)


def spell_input(facts: Facts) -> str:
    """What one input is, in a few words."""
    shape = "×".join(map(str, facts.input_shape))
    if facts.kind == "ratings":
        return facts.features[0] if facts.task == "ranking" else " and ".join(facts.features)
    if facts.kind == "series":
        return f"{facts.input_shape[0]} steps of {', '.join(facts.features)}"
    return f"{shape} {UNITS.get(facts.kind, 'feature' if shape == '1' else 'features')}"


def finish_sweep(folder: Path, count: int) -> tuple[int, dict[str, Any]]:
    """Sums up the jobs below a sweep's folder and draws the best one's plots and page.

    Args:
        folder: of the sweep.
        count: how many jobs there should be.

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
    elif not summary.measure:
        log.info("best    none: the jobs differ in their data, and so do their results")
    log.info("sweep   %s", folder / "sweep.csv")
    complete = len(summary.rows) == count and not summary.failed
    return (0 if complete else 6), summary.as_dict()


def save_config(run: RunDir, composed: DictConfig, hydra: Any) -> None:
    """Writes the composed config and Hydra's own, without secrets and with interpolations as they were written."""
    config = redacted(OmegaConf.to_container(composed, resolve=False))
    tasks = redacted(OmegaConf.to_container(hydra.overrides.task))
    own = redacted(OmegaConf.to_container(OmegaConf.create({"hydra": hydra}), resolve=False))
    make_folder(run.hydra)
    for path, value in (
        (run.hydra / "config.yaml", config),
        (run.hydra / "hydra.yaml", own),
        (run.hydra / "overrides.yaml", tasks),
        (run.config, config),  # last, because a run that has it can be gone on with
    ):
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(value)))
    save_changes(run)


def _redact(path: Path) -> None:
    """Takes the secrets out of a file that Hydra itself has written."""
    if path.exists():
        written = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(redacted(written))))


def _record(run: RunDir, error: DltrainError, code: int, secrets: Sequence[str]) -> None:
    """Writes down why the run ended."""
    said = {"error": error.what, "where": error.where, "fix": error.fix, "override": error.override}
    said = {name: without(secrets, text) for name, text in said.items()}
    run.write_status(error.state, exit_code=code, **said)
    with run.log.open("a", encoding="utf-8") as file:
        file.write(f"{error.state}: {said['error']}\n")

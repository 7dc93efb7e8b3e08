"""Continues a run in its own folder, from its newest intact checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf

from dltrain.config.redaction import redacted
from dltrain.config.validation import spelled
from dltrain.data.samples.on_demand import on_approval
from dltrain.errors import ConfigError, DataError
from dltrain.experiment.build import Setup
from dltrain.experiment.changes import save_changes
from dltrain.experiment.complete import complete, is_spent, new_saver, write_page
from dltrain.experiment.loggers import log_result
from dltrain.experiment.pruning import Pruning
from dltrain.experiment.results import Timing, described, save_results
from dltrain.experiment.resume import differences, read_config
from dltrain.experiment.run import build_checked, introduce, recorded, save_facts
from dltrain.runs.config import write_yaml
from dltrain.runs.folder import RunDir, read_json, remove_half_written, utc_now
from dltrain.runs.lock import locked
from dltrain.runs.result import Result
from dltrain.storage import write_bytes
from dltrain.training.checkpoint import resumable
from dltrain.training.random_state import use_deterministic
from dltrain.training.saving import Saver

log = logging.getLogger("dltrain")


def resume_job(
    run: RunDir,
    stored: DictConfig,
    config: Mapping[str, Any],
    began: float,
    *,
    force: bool = False,
    sweep: str = "",
    reads_test: bool = True,
    pruning: Pruning | None = None,
) -> None:
    """Continues a run from its newest intact checkpoint, or from the beginning if there is none.

    Args:
        run: the run's folder, locked.
        stored: the run's config with the new values, nothing resolved; it replaces the config in the folder.
        config: the same, resolved.
        began: `perf_counter` when the command began.
        force: whether to continue with changed data.
        sweep: the folder of the sweep whose job this is, which reports no progress and draws no page; empty for a run
            of its own.
        reads_test: whether the test split is evaluated.
        pruning: what a search asks of the job.

    Raises:
        DltrainError, ExceptionGroup: the run cannot be continued, and nothing was changed; or training failed, and
            status.json says why.
        Stopped: a signal asked the process to end; the folder contains a checkpoint to continue from.
    """
    with on_approval() as samples:
        setup, saver, has_checkpoint = _restored(run, config, force=force, sweep=sweep)
        setup = replace(setup, pruning=pruning)
        samples.accept()
    state, verbosity = setup.state, logging.DEBUG if sweep else logging.INFO
    with recorded(run, config), setup.loggers.closed_after():
        run.write_status("running", exit_code=1, resumed=utc_now(), error="", where="", fix="", override="", warning="")
        remove_half_written(run.path)
        for key, old, new in differences(cast(Any, read_config(run)), cast(Any, stored)):
            log.info("change  %s: %s, was %s", key, spelled(redacted(new, key)), spelled(old))
        write_yaml(run.config, redacted(OmegaConf.to_container(stored)))
        save_changes(run)
        save_facts(run, setup)
        introduce(setup, verbosity)
        if has_checkpoint and state.epoch == setup.settings.last_epoch:
            longer = 2 * state.epoch
            log.log(
                verbosity, "resume  at the end, after %d epochs: trainer.epochs=%d trains longer", longer // 2, longer
            )
        elif has_checkpoint:
            epoch, last = state.epoch + 1, setup.settings.last_epoch
            log.log(verbosity, "resume  from step %d, in epoch %d of %d", state.step, epoch, last)
        else:
            log.log(verbosity, "resume  from the beginning: the run ended before its first checkpoint")
        complete(setup, saver, run, config["seed"], began, verbosity, reads_test=reads_test, earlier=state.seconds)
        if not sweep:
            write_page(run, setup)
            log.info("report  %s", run.report)
        log_result(setup.loggers, run)


def read_test_split(run: RunDir, config: Mapping[str, Any], sweep: str, *, has_baselines: bool = True) -> None:
    """Evaluates the test split for a finished job of a sweep that was chosen, and writes its results again.

    The predictions of the validation split stay in the folder, as validation.csv.

    Args:
        run: the job's folder.
        config: the job's config, resolved.
        sweep: the sweep's folder.
        has_baselines: whether baselines are measured on the test split as well.

    Raises:
        DltrainError, ExceptionGroup: the run cannot be built again, and nothing was changed; or its results cannot be
            written.
        Stopped: a signal asked the process to end.
    """
    began = perf_counter()
    with locked(run.path):
        before = Result.read(run)
        setup, saver, _ = _restored(run, config, sweep=sweep, extends=False)
        saver.load_best()
        if run.predictions.exists() and before.shown_split == "val":
            write_bytes(run.validation, run.predictions.read_bytes())
        use_deterministic(setup.settings.deterministic)
        with recorded(run, config):
            timing = Timing(
                began - before.seconds,
                before.train_seconds,
                before.save_seconds,
                in_sweep=True,
                has_baselines=has_baselines,
                verbosity=logging.DEBUG,
            )
            save_results(run, setup, int(config["seed"]), timing)


def _restored(
    run: RunDir, config: Mapping[str, Any], *, force: bool = False, sweep: str = "", extends: bool = True
) -> tuple[Setup, Saver, bool]:
    """Returns the setup in the state of the newest checkpoint, its saver, and whether there was a checkpoint.

    Args:
        run: the run's folder.
        config: its config, resolved.
        force: whether the data may have changed.
        sweep: the folder of the sweep whose jobs share the data; empty for none.
        extends: whether a finished run whose patience is used up is given it again.

    Raises:
        DltrainError, ExceptionGroup: the run cannot be continued.
    """
    begun = run if resumable(run.checkpoints) else None
    setup, status = build_checked(config, begun=begun, sweep=sweep), run.read_status()
    state, fingerprint = setup.state, described(setup.data)["fingerprint"]
    if run.facts.exists() and not force and read_json(run.facts).get("fingerprint") != fingerprint:
        raise DataError(
            "the data, or how this version reads it, has changed since this run was trained",
            where="data",
            fix="train again, or continue anyway",
            override="--force",
        )
    saver = new_saver(run, setup)
    has_checkpoint = saver.restore()
    if has_checkpoint and state.epoch > setup.settings.last_epoch:
        raise ConfigError(
            f"{state.epoch} epochs are trained already",
            where="trainer.epochs",
            fix="give more epochs",
            override=f"trainer.epochs={2 * state.epoch}",
        )
    if setup.settings.threads is not None or not has_checkpoint:
        torch.set_num_threads(setup.threads)
    if status["state"] == "done" and extends:
        state.stale = 0 if is_spent(state, setup.settings) else state.stale
    return setup, saver, has_checkpoint

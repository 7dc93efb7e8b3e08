"""Continues a run in its own folder, from its newest intact checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf

from dltrain.config.redaction import redacted
from dltrain.config.validation import spelled
from dltrain.data.samples.on_demand import on_approval
from dltrain.errors import ConfigError, DataError
from dltrain.experiment.build import Setup
from dltrain.experiment.changes import save_changes
from dltrain.experiment.complete import complete, is_spent, new_saver
from dltrain.experiment.results import described
from dltrain.experiment.resume import differences, read_config
from dltrain.experiment.run import build_checked, introduce, recorded, save_facts
from dltrain.report.page import write_report
from dltrain.runs.folder import RunDir, read_json, remove_half_written, utc_now
from dltrain.storage import write_text
from dltrain.training.checkpoint import resumable
from dltrain.training.saving import Saver

log = logging.getLogger("dltrain")


def resume_job(run: RunDir, stored: DictConfig, config: Mapping[str, Any], began: float, *, force: bool) -> None:
    """Continues a run from its newest intact checkpoint, or from the beginning if there is none.

    Args:
        run: the run's folder, locked.
        stored: the run's config with the new values, nothing resolved; it replaces the config in the folder.
        config: the same, resolved.
        began: `perf_counter` when the command began.
        force: whether to continue with changed data.

    Raises:
        DltrainError, ExceptionGroup: the run cannot be continued, and nothing was changed; or training failed, and
            status.json says why.
        Stopped: a signal asked the process to end; the folder contains a checkpoint to continue from.
    """
    with on_approval() as samples:
        setup, saver, has_checkpoint = _restored(run, config, force=force)
        samples.accept()
    state = setup.state
    with recorded(run, config):
        run.write_status("running", exit_code=1, resumed=utc_now(), error="", where="", fix="", override="", warning="")
        remove_half_written(run.path)
        for key, old, new in differences(cast(Any, read_config(run)), cast(Any, stored)):
            log.info("change  %s: %s, was %s", key, spelled(redacted(new, key)), spelled(old))
        write_text(run.config, OmegaConf.to_yaml(OmegaConf.create(redacted(OmegaConf.to_container(stored)))))
        save_changes(run)
        save_facts(run, setup)
        introduce(setup)
        if has_checkpoint and state.epoch == setup.settings.last_epoch:
            log.info(
                "resume  at the end, after %d epochs: trainer.epochs=%d trains longer", state.epoch, 2 * state.epoch
            )
        elif has_checkpoint:
            log.info("resume  from step %d, in epoch %d of %d", state.step, state.epoch + 1, setup.settings.last_epoch)
        else:
            log.info("resume  from the beginning: the run ended before its first checkpoint")
        complete(setup, saver, run, config["seed"], began - state.seconds)
        write_report(run)
        log.info("report  %s", run.report)


def _restored(run: RunDir, config: Mapping[str, Any], *, force: bool) -> tuple[Setup, Saver, bool]:
    """Returns the setup in the state of the newest checkpoint, its saver, and whether there was a checkpoint.

    Raises:
        DltrainError, ExceptionGroup: the run cannot be continued.
    """
    begun = run if resumable(run.checkpoints) else None
    setup, status = build_checked(config, begun=begun), run.read_status()
    state, fingerprint = setup.state, described(setup.data)["fingerprint"]
    if run.facts.exists() and not force and read_json(run.facts).get("fingerprint") != fingerprint:
        raise DataError(
            "the data has changed since this run was trained",
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
    if status["state"] == "done":
        state.stale = 0 if is_spent(state, setup.settings) else state.stale
    return setup, saver, has_checkpoint

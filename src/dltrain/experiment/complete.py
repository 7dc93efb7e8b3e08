"""Training from where a state stands until its end: what is logged, kept, saved and given up on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

import torch

from dltrain.errors import Diverged, OutOfMemory, explained
from dltrain.experiment.build import Setup
from dltrain.experiment.log import progress
from dltrain.experiment.results import Timing, save_results
from dltrain.experiment.signals import Stopped, StopRequest, finishing
from dltrain.runs.folder import RunDir
from dltrain.runs.history import HistoryLog
from dltrain.training.loop import Pause, Row, fit
from dltrain.training.saving import Saver
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import TrainState

log = logging.getLogger("dltrain")


def is_spent(state: TrainState, settings: TrainerSettings) -> bool:
    """Whether patience has come to its end."""
    return settings.patience is not None and state.stale >= settings.patience


def new_saver(run: RunDir, setup: Setup) -> Saver:
    """Saves the state of a run as its settings say."""
    settings = setup.settings
    return Saver(run.checkpoints, setup.state, settings.save_epochs, settings.save_minutes)


def complete(setup: Setup, saver: Saver, run: RunDir, seed: int, began: float, verbosity: int = logging.INFO) -> None:
    """Trains from where the state stands until the end, and writes everything but plots and page.

    Raises:
        DltrainError, Stopped: as `train` does.
    """
    settings, state = setup.settings, setup.state
    torch.use_deterministic_algorithms(settings.deterministic)
    if settings.on_divergence == "rollback" and not state.step:
        saver.save()  # to have something to go back to
    try:
        with finishing(state) as request:
            while True:
                try:
                    run_epochs(setup, saver, run, request, verbosity)
                    break
                except Diverged as error:
                    if settings.on_divergence == "stop" or state.rollbacks == settings.max_rollbacks:
                        raise
                    saver.roll_back()
                    log.warning("diverged %s; back to step %d, at half the rate", error.what, state.step)
                    if request.number:
                        raise Stopped(request.number) from None
        if not state.best_epoch:
            raise Diverged(f"{settings.monitor} was never a finite number", where="optimizer.lr", fix="lower it")
        saver.save()
        saver.load_best()
        train_seconds = sum(row["train_seconds"] for row in run.read_history())
        # Only the jobs of a sweep keep what they do to themselves.
        timing = Timing(began, train_seconds, saver.seconds, in_sweep=verbosity < logging.INFO)
        save_results(run, setup, seed, timing)
        setup.kind.save_extras(run, setup.data, setup.task, state.judged, setup.device)
    except Exception as error:
        if isinstance(known := explained(error), OutOfMemory) and (size := setup.train.sizes[0]) > 1:
            known.override = f"trainer.batch_size={size // 2}"
            raise known from error
        raise


def run_epochs(setup: Setup, saver: Saver, run: RunDir, request: StopRequest, verbosity: int = logging.INFO) -> None:
    """Trains until the last epoch, or until patience or time are spent; logs and saves on the way.

    Args:
        setup: what is trained.
        saver: of its state.
        run: its folder.
        request: set by the first signal that asks the process to end.
        verbosity: the level at which progress is logged.

    Raises:
        Diverged: the numbers are no longer finite.
        StorageError: what is to be kept cannot be written.
        Stopped: it was asked to end, and has saved.
    """
    settings, state = setup.settings, setup.state
    moments: Iterator[Row | Pause] = fit(state, setup.task, setup.train, setup.evaluation.get("val"), settings)
    if is_spent(state, settings):
        moments = iter(())  # it had stopped, and was killed before it could say so
    history = HistoryLog(run.history, keep=state.epoch)
    if state.epoch and len(run.read_history()) < state.epoch:
        log.warning("warning %s lacks rows of epochs that were trained", run.history)
    watcher = setup.kind.watch(run, setup.data.facts, settings.last_epoch, keep=state.epoch)
    with closing(history):
        for moment in progress(moments, settings.last_epoch, verbosity):
            spent = False
            if not isinstance(moment, Pause):
                history.log(state.step, moment)
                saver.after_epoch()
                if watcher is not None:
                    watcher.after_epoch(state.epoch, state.judged, last=state.epoch == settings.last_epoch)
                spent = is_spent(state, settings)
            if isinstance(moment, Pause) or request.number or saver.is_due:
                history.sync()
                saver.save()
            if request.number:
                raise Stopped(request.number)
            if spent:
                log.log(verbosity, "stop    no better %s for %d epochs", settings.monitor, state.stale)
                return
    if state.epoch < settings.last_epoch and settings.max_minutes is not None:
        log.log(verbosity, "stop    %g minutes are over", settings.max_minutes)

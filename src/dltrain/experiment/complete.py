"""Trains from any state to the end: logs, saves, goes back after divergence, and writes the results."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext

import numpy as np
from torch import Tensor

from dltrain.errors import Diverged, OutOfMemory, explained
from dltrain.experiment.build import Setup
from dltrain.experiment.compilation import compiled_for
from dltrain.experiment.features import with_cached_features
from dltrain.experiment.log import progress
from dltrain.experiment.loggers import begin_logging
from dltrain.experiment.results import Timing, save_results
from dltrain.experiment.signals import Stopped, StopRequest, finishing
from dltrain.memory import uncollected
from dltrain.report.page import render
from dltrain.report.plots import draw_plots
from dltrain.runs.folder import RunDir
from dltrain.runs.history import HistoryLog
from dltrain.runs.reader import Run
from dltrain.storage import write_json, write_text
from dltrain.training.loop import Pause, Row, fit
from dltrain.training.profile import TimedLoader
from dltrain.training.random_state import use_deterministic
from dltrain.training.saving import Saver
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import TrainState
from dltrain.types import Loader

log = logging.getLogger("dltrain")


def is_spent(state: TrainState, settings: TrainerSettings) -> bool:
    """Tells whether patience is used up."""
    return settings.patience is not None and state.stale >= settings.patience


def new_saver(run: RunDir, setup: Setup) -> Saver:
    """Returns the saver of a run's state, as its settings say."""
    settings = setup.settings
    return Saver(run.checkpoints, setup.state, settings.save_epochs, settings.save_minutes)


def complete(
    setup: Setup,
    saver: Saver,
    run: RunDir,
    seed: int,
    began: float,
    verbosity: int = logging.INFO,
    *,
    reads_test: bool = True,
    earlier: float = 0.0,
) -> None:
    """Trains from the current state to the end, and writes everything but plots and page.

    Args:
        setup: the objects.
        saver: saves the state.
        run: the run's folder.
        seed: of what is random after the training.
        began: `perf_counter` when the command began.
        verbosity: the log level of progress.
        reads_test: whether the test split is evaluated.
        earlier: seconds that processes before this one trained.

    Raises:
        DltrainError, Stopped: as `train` does.
    """
    settings, state = setup.settings, setup.state
    setup.profile.begin(began)
    use_deterministic(settings.deterministic)
    with setup.profile.measure("features"):
        setup = with_cached_features(setup, verbosity)
    if settings.on_divergence == "rollback" and not state.step:
        saver.save()  # a checkpoint to go back to
    # Nothing is lost by a signal while something is compiled, so that it is answered at once.
    compiling = nullcontext(setup) if is_spent(state, settings) else compiled_for(setup, verbosity)
    try:
        with compiling as setup, finishing(state) as request:
            while True:
                try:
                    run_epochs(setup, saver, run, request, verbosity)
                    break
                except Diverged as error:
                    if settings.on_divergence == "stop" or state.rollbacks == settings.max_rollbacks:
                        raise
                    saver.roll_back()
                    log.warning("diverged %s; back to step %d, at half the learning rate", error.what, state.step)
                    if request.number:
                        raise Stopped(request.number) from None
        if not state.best_epoch:
            raise Diverged(f"{settings.monitor} was never a finite number", where="optimizer.lr", fix="lower it")
        saver.save()
        saver.load_best()
        train_seconds = sum(row.get("train_seconds") or 0.0 for row in run.read_history())
        # Only the jobs of a sweep log below INFO.
        in_sweep = verbosity < logging.INFO
        now = reads_test or "test" not in setup.splits
        whole = began - earlier
        timing = Timing(whole, train_seconds, saver.seconds, in_sweep, reads_test=reads_test, has_baselines=now)
        save_results(run, setup, seed, timing)
        with setup.profile.measure("save"):
            setup.kind.save_augmented(run, setup.train)
            save_likeness(run, setup)
            setup.kind.save_extras(run, setup.data, setup.task, state.judged, setup.device)
        setup.profile.seconds["save"] += saver.seconds
        if settings.profile:
            write_json(run.profile, setup.profile.to_json())
    except Exception as error:
        if isinstance(explanation := explained(error), OutOfMemory) and (size := setup.train.sizes[0]) > 1:
            explanation.override = f"trainer.batch_size={size // 2}"
            raise explanation from error
        raise


def save_likeness(run: RunDir, setup: Setup) -> None:
    """Writes what tells samples that are unlike those of training; nothing of a run that tries a few batches."""
    run.likeness.unlink(missing_ok=True)  # of a run that is resumed
    if setup.settings.limit_batches is not None:
        return
    try:
        setup.kind.save_likeness(run, setup.data, setup.state.judged, setup.evaluation)
    except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:  # the model is trained, and its result stands
        log.warning(
            "warning predict cannot tell samples unlike those of training: %s: %s",
            type(error).__name__,
            error,
        )


def run_epochs(setup: Setup, saver: Saver, run: RunDir, request: StopRequest, verbosity: int = logging.INFO) -> None:
    """Trains until the last epoch, or until patience or time is used up; logs and saves on the way.

    Args:
        setup: the objects to train.
        saver: saves the state.
        run: the run's folder.
        request: set by the first signal that asks the process to end.
        verbosity: the level at which progress is logged.

    Raises:
        Diverged: the numbers are no longer finite.
        StorageError: a checkpoint or the history cannot be written.
        Stopped: a signal asked the process to end; the state is saved.
    """
    settings, state = setup.settings, setup.state
    if setup.pruning is not None:
        settings = setup.pruning.limited(settings, state.seconds)
    train, val, watch = profiled(setup)
    moments: Iterator[Row | Pause] = fit(state, setup.task, train, val, settings)
    if is_spent(state, settings):
        moments = iter(())  # training was over before: in a stack, or the process was killed before it recorded that
        log_stop(settings, state, verbosity)
    records = Records(setup, saver, run, verbosity)
    with closing(records), watch:
        for moment in progress(moments, settings, verbosity, behind=state.epoch):
            spent = False
            if not isinstance(moment, Pause):
                records.after_epoch(moment)
                spent = is_spent(state, settings)
                if setup.pruning is not None and not spent and state.epoch < settings.last_epoch:
                    setup.pruning.after_epoch(moment, settings.monitor)
            if isinstance(moment, Pause) or request.number or saver.is_due:
                records.save()
            if request.number:
                raise Stopped(request.number)
            if spent:
                log_stop(settings, state, verbosity)
                return
    if state.epoch < settings.last_epoch and settings.max_minutes is not None:
        log.log(verbosity, "stop    after %g minutes", settings.max_minutes)


def log_stop(settings: TrainerSettings, state: TrainState, verbosity: int) -> None:
    """Logs that patience is used up."""
    log.log(verbosity, "stop    %s did not improve for %d epochs", settings.monitor, state.stale)


class Records:
    """What a run writes while it trains: history, checkpoints, loggers and the pictures of its kind.

    Args:
        setup: the objects that train.
        saver: saves the state.
        run: the run's folder.
        verbosity: the level at which the loggers' messages are logged.
    """

    def __init__(self, setup: Setup, saver: Saver, run: RunDir, verbosity: int) -> None:
        self.setup, self.saver = setup, saver
        epoch = setup.state.epoch
        self.history = HistoryLog(run.history, keep=epoch)
        if epoch and len(run.read_history()) < epoch:
            log.warning("warning %s lacks rows of trained epochs", run.history)
        begin_logging(setup.loggers, run, epoch, verbosity)
        self.watcher = setup.kind.watch(run, setup.data.facts, setup.settings.last_epoch, keep=epoch)

    def after_epoch(self, row: Row, weights: Mapping[str, Tensor] | None = None) -> None:
        """Writes the row of an epoch, and remembers the weights if it was the best: the model's own, or the given ones
        by their names."""
        state = self.setup.state
        self.history.log(state.step, row)
        self.setup.loggers.log(row)
        self.saver.after_epoch(weights)
        if self.watcher is not None:
            last = state.epoch == self.setup.settings.last_epoch
            self.watcher.after_epoch(state.epoch, state.judged, last=last)

    def save(self) -> None:
        """Writes a checkpoint, and the history up to it.

        Raises:
            StorageError: they cannot be written.
        """
        self.history.sync()
        self.saver.save()

    def close(self) -> None:
        """Closes the history."""
        self.history.close()


def profiled(setup: Setup) -> tuple[Loader, Loader | None, AbstractContextManager[None]]:
    """Returns the loaders of the training and the validation split, and a context for the training; all of them measure
    time if `trainer.profile` says so."""
    train, val, profile = setup.train, setup.evaluation.get("val"), setup.profile
    if not setup.settings.profile:
        return train, val, nullcontext()
    timed = None if val is None else TimedLoader(val, profile, "evaluate", whole=True)
    steps = profile.steps(setup.state.model, setup.state.optimizer, setup.device)
    return TimedLoader(train, profile, "load batches"), timed, steps


@uncollected()
def write_page(run: RunDir, setup: Setup) -> None:
    """Writes the run's plots and page; with `trainer.profile` the page once more with the time that they took.

    Raises:
        StorageError: a file cannot be written.
    """
    with setup.profile.measure("plots and page"):
        read = Run(run)
        drawn = draw_plots(read)
        write_text(run.report, render(read, drawn))
    if setup.settings.profile:
        write_json(run.profile, setup.profile.to_json())
        write_text(run.report, render(read, drawn))

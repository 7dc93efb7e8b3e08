"""A job of a search while it trains: it reports each epoch to the study, and ends early if the study says so."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from dltrain.errors import DltrainError
from dltrain.runs.search_record import SearchRecord
from dltrain.training.loop import Row
from dltrain.training.settings import TrainerSettings

if TYPE_CHECKING:
    from optuna.trial import Trial

log = logging.getLogger("dltrain")


class Pruned(DltrainError):
    """A job of a search that ended early, because others did better after as many epochs."""

    exit_code = 0
    state = "pruned"


class Pruning:
    """What a search asks of one of its jobs.

    Args:
        trial: of the study; `None` if no job is to end early.
        deadline: when the job must end, in seconds since 1970; `None` for no limit.
    """

    def __init__(self, trial: Trial | None, deadline: float | None) -> None:
        self.trial, self.deadline = trial, deadline

    def after_epoch(self, row: Row, monitor: str) -> None:
        """Reports what an epoch reached by the monitored metric.

        Raises:
            Pruned: the job is to end here.
        """
        if self.trial is None:
            return
        epoch, value = int(row["epoch"]), row[monitor]
        try:
            self.trial.report(value, epoch)
            should_end = self.trial.should_prune()
        except Exception as error:  # a storage that is gone: the job is worth more
            log.warning("warning the study is not asked whether to end early any more: %s", error)
            self.trial = None
            return
        if should_end:
            raise Pruned(f"ended after epoch {epoch}, because other jobs had a better {monitor} by then")

    def limited(self, settings: TrainerSettings, seconds: float) -> TrainerSettings:
        """Returns the settings with as many minutes as the search has left, of a run that took so many seconds."""
        if self.deadline is None:
            return settings
        left = max(0.0, self.deadline - time()) + seconds
        return replace(settings, max_minutes=min(settings.max_minutes or left / 60, left / 60))


def pruning_of(hydra: Any, job: str) -> Pruning | None:
    """Returns what the search asks of a job of its; `None` for a job of another sweep.

    Args:
        hydra: the job's own settings of Hydra.
        job: its number.
    """
    folder = Path(str(hydra.sweep.dir))
    record = SearchRecord.read(folder)
    if record is None:
        return None
    trial = None
    if job in record.trials and hydra.sweeper.get("pruner", "none") != "none":
        from dltrain.experiment.search import find_trial

        trial = find_trial(hydra.sweeper, folder, record.trials[job])
    return Pruning(trial, record.deadline)

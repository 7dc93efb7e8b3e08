"""A search: Optuna proposes the values of each job, and Hydra's launcher trains it as a job of any other sweep.

All that must outlive the process is in the study, so that a search that ended early goes on from there: a trial that
was proposed and has no result yet is trained again under its own number, and a job that is done returns at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from statistics import median
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from dltrain.config.redaction import redacted
from dltrain.config.validation import check_call
from dltrain.experiment.search_space import read_space
from dltrain.experiment.search_study import (
    N_TRIALS,
    SearchSettings,
    check_fits,
    check_installed,
    check_same_search,
    described,
    enqueue_grid,
    measure_importance,
    new_sampler,
    open_study,
    quiet_optuna,
)
from dltrain.experiment.sweep_job import objective, update
from dltrain.runs.folder import RunDir
from dltrain.runs.lock import state_of
from dltrain.runs.result import Result
from dltrain.runs.search_record import SearchRecord

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

log = logging.getLogger("dltrain")

OWNER, JOB, OVERRIDES = "search", "job", "overrides"  # attributes of a trial


class Search:
    """A search, checked before anything is written.

    Args:
        settings: the keys of `hydra.sweeper`.
        context: knows the loader of configs.
        task: trains a job.
        config: the config of the sweep.

    Raises:
        ExceptionGroup: one ConfigError for each wrong setting.
        ConfigError: Optuna is not installed, the sampler cannot search the space, or the study searches another one.
    """

    def __init__(
        self, settings: Mapping[str, Any], context: HydraContext, task: TaskFunction, config: DictConfig
    ) -> None:
        plain = {key: _plain(value) for key, value in settings.items()}
        if errors := check_call(SearchSettings, plain, "hydra.sweeper", 0):
            raise ExceptionGroup("hydra.sweeper", errors)
        check_installed()
        self.settings, self.config = SearchSettings(**plain), config
        params = {str(key): str(value) for key, value in (self.settings.params or {}).items()}
        self.space = read_space(params, list(config.hydra.overrides.task), context.config_loader)
        check_fits(self.settings, self.space)
        self.searched = described(self.space, self.settings)
        study = open_study(self.settings, None)
        if study is not None:
            check_same_search(study, self.searched)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task, config=config
        )

    def run(self) -> None:
        """Runs the jobs of the search that are missing.

        Raises:
            DltrainError: the study cannot be opened, or searches something else by now.
        """
        self.folder = Path(self.config.hydra.sweep.dir)
        self.record = SearchRecord.read(self.folder) or SearchRecord(
            uuid4().hex[:8], self.settings.shared_name, self.settings.sampler
        )
        self.began = monotonic() - self.record.seconds
        self.beside: list[float] = []  # seconds of each launch besides training
        study = open_study(self.settings, self.folder)
        assert study is not None
        check_same_search(study, self.searched)
        most = self.settings.n_trials or N_TRIALS
        if self.settings.sampler == "grid":
            combinations = enqueue_grid(study, self.space)
            most = min(self.settings.n_trials or combinations, combinations)
        with quiet_optuna():
            self._finish_begun(study)
            while (count := len(self._own(study))) < most and not self._is_over(study):
                trials = [self._ask(study, number) for number in range(count, min(most, count + self.settings.n_jobs))]
                self._launch(study, trials)
            self._describe(study)

    def _own(self, study: Study) -> list[FrozenTrial]:
        """Returns the trials of this search, rather than of others that share the study."""
        return [one for one in study.get_trials(deepcopy=False) if one.user_attrs.get(OWNER) == self.record.id]

    def _ask(self, study: Study, number: int) -> tuple[int, Trial]:
        study.sampler = new_sampler(self.settings, number, self.record.id)
        trial = study.ask(self.space.distributions)
        trial.set_user_attr(JOB, number)
        trial.set_user_attr(OVERRIDES, redacted(list(self.space.spell(trial.params))))
        trial.set_user_attr(OWNER, self.record.id)  # the last one: from here on, it is this search's
        return number, trial

    def _finish_begun(self, study: Study) -> None:
        """Trains the jobs of trials that have no result, because an earlier process ended, and those that failed."""
        from optuna.trial import Trial, TrialState, create_trial

        begun: list[tuple[int, Trial]] = []
        for frozen in self._own(study):
            job = int(frozen.user_attrs[JOB])
            if frozen.state is TrialState.RUNNING:
                begun.append((job, Trial(study, frozen._trial_id)))
            elif frozen.state is TrialState.FAIL and _state(self._job(job)) != "done":
                self._run([(job, frozen.params)])
                if (value := _value(self._job(job))) is not None:  # the study takes no result for a failed trial
                    again = create_trial(params=frozen.params, distributions=frozen.distributions, value=value)
                    study.add_trial(again)
        begun.sort(key=lambda item: item[0])
        while begun:  # a launcher numbers the jobs that it is given one after the other
            together = [item for place, item in enumerate(begun) if item[0] == begun[0][0] + place]
            self._launch(study, together)
            begun = begun[len(together) :]

    def _launch(self, study: Study, trials: Sequence[tuple[int, Trial]]) -> None:
        """Trains the jobs of trials, and tells the study what they reached."""
        from optuna.trial import TrialState

        self._note(trials={str(number): trial.number for number, trial in trials})
        began = monotonic()
        self._run([(number, trial.params) for number, trial in trials])
        if trained := [Result.read(run) for number, _ in trials if (run := self._job(number)).result.exists()]:
            self.beside.append(monotonic() - began - max(result.train_seconds for result in trained))
        for number, trial in trials:
            value = _value(self._job(number))
            if value is not None:
                study.tell(trial, value)
            elif _state(self._job(number)) in ("pruned", "diverged"):
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, state=TrialState.FAIL)
        self._note()
        self._describe(study)

    def _run(self, jobs: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Lets the launcher train jobs with consecutive numbers."""
        overrides = [self.space.spell(values) for _, values in jobs]
        self.launcher.launch(overrides, initial_job_idx=jobs[0][0])

    def _job(self, number: int) -> RunDir:
        return RunDir(self.folder / str(number))

    def _is_over(self, study: Study) -> bool:
        """Tells whether the search's minutes are used up, or all combinations of a grid are tried."""
        from optuna.trial import TrialState

        if self.settings.sampler == "grid" and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            return True
        if self.settings.max_minutes is None:
            return False
        limit = 60 * self.settings.max_minutes
        return monotonic() - self.began + self._overhead() >= limit

    def _overhead(self) -> float:
        """Returns the seconds that a launch takes besides training, by those so far."""
        return median(self.beside) if self.beside else 0.0

    def _note(self, trials: Mapping[str, int] | None = None) -> None:
        """Writes what the search's jobs must know."""
        seconds, limit = monotonic() - self.began, self.settings.max_minutes
        deadline = None if limit is None else time() + 60 * limit - seconds - self._overhead()
        self.record = replace(
            self.record, trials={**self.record.trials, **(trials or {})}, seconds=seconds, deadline=deadline
        )
        self.record.write(self.folder)

    def _describe(self, study: Study) -> None:
        """Measures the importance of each key, and shows it on the sweep's page."""
        importance, finished = measure_importance(study)
        self.record = replace(self.record, importance=importance, finished=finished)
        self.record.write(self.folder)
        update(self.folder)


def find_trial(sweeper: Any, folder: Path, number: int) -> Trial | None:
    """Returns the trial of a job of a search, in the process that trains the job; `None` if it cannot be found.

    Args:
        sweeper: the job's section `hydra.sweeper`.
        folder: the sweep's folder.
        number: of the trial.
    """
    from optuna.trial import Trial

    settings = SearchSettings(**{one.name: _plain(sweeper[one.name]) for one in fields(SearchSettings)})
    try:
        study = open_study(settings, folder)
        assert study is not None
        with quiet_optuna():
            trial_id = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
            return Trial(study, trial_id)
    except Exception as error:  # a storage that this machine cannot reach: the job is worth more
        log.warning("warning the study cannot be asked whether to end early: %s", error)
        return None


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _state(run: RunDir) -> str:
    """Returns the state of a job; `missing` if the launcher did not begin it."""
    return state_of(run) if run.status.exists() else "missing"


def _value(run: RunDir) -> float | None:
    """Returns what a finished job reached; `None` if it did not finish."""
    if _state(run) != "done" or not run.result.exists():
        return None
    value = objective(run)
    return value if abs(value) < float("inf") else None

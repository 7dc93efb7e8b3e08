"""The study of a search: Optuna's record of every trial, in the sweep's folder or in a storage that is shared."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from dltrain.config.redaction import redacted
from dltrain.errors import ConfigError, DltrainError, require
from dltrain.experiment.search_space import SearchSpace
from dltrain.types import Range

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

FILE = "study.db"
OWN_NAME = "search"  # of the study in a sweep's own file
ATTRIBUTE = "dltrain"  # of a study: what it searches
N_TRIALS = 20
LEAST_FINISHED = 10  # trials from which the importance of keys is estimated
# Overrides that say where and how a job runs, not what it learns: they may differ between machines that share a study.
LOCAL = ("trainer.device", "trainer.threads", "data.path", "data.root", "logger", "hydra.")


@dataclass(frozen=True)
class SearchSettings:
    """The keys of `hydra.sweeper`, as configs/hydra/sweeper/optuna.yaml explains them."""

    n_trials: Annotated[int, Range(1)] | None = None
    n_jobs: Annotated[int, Range(1)] = 1
    max_minutes: Annotated[float, Range(0)] | None = None
    sampler: Literal["tpe", "cmaes", "gp", "qmc", "random", "grid"] = "tpe"
    pruner: Literal["none", "median", "hyperband"] = "none"
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    storage: str | None = None
    study_name: str | None = None
    direction: Literal["minimize", "maximize"] | None = None
    params: Mapping[str, Any] | None = None

    @property
    def shared_name(self) -> str:
        """Returns the name of the study.

        Raises:
            ConfigError: the storage is shared, and no name is given.
        """
        if self.storage is None:
            return OWN_NAME
        if not self.study_name:
            raise ConfigError(
                "a storage may hold several studies, and this one has no name",
                where="hydra.sweeper.study_name",
                fix="give a name, which other searches use to join the study",
                override="hydra.sweeper.study_name=mine",
            )
        return self.study_name


def check_installed() -> None:
    """Checks that Optuna is installed.

    Raises:
        ConfigError: it is not.
    """
    require("optuna", "optuna", "hydra/sweeper=optuna needs", ConfigError, where="hydra/sweeper")


def check_fits(settings: SearchSettings, space: SearchSpace) -> None:
    """Checks that the sampler can search the space.

    Raises:
        ConfigError: it cannot.
    """
    if settings.sampler == "grid":
        for one in space.dimensions:
            if not one.grid:
                fix = "give the values, as a,b,c or range(...), or choose another sampler"
                raise ConfigError(
                    "a grid has no end in an interval of numbers", one.key, fix, "hydra.sweeper.sampler=tpe"
                )
    if settings.sampler == "cmaes":
        if sum(not one.values for one in space.dimensions) < 2:
            what = "CMA-ES needs at least two keys with numbers to search"
            fix = "search more keys, or choose another sampler"
            raise ConfigError(what, "hydra.sweeper.sampler", fix, "hydra.sweeper.sampler=tpe")
        require("cmaes", "optuna", "sampler=cmaes needs", ConfigError, where="hydra.sweeper.sampler")


def described(space: SearchSpace, settings: SearchSettings) -> dict[str, Any]:
    """Returns what a study searches, as it is stored with it."""
    fixed = [word for word in redacted(list(space.fixed)) if not word.lstrip("+").startswith(LOCAL)]
    searched = {key: str(one) for key, one in space.distributions.items()}
    return {"searched": searched, "fixed": sorted(fixed), "direction": settings.direction}


def open_study(settings: SearchSettings, folder: Path | None) -> Study | None:
    """Opens or creates the study of a search.

    Args:
        settings: the search's settings.
        folder: the sweep's folder; `None` to create nothing, and open the study only if it exists.

    Returns:
        The study; `None` if there is none and none is to be created.

    Raises:
        ConfigError: the storage cannot be opened.
    """
    import optuna

    name = settings.shared_name
    url = settings.storage or (None if folder is None else f"sqlite:///{(folder / FILE).absolute()}")
    if url is None or (folder is None and _is_missing_file(url)):
        return None
    try:
        with quiet_optuna():
            storage = optuna.storages.get_storage(url)
            if folder is None and name not in optuna.get_all_study_names(storage):
                return None
            return optuna.create_study(
                storage=storage,
                study_name=name,
                direction=settings.direction or "minimize",
                load_if_exists=True,
                pruner=new_pruner(settings),
            )
    except DltrainError:
        raise
    except Exception as error:  # whatever a database raises
        reason = " ".join(str(redacted(str(error))).split())
        what = f"the storage of the study cannot be opened: {reason.partition(' (Background')[0]}"
        raise ConfigError(what, where="hydra.sweeper.storage", fix="give sqlite:///FILE or another database") from error


def check_same_search(study: Study, now: Mapping[str, Any]) -> None:
    """Checks that a study that exists searches the same; a new one learns what it searches.

    Raises:
        ConfigError: it searches something else.
    """
    stored = study.user_attrs.get(ATTRIBUTE)
    if stored is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(ATTRIBUTE, dict(now))
        return
    before = dict(stored or {"searched": {}, "fixed": [], "direction": ""})
    if before == json.loads(json.dumps(now)):
        return
    raise ConfigError(
        f"the study {study.study_name} searches something else: {_difference(before, now)}",
        where="hydra.sweeper.study_name",
        fix="give another name for a new study",
        override=f"hydra.sweeper.study_name={study.study_name}-2",
    )


def enqueue_grid(study: Study, space: SearchSpace) -> int:
    """Puts all combinations of a grid into a new study, and returns their number."""
    combinations = list(product(*(one.grid for one in space.dimensions)))
    if not study.get_trials(deepcopy=False):
        for values in combinations:
            study.enqueue_trial(dict(zip((one.key for one in space.dimensions), values, strict=True)))
    return len(combinations)


def new_sampler(settings: SearchSettings, number: int, own_id: str) -> BaseSampler:
    """Returns the sampler of one job, whose numbers depend on nothing but its arguments and the study.

    So a search that goes on after a kill proposes what it would have proposed, and searches that share a study never
    draw the same numbers. A grid's combinations are in the study, and nothing is left to draw.

    Args:
        settings: the search's settings.
        number: of the job.
        own_id: of the search.
    """
    from optuna import samplers

    seed = (settings.seed + number + (int(own_id, 16) if settings.storage else 0)) % 2**32
    match settings.sampler:
        case "tpe":
            return samplers.TPESampler(seed=seed, multivariate=True, warn_independent_sampling=False)
        case "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case "gp":
            return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        case "qmc":  # one sequence, of which each search takes the next point
            return samplers.QMCSampler(
                scramble=True, seed=settings.seed, warn_independent_sampling=False, warn_asynchronous_seeding=False
            )
        case _:
            return samplers.RandomSampler(seed=seed)


def new_pruner(settings: SearchSettings) -> BasePruner:
    """Returns the pruner."""
    from optuna import pruners

    match settings.pruner:
        case "median":
            return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3)
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=3)
        case _:
            return pruners.NopPruner()


def measure_importance(study: Study) -> tuple[dict[str, float], int]:
    """Returns the share of each key in the variation of the results, and from how many trials; empty if unknown."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    finished = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if finished < LEAST_FINISHED:
        return {}, finished
    try:
        with quiet_optuna():
            return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))), finished
    except Exception:  # such as that all results are the same; the search itself needs no importance
        return {}, finished


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Makes Optuna report nothing but warnings inside the block, and not that a part of it is new."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _is_missing_file(url: str) -> bool:
    path = url.partition(":///")[2].partition("?")[0]
    return url.startswith("sqlite:///") and not Path(path).exists()


def _in_words(searched: str | None) -> str:
    """Returns a distribution of Optuna's as a person would say it."""
    if searched is None:
        return "not searched"
    parts = dict(re.findall(r"(low|high|log|step)=([^,)]+)", searched))
    if not {"low", "high"} <= parts.keys():
        return "one of " + searched.partition("choices=(")[2].rstrip("),").replace("'", "")
    words = f"from {parts['low']} to {parts['high']}"
    words += ", logarithmic" if parts.get("log") == "True" else ""
    return words + (f", in steps of {parts['step']}" if parts.get("step", "None") not in ("None", "1") else "")


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Returns the first thing in which two searches differ, in words."""
    there, here = dict(before["searched"]), dict(now["searched"])
    for key in {**there, **here}:
        if there.get(key) != here.get(key):
            return f"{key} is {_in_words(there.get(key))} there and {_in_words(here.get(key))} here"
    if before["direction"] != now["direction"]:
        return f"it is to {before['direction']} there and to {now['direction']} here"
    different = sorted({*before["fixed"]} ^ {*now["fixed"]})
    return f"{different[0]} is given {'there' if different[0] in before['fixed'] else 'here'} alone"

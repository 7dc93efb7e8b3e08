"""Hydra's way to dltrain's search. Hydra imports this at every start, so it imports neither torch nor Optuna.

`hydra/sweeper=optuna` is dltrain's own file, configs/hydra/sweeper/optuna.yaml, which Hydra finds before the config
that the plugin hydra-optuna-sweeper stores under the same name.
"""

from __future__ import annotations

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Lets Optuna choose the values of each job by the results of those before it.

    Args:
        settings: the keys of `hydra.sweeper`.
    """

    resumes = True  # a search that ended early goes on with what its study contains

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Checks settings and search space."""
        from dltrain.experiment.search import Search

        self.search = Search(self.settings, hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        """Runs the jobs of the search; the arguments are the overrides of the command."""
        self.search.run()

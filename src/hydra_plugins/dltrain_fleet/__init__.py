"""Hydra's way to dltrain's fleet. Hydra imports this at every start, so it does not import torch."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class FleetLauncher(Launcher):
    """Trains the jobs of a sweep that differ in values alone at once, and the others one by one."""

    trains_what_was_built = True  # to check the jobs, which are therefore built once

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remembers what the jobs are launched with."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Trains the jobs with these overrides, and returns their outcomes in their order."""
        from dltrain.experiment.fleet import launch

        return launch(self.context, self.task, self.config, job_overrides, initial_job_idx)

"""Data that the jobs of one process share: loaded, examined and measured by baselines once."""

from __future__ import annotations

import json
from functools import lru_cache

from dltrain.experiment.baselines import BaselineSettings, run_baselines
from dltrain.experiment.targets import arguments, resolve
from dltrain.kinds.checks import Finding
from dltrain.kinds.kind import kind_of
from dltrain.tasks.comparison import Baseline
from dltrain.tasks.registry import task_class
from dltrain.types import Data, SplitName


@lru_cache(maxsize=2)
def load_data(node: str) -> Data:
    """The data that a config node, as JSON, describes; the jobs of a sweep share it.

    Raises:
        DataError: it cannot be read.
    """
    config = json.loads(node)
    data: Data = resolve("data", config)(**arguments(config))
    return data


@lru_cache(maxsize=2)
def examine_data(node: str) -> tuple[Finding, ...]:
    """Returns what is odd about that data, warnings first."""
    data = load_data(node)
    return tuple(sorted(kind_of(data.facts).check(data), key=lambda finding: finding.severity != "warning"))


@lru_cache(maxsize=2)
def load_baselines(node: str, split: SplitName, settings: BaselineSettings) -> tuple[Baseline, ...]:
    """Returns what baselines reach on that data."""
    data = load_data(node)
    task = task_class(data.facts.task)
    return tuple(run_baselines(data, task(data.facts, task.default_loss(data.facts)), split, settings))


def forget() -> None:
    """Lets go of all data: its files may have changed since."""
    for cached in (load_data, examine_data, load_baselines):
        cached.cache_clear()

"""Data that the jobs of one process share: loaded, examined and measured by plain methods once."""

from __future__ import annotations

import json
from functools import lru_cache

from dltrain.experiment.baselines import Baseline, BaselineSettings, baselines
from dltrain.experiment.targets import arguments, resolve
from dltrain.kinds.checks import Finding, examine
from dltrain.tasks.choice import build_task
from dltrain.tasks.losses import default_loss
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
    """What is odd about that data."""
    return tuple(examine(load_data(node)))


@lru_cache(maxsize=2)
def load_baselines(node: str, split: SplitName, settings: BaselineSettings) -> tuple[Baseline, ...]:
    """What plain methods reach on that data."""
    data = load_data(node)
    return tuple(baselines(data, build_task(data.facts, default_loss(data.facts)), split, settings))


def forget() -> None:
    """Lets go of all data: its files may have changed since."""
    for cached in (load_data, examine_data, load_baselines):
        cached.cache_clear()

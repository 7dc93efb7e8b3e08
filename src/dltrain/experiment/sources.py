"""Data that the jobs of one process share, with its findings and baselines, each computed once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from torch import Tensor

from dltrain.errors import ConfigError, OutOfMemory, explained
from dltrain.experiment.baselines import BaselineSettings, run_baselines
from dltrain.experiment.size import largest_of
from dltrain.experiment.targets import arguments, resolve
from dltrain.kinds.checks import Finding
from dltrain.kinds.kind import kind_of
from dltrain.tasks.comparison import Baseline
from dltrain.tasks.registry import is_known, task_class
from dltrain.types import Data, SplitName

FEWEST = 2  # data sets in memory, whatever their size
MOST_BYTES = 1 << 29  # of data sets beyond these, such as the other folds of a table
FOLD = "fold"  # the key of a data config that chooses the validation split alone


class Source:
    """One data set with its findings and baselines, each computed when it is first needed.

    Args:
        data: the data, split and encoded.
        features: of each sample by its name, by a digest of the frozen trunk; other folds of the data share them.
    """

    def __init__(self, data: Data, features: dict[str, dict[str, Tensor]] | None = None) -> None:
        self.data = data
        self.features: dict[str, dict[str, Tensor]] = {} if features is None else features
        self._baselines: dict[tuple[SplitName, BaselineSettings], tuple[Baseline, ...]] = {}

    @cached_property
    def bytes(self) -> int:
        """Returns the size of its samples in memory."""
        splits = self.data.splits.values()
        return sum(tensor.nbytes for split in splits for tensor in (*split.inputs, split.target))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Returns the findings about the data, warnings first."""
        findings = kind_of(self.data.facts).check(self.data)
        return tuple(sorted(findings, key=lambda finding: finding.severity != "warning"))

    def baselines(self, split: SplitName, settings: BaselineSettings, limit: float) -> tuple[Baseline, ...]:
        """Returns the baselines, measured on a split: the first call measures them, in about `limit` seconds, and later
        ones return the same."""
        if (split, settings) not in self._baselines:
            facts, task = self.data.facts, task_class(self.data.facts.task)
            own = task(facts, task.default_loss(facts))
            measured = run_baselines(self.data, own, split, limit, max(limit, settings.longest))
            self._baselines[split, settings] = tuple(measured)
        return self._baselines[split, settings]


class Sources:
    """The data sets that were used last, by their config."""

    def __init__(self) -> None:
        self._loaded: dict[str, Source] = {}
        self._sweep = ""

    def load(self, node: Mapping[str, Any], task: str = "auto") -> Source:
        """Returns the data set that a config node describes.

        Args:
            node: the config node.
            task: the task that the data is for; `auto` leaves it to the data.

        Raises:
            DltrainError: the data cannot be read, or is for another task.
        """
        key = json.dumps([node, task], sort_keys=True)
        source = self._loaded.pop(key, None) or self._of_another_fold(node, task)
        source = source or Source(for_task(_read(node), task))
        self._loaded[key] = source
        while len(self._loaded) > FEWEST and sum(one.bytes for one in self._loaded.values()) > MOST_BYTES:
            del self._loaded[next(iter(self._loaded))]
        return source

    def _of_another_fold(self, node: Mapping[str, Any], task: str) -> Source | None:
        """Returns the data set from what was read for another fold of it; `None` where nothing was."""
        if node.get(FOLD) is None:
            return None
        for key, source in self._loaded.items():
            other, for_other = json.loads(key)
            if source.data.with_fold is not None and for_other == task and {**other, FOLD: node[FOLD]} == node:
                return Source(for_task(source.data.with_fold(node[FOLD]), task), source.features)
        return None

    def forget(self, sweep: str = "") -> None:
        """Forgets all data, whose files may have changed since, except within the same `sweep`."""
        if not sweep or sweep != self._sweep:
            self._loaded.clear()
        self._sweep = sweep

    def keep_for(self, sweep: str) -> None:
        """Keeps the data that was loaded to check a sweep's jobs until these jobs run."""
        self._sweep = sweep


def _read(node: Mapping[str, Any]) -> Data:
    """Returns the data that a config node describes.

    Raises:
        DltrainError: it cannot be read, or does not fit into memory.
    """
    given = arguments(node)
    try:
        data: Data = resolve("data", node)(**given)
    except Exception as error:
        if not isinstance(explained(error), OutOfMemory):
            raise
        what, where = "the data does not fit into memory", f"data{largest_of(given)}"
        fix = "give a smaller number" if "." in where else "give less data"
        raise ConfigError(what, where=where, fix=fix) from error
    return data


def for_task(data: Data, name: str) -> Data:
    """Returns data for a task: a task of the user's own may replace the data's if it derives from it, or has the same
    form of target.

    Args:
        data: the data, with the task that it chose itself.
        name: the name of the task; `auto` for that one.

    Raises:
        ConfigError: the data is for another task.
    """
    chosen = data.facts.task
    if name in ("auto", chosen):
        return data
    if "." in name and is_known(name):
        own, base = task_class(name), task_class(chosen)
        if issubclass(own, base) or (own.target and own.target == base.target):
            return replace(data, facts=replace(data.facts, task=name))
    raise ConfigError(
        f"the data is for {chosen}, not for {name}",
        where="task",
        fix="let dltrain choose"
        if "." not in name
        else f"let dltrain choose, or derive the task from that of {chosen}",
        override="task=auto",
    )


# Hydra's launchers call a job with its config alone, in this process or in another, so that the data that the jobs of a
# process share must be global.
SOURCES = Sources()

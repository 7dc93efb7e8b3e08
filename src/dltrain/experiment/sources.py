"""Data that the jobs of one process share: loaded, examined and measured by baselines once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dltrain.experiment.baselines import BaselineSettings, run_baselines
from dltrain.experiment.targets import arguments, resolve
from dltrain.kinds.checks import Finding
from dltrain.kinds.kind import kind_of
from dltrain.tasks.comparison import Baseline
from dltrain.tasks.registry import task_class
from dltrain.types import Data, SplitName

MOST = 2  # data sets that are kept


class Source:
    """One data set, with what is found in it and what baselines reach on it, each computed when first asked for.

    Args:
        data: split and encoded.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        self._baselines: dict[tuple[SplitName, BaselineSettings], tuple[Baseline, ...]] = {}

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the data, warnings first."""
        findings = kind_of(self.data.facts).check(self.data)
        return tuple(sorted(findings, key=lambda finding: finding.severity != "warning"))

    def baselines(self, split: SplitName, settings: BaselineSettings) -> tuple[Baseline, ...]:
        """Returns what baselines reach on a split."""
        if (split, settings) not in self._baselines:
            facts, task = self.data.facts, task_class(self.data.facts.task)
            found = run_baselines(self.data, task(facts, task.default_loss(facts)), split, settings)
            self._baselines[split, settings] = tuple(found)
        return self._baselines[split, settings]


class Sources:
    """The data sets that were used last, by what their config says."""

    def __init__(self) -> None:
        self._kept: dict[str, Source] = {}
        self._sweep = ""

    def load(self, node: Mapping[str, Any]) -> Source:
        """Returns the data set that a config node describes.

        Raises:
            DltrainError: it cannot be read.
        """
        key = json.dumps(node, sort_keys=True)
        source = self._kept.pop(key, None) or Source(resolve("data", node)(**arguments(node)))
        self._kept[key] = source
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return source

    def forget(self, sweep: str = "") -> None:
        """Lets go of all data, whose files may have changed since; a `sweep` that is still the same keeps it."""
        if not sweep or sweep != self._sweep:
            self._kept.clear()
        self._sweep = sweep

    def keep_for(self, sweep: str) -> None:
        """Keeps the data that was loaded to check a sweep's jobs for these jobs."""
        self._sweep = sweep


# Hydra's launchers call a job with nothing but its config, in this process or in another: what the jobs of a process
# share has to be found from there.
SOURCES = Sources()

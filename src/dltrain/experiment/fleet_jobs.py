"""The jobs of a sweep before they train: which of them differ in values alone, so that they can train at once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from dltrain.config.loader import hydra_config
from dltrain.data.stacked_loader import why_not_stacked as why_batches_are_not
from dltrain.errors import Diverged, explained
from dltrain.experiment import build
from dltrain.experiment.prepared import PREPARED
from dltrain.experiment.pruning import pruning_of
from dltrain.experiment.targets import drop_leftovers
from dltrain.runs.folder import RunDir
from dltrain.training.loop import Learner
from dltrain.training.saving import Saver
from dltrain.training.stackable import why_not_stacked

log = logging.getLogger("dltrain")

SECTIONS = ("optimizer", "loss")  # whose values may differ from job to job; what they cannot be is refused later
VALUES = {"trainer": ("l1", "l2", "clip_norm"), "data": ("fold",)}
UNLIKE = "no other job has the same structure"


@dataclass
class Job:
    """A job of the sweep, before and while it trains.

    Args:
        number: of the job.
        hydra: its composed config, with Hydra's own.
        composed: the same without Hydra's own.
        config: the same, resolved.
        run: its folder.
        setup: the objects that train, once they are built.
        saver: saves its state, once it trains.
        seconds: what it took so far; of what a stack took together, its share.
        failure: why it diverged; `None` if it did not.
        is_trained: whether its training is over.
        together: the numbers of the jobs that trained at once, itself included.
        lock: of its folder, from when it trains until it is done.
    """

    number: int
    hydra: DictConfig
    composed: DictConfig
    config: Mapping[str, Any]
    run: RunDir
    setup: build.Setup | None = None
    saver: Saver | None = None
    seconds: float = 0.0
    failure: Diverged | None = None
    is_trained: bool = False
    together: str = ""
    lock: ExitStack = field(default_factory=ExitStack)

    @property
    def learner(self) -> Learner:
        """Returns what its setup trains."""
        assert self.setup is not None
        return Learner(self.setup.state, self.setup.task, self.setup.evaluation.get("val"), self.setup.settings)


def compose_job(context: HydraContext, master: DictConfig, overrides: Sequence[str], number: int) -> Job:
    """Returns a job as Hydra's own launcher composes it."""
    composed = context.config_loader.load_sweep_config(master, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = composed.hydra.job.num = number
    plain = OmegaConf.masked_copy(composed, [str(name) for name in composed if name != "hydra"])
    with hydra_config(composed):
        folder = Path(str(composed.hydra.sweep.dir)) / str(composed.hydra.sweep.subdir)
        drop_leftovers(plain, list(composed.hydra.overrides.task))
        config = cast(dict[str, Any], OmegaConf.to_container(plain, resolve=True))
    with open_dict(composed.hydra.runtime):
        composed.hydra.runtime.output_dir = str(folder.absolute())
    return Job(number, composed, plain, config, RunDir(folder))


def stacks_of(jobs: Sequence[Job]) -> list[list[Job]]:
    """Builds jobs that are not built, and returns those that train at once, in groups; reports why others do not."""
    by_config: dict[str, list[Job]] = {}
    for job in jobs:
        by_config.setdefault(json.dumps(_shared(job.config), sort_keys=True), []).append(job)
    stacks: list[list[Job]] = []
    alone: dict[str, list[Job]] = {}
    for alike in by_config.values():
        groups: list[list[Job]] = []
        for job in sorted(alike, key=_by_data):
            if reason := UNLIKE if len(alike) == 1 else _prepare(job):
                alone.setdefault(reason, []).append(job)
            elif fitting := [group for group in groups if not _why_not_stacked([group[0], job])]:
                fitting[0].append(job)
            else:
                groups.append([job])
        stacks += [group for group in groups if len(group) > 1]
        alone.setdefault(UNLIKE, []).extend(group[0] for group in groups if len(group) == 1)
    for reason, those in alone.items():
        report(those, reason)
        for job in those:
            job.setup = None  # it is built again when its turn comes
    return stacks


def _by_data(job: Job) -> str:
    """Returns what sorts jobs so that those that share their data are built one after the other."""
    return json.dumps(job.config["data"], sort_keys=True)


def _prepare(job: Job) -> str:
    """Builds a job; returns why it has to run alone, or nothing."""
    began = perf_counter()
    pruning = pruning_of(job.hydra.hydra, str(job.number))
    if pruning is not None and (pruning.trial is not None or pruning.deadline is not None):
        return "the search may end it early"
    try:
        setup, seconds = PREPARED.take(job.config) or (build.build(job.config), 0.0)
    except Exception as error:  # the job meets it again, and records it
        return f"it cannot be built: {explained(error) or error}"
    job.setup, job.seconds = setup, seconds + perf_counter() - began
    if setup.loggers:
        return "its loggers write one run at a time"
    return _why_not_stacked([job])


def _why_not_stacked(jobs: Sequence[Job]) -> str:
    """Returns why built jobs cannot train at once, in words; empty if nothing is known against it."""
    setups = [cast(build.Setup, job.setup) for job in jobs]
    return why_not_stacked([job.learner for job in jobs]) or why_batches_are_not([setup.train for setup in setups])


def _shared(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the part of a config that is the same for all jobs of a stack."""
    shared = {section: dict(values) if isinstance(values, Mapping) else values for section, values in config.items()}
    del shared["seed"]
    for section, keys in VALUES.items():
        for key in keys:
            shared[section].pop(key, None)
    for section in SECTIONS:
        shared[section] = shared[section].get("_target_")
    shared["model"] = {key: value for key, value in shared["model"].items() if not isinstance(value, float)}
    return shared


def report(jobs: Sequence[Job], reason: str) -> None:
    """Reports why jobs do not train at once."""
    if jobs:
        words = "jobs %s train one by one" if len(jobs) > 1 else "job %s trains alone"
        log.info(f"fleet   {words}: %s", numbers_of(jobs), reason)


def numbers_of(jobs: Sequence[Job]) -> str:
    """Returns the numbers of jobs, such as `0-3, 5`."""
    parts: list[list[int]] = []
    for number in sorted(job.number for job in jobs):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)

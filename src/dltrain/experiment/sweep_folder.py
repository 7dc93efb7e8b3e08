"""The folder of a sweep: a new one, or one of the same jobs that was begun, whose finished jobs stay as they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from dltrain.config.compose import Job, Sweep, compose_job
from dltrain.config.redaction import REDACTED, redacted
from dltrain.errors import CheckpointError, ConfigError
from dltrain.experiment.resume import differences
from dltrain.report.sweep import differ_in_more_than_repeats, pairs, read_overrides
from dltrain.runs.config import RunConfig
from dltrain.runs.folder import RunDir, read_json
from dltrain.runs.lock import locked, state_of
from dltrain.runs.sweep_record import NAME, SweepRecord
from dltrain.storage import make_folder
from dltrain.training.checkpoint import resumable

# Keys of a search that may change when it goes on.
REOPENED = tuple(f"hydra.sweeper.{name}" for name in ("n_trials", "n_jobs", "max_minutes", "direction"))
CHOSEN_IN_RUN = ("trainer.batch_size",)  # `auto` is replaced by what was found
STORAGE = 4  # the exit code of a run whose disk was full


@dataclass(frozen=True)
class Command:
    """What was typed to begin a sweep.

    Args:
        words: the overrides.
        config_dir: the user's additional folder of configs; `None` without one.
        multirun: whether `-m` was typed.
    """

    words: tuple[str, ...] = ()
    config_dir: str | None = None
    multirun: bool = True


def new_record(sweep: Sweep, command: Command) -> SweepRecord:
    """Returns the record of a sweep that is about to begin."""
    jobs = None
    if sweep.count is not None:
        jobs = tuple(tuple(redacted(list(job.overrides))) for job in sweep.jobs)
    later = jobs is None or differ_in_more_than_repeats(jobs) or any("data.fold" in dict(pairs(job)) for job in jobs)
    words = tuple(redacted(list(command.words)))
    return SweepRecord(words, command.multirun, command.config_dir, jobs, later, _search_of(sweep))


def _search_of(sweep: Sweep) -> tuple[str, ...] | None:
    """Returns what a sweeper that goes on where it ended makes its jobs from; `None` for another sweeper."""
    settings = sweep.master.hydra.sweeper
    sweeper = Plugins.instance().class_name_to_class.get(str(settings.get("_target_")))
    if not getattr(sweeper, "resumes", False):
        return None
    kept = {str(key): value for key, value in settings.items() if f"hydra.sweeper.{key}" not in REOPENED}
    words = [f"hydra.sweeper.{key}={value}" for key, value in kept.items() if value is not None]
    return tuple(map(str, redacted([*words, *sweep.overrides])))


def find_begun(sweep: Sweep, record: SweepRecord, *, named: bool) -> Path | None:
    """Returns the folder in which a sweep of the same jobs was begun; `None` where the sweep is a new one.

    In a folder that the user named, the sweep continues. Otherwise it continues the newest sweep of the same jobs
    beside it, unless that finished, or is running, or was of other configs.

    Raises:
        ConfigError: the named folder contains something else.
    """
    if named:
        return _named(sweep, record)
    records = [*sweep.folder.parent.glob(f"*/{NAME}"), *sweep.folder.parent.parent.glob(f"*/*/{NAME}")]
    for path in sorted({path.parent for path in records}, reverse=True):
        try:
            begun = SweepRecord.read(path)
            if begun is None or not begun.is_same(record):
                continue
            if begun.state == "done" or is_running(path):
                return None
            check_unchanged(path, sweep.jobs)
        except (CheckpointError, ConfigError):
            return None
        return path
    return None


def _named(sweep: Sweep, record: SweepRecord) -> Path | None:
    folder = sweep.folder
    begun = SweepRecord.read(folder) if folder.is_dir() else None
    if begun is not None and begun.is_same(record):
        check_unchanged(folder, sweep.jobs)
        return folder
    if folder.is_file() or any(folder.rglob("status.json")):
        what = "is a file" if folder.is_file() else "already contains a sweep"
        what += " of other jobs" if begun is not None else ""
        raise ConfigError(f"{folder} {what}", where="hydra.sweep.dir", fix=f"choose another folder, such as {folder}-2")
    return None


def is_running(folder: Path) -> bool:
    """Tells whether a process runs the sweep in a folder."""
    try:
        with locked(folder):
            return False
    except ConfigError:
        return True


def begun_job(folder: Path, command: Command) -> list[Job]:
    """Returns the first job that a search has begun, composed anew, so that it shows whether configs or data changed.

    Args:
        folder: the search's folder.
        command: what was typed.

    Returns:
        The job; nothing if none has begun, or its overrides contained a secret.
    """
    for path in sorted(folder.rglob("status.json")):
        overrides = read_overrides(RunDir(path.parent))
        if overrides and REDACTED not in " ".join(overrides):
            job = compose_job([*overrides, "hydra.mode=RUN"], command.config_dir)
            return [replace(job, overrides=overrides)]
    return []


def check_unchanged(folder: Path, jobs: Sequence[Job]) -> None:
    """Checks that the jobs that a sweep has begun were of the same configs as its jobs are now.

    Raises:
        ConfigError: a file of configs has changed since.
    """
    configs = {tuple(redacted(list(job.overrides))): job.config for job in jobs}
    for path in folder.rglob("status.json"):
        run = RunDir(path.parent)
        now = configs.get(read_overrides(run))
        if now is None or not run.config.exists():
            continue
        before = _plain(RunConfig(run).values)
        changed = [item for item in differences(before, redacted(now)) if item[0] not in CHOSEN_IN_RUN]
        # A key that the run removed from its config because another key makes it obsolete has not changed.
        changed = [(key, old, new) for key, old, new in changed if old is not None and REDACTED not in (old, new)]
        if changed:
            key, old, new = changed[0]
            raise ConfigError(
                f"the configs have changed since the sweep in {folder} began: {key} was {old} and is {new}",
                where=key,
                fix="choose another folder",
                override=f"hydra.sweep.dir={folder}-2",
            )


def _plain(config: Any) -> Mapping[str, Any]:
    """Returns the values of a config, with references to its own keys followed where that is possible."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except Exception:  # a resolver that a run folder may not call, or a missing secret
        plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def fingerprints_of(folder: Path) -> dict[tuple[str, ...], str]:
    """Returns the fingerprint of the data of each job that a sweep has begun, by its overrides."""
    runs = [RunDir(path.parent) for path in folder.rglob("status.json")]
    return {read_overrides(run): str(read_json(run.facts).get("fingerprint", "")) for run in runs if run.facts.exists()}


def is_own(run: RunDir, overrides: Sequence[str]) -> bool:
    """Tells whether a folder contains a run of the same job, rather than of another one that shares the folder."""
    return not run.config.exists() or read_overrides(run) == tuple(redacted(list(overrides)))


def can_continue(run: RunDir) -> bool:
    """Tells whether a job that did not finish can go on from a checkpoint; one that failed or diverged cannot."""
    status = run.read_status()
    interrupted = state_of(run) in ("killed", "running", "interrupted") or status.get("exit_code") == STORAGE
    return interrupted and run.config.exists() and bool(resumable(run.checkpoints))


def clear(run: RunDir) -> None:
    """Empties the folder of a job that begins anew."""
    shutil.rmtree(run.path)
    make_folder(run.path, parents=True)

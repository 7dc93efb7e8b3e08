"""Launches the jobs of a sweep: those that differ in values alone train at once, the others one by one.

Each job of a stack has a setup, a folder and checkpoints of its own. When its training is over, it goes on from there
as any other job does. Whatever stops a stack, its jobs can be continued one by one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import cast

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, env_override, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from torch import Tensor

from dltrain.config.loader import hydra_config
from dltrain.config.redaction import redacted
from dltrain.data.stacked_loader import StackedLoader
from dltrain.errors import Diverged, explained
from dltrain.experiment import build
from dltrain.experiment.complete import Records, is_spent, new_saver
from dltrain.experiment.fleet_jobs import Job, compose_job, numbers_of, report, stacks_of
from dltrain.experiment.prepared import PREPARED
from dltrain.experiment.run import begin, recorded, train
from dltrain.experiment.signals import Stopped, finishing
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.sweep_job import UPDATE_SECONDS, concluded, redact_file, update
from dltrain.experiment.targets import arguments, resolve
from dltrain.runs.lock import claim, locked
from dltrain.runs.sweep_record import SweepRecord
from dltrain.storage import make_folder
from dltrain.tasks.task import Task
from dltrain.training.loop import Pause, Row, train_epochs
from dltrain.training.random_state import use_deterministic
from dltrain.training.settings import choose_threads
from dltrain.training.stack import Stack
from dltrain.training.stackable import disagreement

log = logging.getLogger("dltrain")

REPORT_SECONDS = 10.0  # between two lines of progress


def launch(
    context: HydraContext,
    task: TaskFunction,
    master: DictConfig,
    overrides: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Trains jobs in this process.

    Args:
        context: of Hydra.
        task: trains one job.
        master: the config of the sweep.
        overrides: of each job.
        first: the number of the first one.

    Returns:
        The outcome of each job, in their order.

    Raises:
        Stopped: a signal asked the process to end.
    """
    setup_globals()
    folder = Path(str(master.hydra.sweep.dir))
    make_folder(folder, parents=True)
    redact_file(folder / "multirun.yaml")  # the sweep may be killed before its end
    SOURCES.forget(str(folder))
    jobs = [compose_job(context, master, words, number) for number, words in enumerate(overrides, first)]
    try:
        stacks = stacks_of([job for job in jobs if not job.run.status.exists()])
        PREPARED.forget()  # what is left is of jobs that train alone
        for stack in stacks:
            train_at_once(stack, folder)
        return [_finish(job, context, task) for job in jobs]
    except Stopped as stopped:
        for job in jobs:
            if job.saver is not None and job.run.read_status()["state"] == "running":
                job.run.write_status("interrupted", exit_code=stopped.exit_code)
        raise
    finally:
        for job in jobs:
            job.lock.close()


def train_at_once(jobs: Sequence[Job], sweep: Path) -> None:
    """Trains jobs as one stack, and saves each; if it fails, the jobs can be continued one by one.

    Args:
        jobs: built, of one structure.
        sweep: the folder of the sweep.

    Raises:
        Stopped: a signal asked the process to end; the jobs' folders contain checkpoints to continue from.
    """
    began = perf_counter()
    jobs = sorted(jobs, key=_by_optimizer)
    setups = [cast(build.Setup, job.setup) for job in jobs]
    _share_tasks(jobs)
    learners = [job.learner for job in jobs]
    node, settings, plan = jobs[0].config["scheduler"], setups[0].settings, setups[0].state.plan
    schedule = partial(
        resolve("scheduler", node),
        total_steps=plan.epochs * plan.steps_per_epoch,
        steps_per_epoch=plan.steps_per_epoch,
        **arguments(node),
    )
    use_deterministic(settings.deterministic)
    torch.set_num_threads(_threads(setups))
    build.seed_everything(jobs[0].config["seed"])  # whatever was built, and when
    stack, loader = Stack(learners, schedule), StackedLoader([setup.train for setup in setups])
    loader.set_epoch(0)
    if reason := disagreement(stack, next(iter(loader))):
        report(jobs, reason)
        return
    try:
        with ExitStack() as histories:
            records = {job.number: histories.enter_context(closing(_begin(job))) for job in jobs}
            for job in jobs:
                job.together = numbers_of(jobs)
            log.info("fleet   jobs %s train at once", numbers_of(jobs))
            _train(list(jobs), records, stack, loader, sweep)
    except Exception as error:
        stack.write_back()  # for those that have ended already
        reason = str(explained(error) or f"{type(error).__name__}: {error}")
        log.warning("warning jobs %s stop training at once: %s", numbers_of(jobs), reason)
    finally:
        for job in jobs:
            job.seconds += (perf_counter() - began) / len(jobs)
            if not job.is_trained:
                job.lock.close()


def _train(jobs: list[Job], records: Mapping[int, Records], stack: Stack, loader: StackedLoader, sweep: Path) -> None:
    settings = stack.learners[0].settings
    reported = perf_counter()
    stack.state.pause_at = min(one.state.pause_at for one in stack.learners)
    is_watched = any(one.watcher is not None for one in records.values())
    with finishing(stack.state) as request:
        for moment in train_epochs(stack, loader, settings):
            if isinstance(moment, Pause):
                live = [job for job, failure in zip(jobs, stack.failures, strict=True) if failure is None]
            else:
                if is_watched:
                    stack.write_back()
                ended = zip(jobs, moment, stack.rows, strict=True)
                live = [job for job, row, weights in ended if _after_epoch(job, row, records[job.number], weights)]
            if live and (
                isinstance(moment, Pause) or request.number or any(records[job.number].saver.is_due for job in live)
            ):
                stack.write_back()
                _save([records[job.number] for job in live])
                stack.state.pause_at = min(job.learner.state.pause_at for job in live)
            if request.number:
                raise Stopped(request.number)
            if isinstance(moment, Pause):
                continue
            update(sweep, at_most_every=UPDATE_SECONDS, jobs=len(records))
            chosen = [place for place, job in enumerate(jobs) if not job.is_trained]
            epoch = stack.state.epoch
            if not chosen or epoch == settings.last_epoch:
                break
            if perf_counter() - reported >= REPORT_SECONDS:
                reported = perf_counter()
                log.info("fleet   epoch %d/%d of %d jobs", epoch, settings.last_epoch, len(chosen))
            if len(chosen) < len(jobs):
                jobs = [jobs[place] for place in chosen]
                stack.keep(chosen)
                loader.keep(chosen)
    stack.write_back()
    for job in jobs:
        job.is_trained = True


def _after_epoch(job: Job, row: Row | Diverged, records: Records, weights: Mapping[str, Tensor]) -> bool:
    """Writes the row of a job's epoch, after which it has these weights; returns whether there is one, because the job
    did not diverge."""
    if isinstance(row, Diverged):
        job.failure, job.is_trained = row, True
        return False
    records.after_epoch(row, weights)
    job.is_trained = is_spent(job.learner.state, job.learner.settings)
    return True


def _save(records: Sequence[Records]) -> None:
    """Saves all jobs of a stack; the next time when their saving together takes little of the time."""
    began = perf_counter()
    for one in records:
        one.save()
    for one in records:
        one.saver.cost = perf_counter() - began


def _begin(job: Job) -> Records:
    """Takes the folder of a job, and begins its records."""
    assert job.setup is not None
    claim(job.run.path)
    job.lock.enter_context(locked(job.run.path))
    begin(job.run, job.composed, job.hydra.hydra)
    job.saver = new_saver(job.run, job.setup)
    return Records(job.setup, job.saver, job.run, logging.DEBUG)


def _finish(job: Job, context: HydraContext, task: TaskFunction) -> JobReturn:
    """Writes the results of a job that is trained; trains another one alone."""
    if not job.is_trained:
        return run_job(
            hydra_context=context,
            task_function=task,
            config=job.hydra,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    words = [str(word) for word in job.hydra.hydra.overrides.task]
    done = JobReturn(overrides=words, cfg=job.composed, hydra_cfg=job.hydra, status=JobStatus.COMPLETED)
    conclude = partial(_conclude, job)
    with hydra_config(job.hydra), env_override(job.hydra.hydra.job.env_set):
        context.callbacks.on_job_start(config=job.hydra, task_function=conclude)
        try:
            done.return_value = conclude(job.composed)
        except Exception as error:  # what `run_job` does with it
            done.return_value, done.status = error, JobStatus.FAILED
        context.callbacks.on_job_end(config=job.hydra, job_return=done)
    return done


def _conclude(job: Job, composed: DictConfig) -> float:
    """Writes the results of a trained job into its folder, or why it diverged; returns what a job returns."""
    record = SweepRecord.read(Path(HydraConfig.get().sweep.dir))
    reads_test = record is not None and not record.test_later
    log.info("job     %s: %s", job.number, " ".join(redacted(list(HydraConfig.get().overrides.task))))

    def write_results() -> None:
        setup, config = job.setup, job.config
        assert setup is not None
        build.seed_everything(config["seed"])
        with recorded(job.run, config):
            if job.failure is not None:
                raise job.failure
            log.debug("fleet   trained at once with jobs %s", job.together)
            began = perf_counter() - job.seconds
            train(setup, config, job.run, began, logging.DEBUG, reads_test=reads_test, saver=job.saver)

    with job.lock:
        return concluded(job.run, str(job.config["trainer"]["monitor"]), write_results)


def _by_optimizer(job: Job) -> str:
    """Returns what sorts jobs so that those whose optimizer has the same numbers are side by side, which is faster."""
    return json.dumps(job.config["optimizer"], sort_keys=True)


def _share_tasks(jobs: Sequence[Job]) -> None:
    """Gives jobs of one loss and one data set the same task, so that their losses are computed together."""
    tasks: dict[tuple[str, int], Task] = {}
    for job in jobs:
        assert job.setup is not None
        key = json.dumps(job.config["loss"], sort_keys=True), id(job.setup.data)
        job.setup = replace(job.setup, task=tasks.setdefault(key, job.setup.task))


def _threads(setups: Sequence[build.Setup]) -> int:
    """Returns the number of CPU threads for a stack."""
    numbers = sum(parameter.numel() for setup in setups for parameter in setup.state.model.parameters())
    return setups[0].settings.threads or choose_threads(numbers * setups[0].train.sizes[0])

"""`dltrain [train] [overrides]`: compose, check every job, then train each in a folder of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from dltrain.commands import Options
from dltrain.compose import CONFIG_NAME, Job, compose_jobs, config_dir
from dltrain.errors import failure
from dltrain.overrides import quote, quoted
from dltrain.rundir import RunDir, claim, read_json, reserve


def run(arguments: Sequence[str], options: Options) -> int:
    """Trains what the overrides describe; the flags are Hydra's own.

    Raises:
        DltrainError, ExceptionGroup: nothing was started, and nothing written.
    """
    flags = get_args_parser().parse_intermixed_args(list(arguments))
    overrides = [quote(override) for override in flags.overrides]
    hydra_flags = [argument for argument in arguments if argument not in flags.overrides]
    if flags.shell_completion or flags.hydra_help or flags.info or flags.cfg:
        if not flags.shell_completion:
            compose_jobs(overrides, sweep=flags.multirun)
        return _hydra_main([*hydra_flags, *overrides])

    jobs = compose_jobs(overrides, sweep=flags.multirun)
    from dltrain.job import check_jobs, configure_logging, finish_sweep

    check_jobs(jobs)
    configure_logging(console=not (options.quiet or options.json))
    if flags.multirun:
        folder = _sweep_folder(jobs[0], overrides)
        _hydra_main([*hydra_flags, *overrides, f"hydra.sweep.dir={quoted(str(folder))}"])
        code, answer = finish_sweep(folder)
    else:
        run_dir = RunDir(_run_folder(jobs[0], overrides))
        _hydra_main([*hydra_flags, *overrides, f"hydra.run.dir={quoted(str(run_dir.path))}"])
        status = run_dir.read_status()
        if status.get("error"):
            raise failure(status)
        code = int(status["exit_code"])
        answer = read_json(run_dir.result) if run_dir.result.exists() else status
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    return code


def _hydra_main(arguments: Sequence[str]) -> int:
    """Lets Hydra parse the arguments and call the job, once or for every combination."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before, sys.argv = sys.argv, ["dltrain", *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=CONFIG_NAME)(_job)()
    finally:
        sys.argv = before
    return 0


def _job(config: DictConfig) -> None:
    from dltrain.job import run_job

    run_job(config)


def _run_folder(job: Job, overrides: Sequence[str]) -> Path:
    """The folder that the user named, or a new one; it exists and is this run's when it is returned."""
    named = any(override.startswith("hydra.run.dir=") for override in overrides)
    return claim(job.run_dir if named else reserve(job.run_dir))


def _sweep_folder(job: Job, overrides: Sequence[str]) -> Path:
    named = any(override.startswith("hydra.sweep.dir=") for override in overrides)
    return job.sweep_dir if named else reserve(job.sweep_dir)

"""`dltrain [train] [overrides]`: compose, check every job, then train each in a folder of its own."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from time import perf_counter
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from dltrain.cli.commands import FLAGS, Options
from dltrain.config.compose import CONFIG_NAME, Job, compose_jobs
from dltrain.config.options import config_dir
from dltrain.config.quoting import quote, quoted
from dltrain.errors import ConfigError, failure
from dltrain.experiment.signals import Stopped
from dltrain.runs.folder import RunDir, make_folder, read_json
from dltrain.runs.lock import check_writable, claim, reserve


def run(arguments: Sequence[str], options: Options) -> int:
    """Trains what the overrides describe; the flags are Hydra's own.

    Raises:
        DltrainError, ExceptionGroup: nothing was started, and nothing written.
    """
    began = perf_counter()
    flags = _parse_flags(arguments)
    overrides = [quote(override) for override in flags.overrides]
    named = {key for key in ("hydra.run.dir", "hydra.sweep.dir") if _is_named(key, overrides)}
    hydra_flags = [argument for argument in arguments if argument not in flags.overrides]
    if flags.shell_completion or flags.hydra_help:
        return _hydra_main([*hydra_flags, *overrides])
    jobs = compose_jobs(overrides, sweep=flags.multirun, config_dir_flag=flags.config_dir)
    if flags.info or flags.cfg:
        return _hydra_main([*hydra_flags, *overrides])
    check_writable(jobs[0].sweep_dir if flags.multirun else jobs[0].run_dir)
    from dltrain.experiment.log import configure_logging
    from dltrain.experiment.run import check_jobs, finish_sweep

    check_jobs(jobs)
    configure_logging(console=not (options.quiet or options.json))
    if flags.multirun:
        folder = _sweep_folder(jobs[0], named="hydra.sweep.dir" in named)
        stopped = _hydra_main([*hydra_flags, *overrides, f"hydra.sweep.dir={quoted(str(folder))}"])
        code, answer = finish_sweep(folder, len(jobs))
        if options.json:
            print(json.dumps(answer, ensure_ascii=False))
        return stopped or code
    # It exists and is this run's from here on.
    run_dir = RunDir(claim(jobs[0].run_dir if "hydra.run.dir" in named else reserve(jobs[0].run_dir)))
    _hydra_main([*hydra_flags, *overrides, f"hydra.run.dir={quoted(str(run_dir.path))}"], began)
    return tell_outcome(run_dir, options)


def tell_outcome(run_dir: RunDir, options: Options) -> int:
    """The exit code of a run that has ended; with `--json` its result is printed.

    Raises:
        DltrainError: what ended it.
    """
    status = run_dir.read_status()
    if status.get("error"):
        raise failure(status)
    if options.json:
        finished = status["state"] == "done"
        print(json.dumps(read_json(run_dir.result) if finished else status, ensure_ascii=False))
    return int(status["exit_code"])


def _parse_flags(arguments: Sequence[str]) -> Namespace:
    """Hydra's flags, wherever they stand among the overrides.

    Raises:
        ConfigError: there is no such flag, or its value is wrong.
    """
    parser = get_args_parser()
    known = [*FLAGS, *(flag for action in parser._actions for flag in action.option_strings)]

    def refuse(message: str) -> NoReturn:
        unknown = next((word for word in arguments if word.startswith("-") and word.split("=")[0] not in known), "")
        near = get_close_matches(unknown, known, n=1)
        fix = f"did you mean {near[0]}?" if near else "see dltrain --help"
        raise ConfigError(message, fix=fix, override=near[0] if near else "", replaces=unknown)

    parser.error = refuse  # type: ignore[method-assign]
    flags = parser.parse_intermixed_args(list(arguments))
    if flags.config_name not in (None, CONFIG_NAME) or flags.config_path:
        fix = "leave --config-name and --config-path out; --config-dir adds a folder of configs"
        raise ConfigError("dltrain has one config of its own", fix=fix)
    return flags


def _hydra_main(arguments: Sequence[str], began: float | None = None) -> int:
    """Lets Hydra parse the arguments and call the job, once or for every combination.

    Returns:
        0, or the exit code of having been asked to end: no further job is called then.
    """

    def job(config: DictConfig) -> None:
        from dltrain.experiment.run import run_job

        run_job(config, began)

    os.environ["HYDRA_FULL_ERROR"] = "1"
    before, sys.argv = sys.argv, ["dltrain", *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=CONFIG_NAME)(job)()
    except Stopped as stopped:
        return stopped.exit_code
    finally:
        sys.argv = before
    return 0


def _sweep_folder(job: Job, *, named: bool) -> Path:
    """The folder that the user named, which must hold no jobs yet, or a new one."""
    if not named:
        return reserve(job.sweep_dir)
    folder = job.sweep_dir
    if folder.is_file() or any(folder.rglob("status.json")):
        what = "is a file" if folder.is_file() else "holds a sweep already"
        raise ConfigError(f"{folder} {what}", where="hydra.sweep.dir", fix=f"choose another folder, such as {folder}-2")
    make_folder(folder, parents=True)
    return folder


def _is_named(key: str, overrides: Sequence[str]) -> bool:
    """Whether the user set a folder.

    Raises:
        ConfigError: to nothing.
    """
    values = [override.partition("=")[2] for override in overrides if override.lstrip("+").startswith(f"{key}=")]
    if any(value.strip("'\" ") in ("", "null") for value in values):
        raise ConfigError("no folder is named", where=key, fix="name one", override=f"{key}=outputs/mine")
    return bool(values)

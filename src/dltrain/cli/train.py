"""`dltrain [train] [overrides]`: composes, checks, builds and trains; with `-m`, every job of a sweep."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from time import perf_counter

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.errors import ConfigError


def run(arguments: Sequence[str], options: Options) -> int:
    """Trains the run or the sweep that the overrides describe.

    Raises:
        DltrainError, ExceptionGroup: nothing was started and nothing written; or training failed, and status.json
            says why.
    """
    began = perf_counter()
    flags = COMMANDS["train"].parse(arguments)
    if flags.shell_completion:
        from dltrain.cli import completion

        return completion.run(flags.words, os.environ)
    with imports():
        from dltrain.config import show
        from dltrain.config.compose import Sweep, compose
        from dltrain.config.quoting import quote

    overrides = [quote(override) for override in flags.words]
    if flags.hydra_help or flags.info or flags.cfg:
        return show.show(flags, overrides)
    named = {key for key in ("hydra.run.dir", "hydra.sweep.dir") if _is_named(key, overrides)}
    described = compose(overrides, flags.config_dir, multirun=flags.multirun)

    with imports():
        from dltrain.experiment.log import configure_logging
        from dltrain.experiment.run import run_single
        from dltrain.experiment.signals import Stopped
        from dltrain.experiment.sweep import run_sweep
        from dltrain.experiment.sweep_folder import Command

    quiet = options.quiet or options.json
    configure_logging(console=not quiet)
    if isinstance(described, Sweep):
        command = Command(tuple(flags.words), flags.config_dir, multirun=flags.multirun)
        code, answer = run_sweep(described, command, named="hydra.sweep.dir" in named, quiet=quiet)
        if options.json:
            print(json.dumps(answer, ensure_ascii=False))
        return code
    try:
        run_dir = run_single(described, began, named="hydra.run.dir" in named)
    except Stopped as stopped:
        if options.json:
            print(json.dumps(stopped.status, ensure_ascii=False))
        elif not stopped.status:
            raise  # no run had begun that would have said so
        return stopped.exit_code
    if options.json:
        from dltrain.runs.result import Result

        print(json.dumps(Result.read(run_dir).as_dict(), ensure_ascii=False))
    return 0


def _is_named(key: str, overrides: Sequence[str]) -> bool:
    """Tells whether the user chose a folder.

    Raises:
        ConfigError: the folder is empty.
    """
    values = [override.partition("=")[2] for override in overrides if override.lstrip("+").startswith(f"{key}=")]
    if any(value.strip("'\" ") in ("", "null") for value in values):
        raise ConfigError("the folder is empty", where=key, fix="give a folder", override=f"{key}=outputs/mine")
    return bool(values)

"""The command line: each command is imported when it is called, and every error ends here."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from dltrain.cli.commands import COMMANDS, FLAGS, Options
from dltrain.cli.compiler import delay_compiler
from dltrain.cli.proposals import leaves, propose
from dltrain.errors import ConfigError, DltrainError, explained
from dltrain.experiment.signals import heard

# What other tools call the commands.
COMMANDS_OF_OTHERS = {
    "fit": "train",
    **dict.fromkeys(("test", "eval", "validate", "score"), "evaluate"),
    **dict.fromkeys(("infer", "inference", "generate", "forecast"), "predict"),
    **dict.fromkeys(("convert", "save"), "export"),
    **dict.fromkeys(("lr_find", "lr-find", "find-lr"), "find_lr"),
    "ls": "runs",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; prints each error as one line that says how to fix it."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = Options(**{name: flag in argv for flag, name in FLAGS.items()})
    arguments = [argument for argument in argv if argument not in FLAGS]
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # for the user's own models and data
    delay_compiler()
    code = 0
    try:
        with heard():
            return _call(arguments, options)
    except* KeyboardInterrupt as group:
        print("dltrain: interrupted", file=sys.stderr)
        code = getattr(group.exceptions[0], "exit_code", 130)
    except* BrokenPipeError:
        code = 0
    except* Exception as group:
        if options.debug:
            traceback.print_exception(group)
        raised = list(leaves(group))
        errors = list(filter(None, map(explained, raised)))
        command_line, corrects = propose(argv, errors)
        for error in errors:
            print(f"dltrain: error: {spelled(error, command_line if error in corrects else '')}", file=sys.stderr)
        if not errors:
            fault = raised[0]
            print(f"dltrain: error: {type(fault).__name__}: {fault}; fix: see where with --debug", file=sys.stderr)
        code = code or (errors[0].exit_code if errors else 1)  # an interrupted command may also fail while it ends
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output is gone; Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _call(arguments: list[str], options: Options) -> int:
    if not arguments or any(argument in ("-h", "--help", "--version") for argument in arguments):
        from dltrain.cli.help import write_help

        return write_help(arguments)
    name = arguments[0] if arguments and arguments[0] in COMMANDS else "train"
    if arguments and arguments[0] == name:
        arguments = arguments[1:]
    elif arguments:
        _refuse_misspelt_command(arguments[0])
        _refuse_late_command(arguments)
    command = importlib.import_module(f"dltrain.cli.{name}")
    return int(command.run(arguments, options))


def spelled(error: DltrainError, command_line: str = "") -> str:
    """Returns `WHAT at WHERE; fix: HINT`, with the corrected command if there is one."""
    where = f" at {error.where}" if error.where else ""
    fix = ": ".join(part for part in (error.fix, command_line) if part)
    return f"{error.what}{where}" + (f"; fix: {fix}" if fix else "")


def _refuse_misspelt_command(word: str) -> None:
    from dltrain.config.validation import nearest

    if "=" in word or word.startswith("-"):
        return
    near = COMMANDS_OF_OTHERS.get(word) or nearest(word, list(COMMANDS))
    if near:
        raise ConfigError(f"no such command: {word}", fix=f"did you mean {near}?", override=near, replaces=word)


def _refuse_late_command(arguments: Sequence[str]) -> None:
    for before, word in pairwise(arguments):
        if word in COMMANDS and not before.startswith("--") and not Path(word).exists():
            sweeps = {"-m", "--multirun"} & {*arguments} and word not in ("train", "check")
            also = "; only train and check take -m" if sweeps else ""
            raise ConfigError(f"the command {word} must be the first argument{also}", fix=COMMANDS[word].usage)

"""The command line: each command is imported when it is called, and every error ends here."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from dltrain.cli.commands import COMMANDS, FLAGS, Options
from dltrain.errors import ConfigError, DltrainError, explained
from dltrain.experiment.signals import heard


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; every error ends here, as one line that says how to mend it."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = Options(**{name: flag in argv for flag, name in FLAGS.items()})
    arguments = [argument for argument in argv if argument not in FLAGS]
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # for models and data of the user's own
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
        leaves = list(_leaves(group))
        errors = list(filter(None, map(explained, leaves)))
        command_line = corrected(argv, errors)
        for error in errors:
            print(f"dltrain: error: {spelled(error, command_line)}", file=sys.stderr)
        if not errors:
            fault = leaves[0]
            print(f"dltrain: error: {type(fault).__name__}: {fault}; fix: see where with --debug", file=sys.stderr)
        code = code or (errors[0].exit_code if errors else 1)  # who was interrupted may fail on the way out
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _call(arguments: list[str], options: Options) -> int:
    if _asks_for_help(arguments):
        from dltrain.cli.help import write_help

        return write_help(arguments)
    name = arguments[0] if arguments and arguments[0] in COMMANDS else "train"
    if arguments and arguments[0] == name:
        arguments = arguments[1:]
    elif arguments:
        _refuse_misspelt_command(arguments[0])
    command = importlib.import_module(f"dltrain.cli.{name}")
    return int(command.run(arguments, options))


def spelled(error: DltrainError, command_line: str) -> str:
    """WHAT at WHERE; fix: HINT, with the corrected command where there is one."""
    where = f" at {error.where}" if error.where else ""
    fix = ": ".join(part for part in (error.fix, command_line if error.override else "") if part)
    return f"{error.what}{where}" + (f"; fix: {fix}" if fix else "")


def corrected(argv: Sequence[str], errors: Sequence[DltrainError]) -> str:
    """The command as it was typed, with every error's correction in it."""
    words = list(argv)
    for error in errors:
        if error.override:
            words = _replace(words, error.replaces or error.override.split("=")[0], error.override)
    return "dltrain " + " ".join(word if word.startswith("-") else shlex.quote(word) for word in words)


def _replace(words: list[str], old: str, new: str) -> list[str]:
    """Puts `new` where `old` stands: a key, keeping its value if `new` is a key too, or whole words."""
    parts = old.split(" ")
    for start in reversed(range(len(words))):  # of a key that is given twice, the last value counts
        if words[start : start + len(parts)] == parts:
            return [*words[:start], *new.split(" "), *words[start + len(parts) :]]
        key, separator, value = words[start].partition("=")
        if separator and key.lstrip("+~") == old:
            keeps_value = "=" not in new and not new.startswith("-")
            return [*words[:start], f"{new}={value}" if keeps_value else new, *words[start + 1 :]]
    # What is to be replaced was not typed: it came from a config, and only a whole override can mend that.
    return [*words, new] if "=" in new or new.startswith("-") else words


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return not arguments or any(argument in ("-h", "--help", "--version") for argument in arguments)


def _refuse_misspelt_command(word: str) -> None:
    from dltrain.config.validation import nearest

    if "=" in word or word.startswith("-"):
        return
    near = nearest(word, list(COMMANDS))
    if near:
        raise ConfigError(f"no such command: {word}", fix=f"did you mean {near}?", override=near, replaces=word)


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        yield from _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]

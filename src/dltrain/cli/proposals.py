"""The corrected command that is printed with an error: built here, and tried before it is printed."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence

from dltrain.cli.commands import COMMANDS, FLAGS
from dltrain.config.foreign_keys import counterpart
from dltrain.errors import ConfigError, DltrainError, explained

ROUNDS = 3  # of corrections that need further corrections
SWEEPS = re.compile(r"(choice|range|interval|glob)\(")  # Hydra's ways to give several values


def propose(argv: Sequence[str], errors: Sequence[DltrainError]) -> tuple[str, list[DltrainError]]:
    """Returns the command as typed with the errors' corrections in it, and which of the errors it corrects.

    A correction that fails itself, or whose key is refused, is left out; the user then has only the words of its
    fix. If a correction makes another key necessary, such as a path, it is added where its value is certain.

    Args:
        argv: as typed.
        errors: what is wrong with the command.
    """
    changing = [error for error in errors if error.override and corrected(argv, [error]) != list(argv)]
    tried = [error for error in changing if not _drops_values(argv, error)]
    while tried:
        words = corrected(argv, tried)
        remaining = list(_remaining(words, tried))
        failing = {key for error in remaining for key in (_key_of(error.where), error.replaces) if key}
        working = [error for error in tried if not failing & _keys_of(error)]
        if len(working) == len(tried):
            return spell(_completed(words, remaining, tried)), tried
        tried = working
    return "", []


def corrected(argv: Sequence[str], errors: Sequence[DltrainError]) -> list[str]:
    """Returns the words of a command with every error's correction applied."""
    words = list(argv)
    for error in errors:
        if error.override:
            words = _replace(words, error.replaces or error.override.split("=")[0], error.override)
    return words


def spell(words: Sequence[str]) -> str:
    """Returns the words as a command that can be pasted into a shell."""
    return "dltrain " + " ".join(word if word.startswith("-") else shlex.quote(word) for word in words)


def leaves(error: BaseException) -> Iterator[Exception]:
    """Yields the single errors of nested exception groups."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    elif isinstance(error, Exception):
        yield error


def _completed(words: Sequence[str], remaining: Sequence[DltrainError], tried: Sequence[DltrainError]) -> list[str]:
    """Returns a corrected command with the keys that its corrections made necessary."""
    completed = list(words)
    for _ in range(ROUNDS):
        further = [error for error in remaining if error.override]
        if not further or corrected(completed, further) == completed:
            return completed
        previous, completed = completed, corrected(completed, further)
        remaining = list(_remaining(completed, tried))
        if {_key_of(error.where) for error in remaining} & {key for error in further for key in _keys_of(error)}:
            return previous
    return completed


def _remaining(words: Sequence[str], tried: Sequence[DltrainError]) -> Iterator[DltrainError]:
    """Yields what is still wrong with a corrected command, as far as one can tell without loading data.

    Values are checked if torch is imported already, or if a key comes from another tool, whose values may have
    another form.
    """
    foreign = any(counterpart(_key_of(error.where)) is not None for error in tried)
    try:
        _try(list(words), values=foreign or "torch" in sys.modules)
    except Exception as group:
        for error in leaves(group):
            explanation = explained(error)
            yield explanation if explanation is not None else ConfigError(str(error), where=_key_of(tried[0].where))


def _try(words: list[str], *, values: bool) -> None:
    """Does everything that a command does before it reads data.

    Raises:
        DltrainError, ExceptionGroup: something is wrong with the words.
    """
    arguments = [word for word in words if word not in FLAGS]
    name = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "train"
    command = COMMANDS[name]
    if name == "resume":
        _try_resume(arguments)
        return
    if name not in ("train", "check", "find_lr"):
        command.read(arguments) if name != "runs" else command.parse(arguments)
        return
    flags = command.parse(arguments)
    from dltrain.config.compose import Sweep, compose, compose_raw
    from dltrain.config.quoting import quote

    overrides = [quote(word) for word in flags.words]
    if getattr(flags, "cfg", None) or getattr(flags, "info", None):
        compose_raw(overrides, flags.config_dir)
        return
    described = compose(overrides, flags.config_dir, multirun=getattr(flags, "multirun", False))
    if values:
        from dltrain.experiment.targets import check, drop_leftovers

        for job in described.jobs if isinstance(described, Sweep) else [described]:
            drop_leftovers(job.config, job.overrides)
            if errors := check(job.config):
                raise ExceptionGroup("config", errors)


def _try_resume(arguments: Sequence[str]) -> None:
    from dltrain.config.quoting import quote
    from dltrain.experiment.resume import apply, read_config
    from dltrain.runs.folder import RunDir

    flags, (folder,) = COMMANDS["resume"].read(arguments)
    apply([quote(f"{key}={value}") for key, value in flags.overrides.items()], read_config(RunDir(folder)).copy())


def _drops_values(argv: Sequence[str], error: DltrainError) -> bool:
    """Tells whether a correction would put one value in place of the several that a sweep was given."""
    from dltrain.config.quoting import split_top_level

    key, _, new = error.override.partition("=")
    typed = [word.partition("=")[2] for word in argv if word.partition("=")[0].lstrip("+") == key]
    several = bool(typed) and (len(split_top_level(typed[-1])) > 1 or bool(SWEEPS.match(typed[-1])))
    return several and len(split_top_level(new)) < 2 and not new.startswith("[")


def _keys_of(error: DltrainError) -> set[str]:
    """Returns the keys of a correction: where the error was, and what the correction sets."""
    return {_key_of(error.where), *(part.partition("=")[0] for part in error.override.split(" "))}


def _key_of(where: str) -> str:
    """Returns the key of a place, without the file that it may name."""
    return where.partition(" in ")[0]


def _replace(words: list[str], old: str, new: str) -> list[str]:
    """Replaces `old` by `new`: whole words, or a key, which keeps its value if `new` is a key too."""
    parts = old.split(" ")
    for start in reversed(range(len(words))):  # if a key is given twice, its last value counts
        if words[start : start + len(parts)] == parts:
            return [*words[:start], *new.split(" "), *words[start + len(parts) :]]
        key, separator, value = words[start].partition("=")
        if separator and key.lstrip("+~") == old:
            keeps_value = "=" not in new and not new.startswith("-")
            new_words = [f"{new}={value}"] if keeps_value else new.split(" ")
            return [*words[:start], *new_words, *words[start + 1 :]]
    # `old` was not typed: it comes from a config, and only a whole override can correct that.
    return [*words, *new.split(" ")] if "=" in new or new.startswith("-") else words

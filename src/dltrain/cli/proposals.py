"""The corrected command that an error is shown with: put together here, and tried before it is printed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence

from dltrain.cli.commands import COMMANDS, FLAGS
from dltrain.config.foreign_keys import counterpart
from dltrain.errors import ConfigError, DltrainError, explained

ROUNDS = 3  # of corrections that ask for further ones


def propose(argv: Sequence[str], errors: Sequence[DltrainError]) -> tuple[str, list[DltrainError]]:
    """Returns the command as it was typed with the errors' corrections in it, and which of the errors it corrects.

    A correction that fails where it was made, or whose key is refused, is left out: then the words of its fix have to
    do. What the corrected command lacks because of the correction, such as a path, is added if that is known.

    Args:
        argv: as typed.
        errors: what is wrong with it.
    """
    tried = [error for error in errors if error.override and corrected(argv, [error]) != list(argv)]
    while tried:
        words = corrected(argv, tried)
        remaining = list(_remaining(words, tried))
        failing = {_place(error.where) for error in remaining}
        kept = [error for error in tried if not failing & _places(error)]
        if len(kept) == len(tried):
            return spell(_completed(words, remaining, tried)), tried
        tried = kept
    return "", []


def corrected(argv: Sequence[str], errors: Sequence[DltrainError]) -> list[str]:
    """Returns the words of a command with every error's correction in them."""
    words = list(argv)
    for error in errors:
        if error.override:
            words = _replace(words, error.replaces or error.override.split("=")[0], error.override)
    return words


def spell(words: Sequence[str]) -> str:
    """Returns the words as a command that can be pasted into a shell."""
    return "dltrain " + " ".join(word if word.startswith("-") else shlex.quote(word) for word in words)


def leaves(error: BaseException) -> Iterator[Exception]:
    """Returns the errors of a group of groups of errors, one by one."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    elif isinstance(error, Exception):
        yield error


def _completed(words: Sequence[str], remaining: Sequence[DltrainError], tried: Sequence[DltrainError]) -> list[str]:
    """Returns a corrected command with what it lacks since it was corrected."""
    completed = list(words)
    for _ in range(ROUNDS):
        further = [error for error in remaining if error.override]
        if not further or corrected(completed, further) == completed:
            return completed
        previous, completed = completed, corrected(completed, further)
        remaining = list(_remaining(completed, tried))
        if {_place(error.where) for error in remaining} & {place for error in further for place in _places(error)}:
            return previous
    return completed


def _remaining(words: Sequence[str], tried: Sequence[DltrainError]) -> Iterator[DltrainError]:
    """Returns what is still wrong with a corrected command, as far as that shows without loading data.

    Values are checked where torch is there already, or where a key comes from another tool: its values may be of
    another form.
    """
    foreign = any(counterpart(_place(error.where)) is not None for error in tried)
    try:
        _try(list(words), values=foreign or "torch" in sys.modules)
    except Exception as group:
        for error in leaves(group):
            known = explained(error)
            yield known if known is not None else ConfigError(str(error), where=_place(tried[0].where))


def _try(words: list[str], *, values: bool) -> None:
    """Does what a command does before it reads any data.

    Raises:
        DltrainError, ExceptionGroup: of what is wrong with the words.
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


def _places(error: DltrainError) -> set[str]:
    """Returns the keys at which a correction has failed if they are refused: where it was made, and what it sets."""
    return {_place(error.where), *(part.partition("=")[0] for part in error.override.split(" "))}


def _place(where: str) -> str:
    """Returns the key of a place, without the file that it may stand in."""
    return where.partition(" in ")[0]


def _replace(words: list[str], old: str, new: str) -> list[str]:
    """Puts `new` where `old` stands: a key, keeping its value if `new` is a key too, or whole words."""
    parts = old.split(" ")
    for start in reversed(range(len(words))):  # of a key that is given twice, the last value counts
        if words[start : start + len(parts)] == parts:
            return [*words[:start], *new.split(" "), *words[start + len(parts) :]]
        key, separator, value = words[start].partition("=")
        if separator and key.lstrip("+~") == old:
            keeps_value = "=" not in new and not new.startswith("-")
            new_words = [f"{new}={value}"] if keeps_value else new.split(" ")
            return [*words[:start], *new_words, *words[start + 1 :]]
    # What is to be replaced was not typed: it came from a config, and only a whole override can correct that.
    return [*words, *new.split(" ")] if "=" in new or new.startswith("-") else words

"""The corrected command that is printed with an error: built here, and tried before it is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from dltrain.cli.commands import COMMANDS, FLAGS
from dltrain.config.options import groups
from dltrain.errors import LEAVE_OUT, ConfigError, DltrainError, explained

ROUNDS = 4  # of corrections that need further corrections
SWEEPS = re.compile(r"(choice|range|interval|glob)\(")  # Hydra's ways to give several values
_ALL_FLAGS = [flag for command in COMMANDS.values() for flag in command.flags]
_WITH_VALUE = {name for flag in _ALL_FLAGS if flag.value and flag.optional is None for name in flag.names}
_REPEATED = {name for flag in _ALL_FLAGS if flag.many for name in flag.names}


def propose(argv: Sequence[str], errors: Sequence[DltrainError]) -> tuple[str, list[DltrainError]]:
    """Returns the command as typed with the errors' corrections in it, and which of the errors it corrects.

    The command is printed only if nothing is wrong with it any more, as far as one can tell without loading data,
    except for the values that it leaves open (`...`). A correction that is refused itself is left out; the user then
    has only the words of its fix. If a correction makes another one necessary, such as a path, that is made too.

    Args:
        argv: as typed.
        errors: what is wrong with the command.
    """
    tried = [error for error in errors if _applies(error, argv)]
    while tried:
        words, remaining = _completed(corrected(argv, tried))
        if not remaining:
            return ("", []) if _contradictory(words, argv) else (spell(words), tried)
        failing = {key for error in remaining for key in (_key_of(error.where), error.replaces) if key}
        working = [error for error in tried if not failing & _keys_of(error)]
        if len(working) == len(tried):
            break
        tried = working
    return "", []


def corrected(argv: Sequence[str], errors: Sequence[DltrainError]) -> list[str]:
    """Returns the words of a command with every error's correction applied."""
    words = list(argv)
    for error in errors:
        if error.override:
            old = error.replaces or error.override.split("=")[0]
            others = {part.partition("=")[0] for part in _split(error.override)[1:] if "=" in part} - _REPEATED
            words = [word for word in words if (key := word.partition("=")[0]) == old or key not in others]
            words = _replace(words, old, error.override)
    return words


def spell(words: Sequence[str]) -> str:
    """Returns the words as a command that can be pasted into a shell."""
    return "dltrain " + shlex.join(words)


def leaves(error: BaseException) -> Iterator[Exception]:
    """Yields the single errors of nested exception groups."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    elif isinstance(error, Exception):
        yield error


def _completed(words: list[str]) -> tuple[list[str], list[DltrainError]]:
    """Returns a corrected command with the corrections that it needs in turn, and what is wrong with it then."""
    for _ in range(ROUNDS):
        remaining = [error for error in _remaining(words) if not _is_open(error, words)]
        further = corrected(words, [error for error in remaining if _applies(error, words)])
        if not remaining or further == words:
            break
        words = further
    return words, remaining


def _contradictory(words: Sequence[str], argv: Sequence[str]) -> bool:
    """Tells whether corrections give one key two values, because two typed keys stand for it."""
    values: dict[str, set[str]] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if separator and word not in argv:
            values.setdefault(key, set()).add(value)
    return any(len(each) > 1 for key, each in values.items() if key not in _REPEATED)


def _applies(error: DltrainError, words: Sequence[str]) -> bool:
    """Tells whether an error has a correction that changes the words and keeps what they say."""
    return bool(error.override) and corrected(words, [error]) != list(words) and not _drops_values(words, error)


def _is_open(error: DltrainError, words: Sequence[str]) -> bool:
    """Tells whether an error concerns a value that the command leaves to the user."""
    return f"{_key_of(error.where)}=..." in words


def _remaining(words: Sequence[str]) -> Iterator[DltrainError]:
    """Yields what is still wrong with a corrected command, as far as one can tell without loading data."""
    try:
        _try(list(words))
    except Exception as group:
        for error in leaves(group):
            yield explained(error) or ConfigError(str(error))


def _try(words: list[str]) -> None:
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
    jobs = described.jobs if isinstance(described, Sweep) else [described]
    if all(word.partition("=")[0] in groups() for word in overrides) and not any(job.key_files for job in jobs):
        return  # all values are dltrain's own
    from dltrain.experiment.targets import check, drop_leftovers

    for job in jobs:
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
    if key.startswith("-"):
        return False  # only keys have sweeps
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
    """Returns the words with `new` in place of `old`: whole words, or a key or flag, which may keep its value."""
    if old in _REPEATED and new.startswith(f"{old}="):
        return [*words, new]  # beside the values that the flag has already
    for start in reversed(range(len(words))):  # if a key is given twice, its last value counts
        before, name, after = words[:start], words[start], words[start + 1 :]
        if name == old:
            has_value = old in _WITH_VALUE and "=" in new
            return [*before, *(_split(new) if "=" in new or new == LEAVE_OUT else [new]), *after[has_value:]]
        for count in (2, 3):
            if " ".join(words[start : start + count]) == old:
                return [*before, *_split(new), *words[start + count :]]
        key, separator, value = name.partition("=")
        if separator and key.lstrip("+~") == old:
            keeps_value = "=" not in new and new != LEAVE_OUT and old.startswith("-") == new.startswith("-")
            return [*before, *([f"{new}={value}"] if keeps_value else _split(new)), *after]
    # `old` was not typed: it comes from a config, and only a whole override can correct that.
    return [*words, *_split(new)] if "=" in new or new.startswith("-") else words


def _split(text: str) -> list[str]:
    """Returns the words of an override: several keys or flags, whose values may contain blanks, or plain words."""
    if text == LEAVE_OUT:
        return []
    return re.split(r" (?=[-+~\w./@]+=|-)", text) if "=" in text else text.split(" ")

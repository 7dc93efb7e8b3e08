"""The arguments of a command: declared once; parsing and help both follow the declaration."""

from __future__ import annotations

import re
import shutil
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from dltrain.config.foreign_keys import Counterpart, counterpart, translated
from dltrain.config.validation import nearest, unknown_key
from dltrain.errors import LEAVE_OUT, ConfigError


@dataclass(frozen=True)
class Flag:
    """A flag of a command.

    Args:
        names: such as `-o` and `--output`; the parsed value is stored under the last one.
        line: what it does; empty if help leaves the flag out.
        value: the placeholder of its value in help, such as `FILE`; empty for a switch.
        kind: converts the text to the value.
        default: the value if the flag is not given.
        many: whether it may be given several times.
        choices: the allowed values.
        proposals: values for Tab completion, of which other ones are refused later.
        optional: the value if the flag is given without one; None if it needs a value.
    """

    names: tuple[str, ...]
    line: str
    value: str = ""
    kind: Callable[[str], Any] = str
    default: Any = None
    many: bool = False
    choices: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()
    optional: str | None = None

    def declare(self, parser: ArgumentParser) -> None:
        """Adds the flag to a parser."""
        if not self.value:
            parser.add_argument(*self.names, action="store_true")
            return
        more: dict[str, Any] = {"choices": self.choices} if self.choices else {}
        if self.many:
            more |= {"action": "append", "default": []}
        elif self.optional is not None:
            more |= {"nargs": "?", "const": self.optional, "default": self.default}
        else:
            more |= {"default": self.default}
        parser.add_argument(*self.names, type=self.kind, **more)

    @property
    def signature(self) -> str:
        """Returns the flag as help prints it, such as `-o, --output FILE`."""
        return ", ".join(self.names) + (f" {self.value}" if self.value else "")


EVERYWHERE = (
    Flag(("--quiet",), "print nothing but warnings and errors"),
    Flag(("--json",), "end with the result as one line of JSON, and print nothing else"),
    Flag(("--debug",), "show tracebacks"),
    Flag(("-h", "--help"), "show this page"),
)


@dataclass(frozen=True)
class Command:
    """A command of the command line.

    Args:
        name: as it is typed.
        line: what it does, in a few words.
        usages: what follows the name, one text for each form of the command.
        names: positional arguments, such as `RUN`; optional ones are in brackets, at the end, and `...` after the
            last one allows several.
        flags: its own flags, in addition to those of every command.
        keys: the keys that `key=value` can set, each with a line of help.
        any_key: whether every key of the config can be set; then `keys` lists the most common ones.
        examples: two commands, each with what it does.
        notes: further paragraphs of help.
    """

    name: str
    line: str
    usages: tuple[str, ...]
    names: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    any_key: bool = False
    examples: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """Returns how the command is called, in one line."""
        return ", or ".join(f"dltrain {self.name} {usage}".rstrip() for usage in self.usages)

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """Returns the flags, and all other words as `words`; flags and words may be mixed.

        Raises:
            ConfigError: a flag does not exist, or its value is wrong.
        """
        parser = _Parser(self, arguments)
        parser.add_argument("words", nargs="*")
        for flag in self.flags:
            flag.declare(parser)
        parsed = parser.parse_intermixed_args(list(arguments))
        for flag in self.flags:
            if flag.value == "MODULE":
                _check_modules(flag.names[-1], arguments)
        return parsed

    def read(self, arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
        """Returns the flags, with the values of keys as `overrides`, and the positional arguments.

        Raises:
            ConfigError: an argument is missing or unexpected, or a key or flag does not exist.
        """
        parsed = self.parse(arguments)
        overrides: dict[str, str] = {}
        named: list[str] = []
        for word in parsed.words:
            key, separator, value = word.partition("=")
            if separator and "/" not in key and self._takes(key):
                if not self.any_key and key not in self.keys:
                    refusal = unknown_key(key, sorted(self.keys), value)
                    if key == "data" and "data.path" in self.keys:
                        refusal.fix, refusal.override = "write data.path", "data.path"
                    raise refusal
                overrides[key] = value
            else:
                named.append(word)
        least = sum(not name.startswith("[") for name in self.names)
        if self.names[:2] == ("RUN", "[INPUT ...]") and len(named) == 2 and _is_run(named[1]) and not _is_run(named[0]):
            right, typed = f"{named[1]} {named[0]}", " ".join(named)
            raise ConfigError("the run comes before the input", where=typed, override=right, replaces=typed)
        if len(named) < least:
            raise ConfigError(f"{self.names[len(named)].removesuffix(' ...')} is missing", fix=self.usage)
        several = bool(self.names) and self.names[-1].rstrip("]").endswith("...")
        if len(named) > len(self.names) and not several:
            extra = named[len(self.names)]
            key, separator, value = extra.partition("=")
            if separator and any(own.rpartition(".")[2] == key for own in self.keys):
                raise unknown_key(key, sorted(self.keys), value)
            if new := self._argument_meant(extra):
                what, fix = f"unexpected argument {extra}", "write its key" if "--" not in new else "write it as a flag"
                raise ConfigError(what, where=extra, fix=fix, override=new, replaces=extra)
            near = nearest(extra.partition("=")[0], list(self.keys))
            raise ConfigError(
                f"unexpected argument {extra}", where=extra, fix=f"did you mean {near}=...?" if near else self.usage
            )
        parsed.overrides = overrides
        return parsed, named

    def _argument_meant(self, word: str) -> str:
        """Returns the key or flag that a superfluous word is the value of, or is without its dashes; else nothing."""
        if "data.path" in self.keys and Path(word).exists():
            return f"data.path={word}"
        name, separator, _ = word.partition("=")
        return f"--{word}" if separator and any(f"--{name}" in flag.names for flag in self.flags) else ""

    def _takes(self, key: str) -> bool:
        """Tells whether a word with this key sets the key, and is not the name of a file that contains `=`."""
        return self.any_key or key.split(".")[0] in {own_key.split(".")[0] for own_key in self.keys}

    def help_text(self) -> str:
        """Returns the command's page: usage, flags, keys and two examples."""
        lines = [f"usage: dltrain {self.name} {usage}".rstrip() for usage in self.usages]
        parts = ["\n".join([lines[0], *(line.replace("usage:", "      ") for line in lines[1:])])]
        parts.append(_wrapped(self.line[0].upper() + self.line[1:] + "."))
        parts += [_wrapped(note) for note in self.notes]
        flags = [(flag.signature, flag.line) for flag in (*self.flags, *EVERYWHERE) if flag.line]
        parts.append("flags\n" + table(flags))
        if self.keys:
            parts.append("keys\n" + table([(f"{key}=", line) for key, line in self.keys.items()]))
        if self.examples:
            parts.append("examples\n" + table(self.examples))
        return "\n\n".join(parts)


class _Parser(ArgumentParser):
    """Parses a command's arguments, and raises dltrain's own errors."""

    def __init__(self, command: Command, arguments: Sequence[str]) -> None:
        super().__init__(prog="dltrain", usage=command.usage, add_help=False, allow_abbrev=False)
        self.command, self.arguments = command, arguments

    def error(self, message: str) -> NoReturn:
        flag_names = [name for flag in (*self.command.flags, *EVERYWHERE) for name in flag.names]
        unknown = [word for word in self.arguments if _is_flag(word) and word.partition("=")[0] not in flag_names]
        if not unknown:
            raise ConfigError(message, fix=self.command.usage)
        errors = [self._unknown_flag(word, flag_names) for word in unknown]
        raise errors[0] if len(errors) == 1 else ExceptionGroup("flags", errors)

    def _unknown_flag(self, word: str, flag_names: Sequence[str]) -> ConfigError:
        name = word.partition("=")[0]
        is_input = name.lstrip("-") in ("data", "input", "file")
        near = _FLAGS_OF_OTHERS.get(name.lstrip("-").replace("-", "_"), "")
        near = near or ("" if is_input else _nearest_flag(name, flag_names))
        if near in flag_names:
            return ConfigError(f"there is no flag {name}", fix=f"did you mean {near}?", override=near, replaces=name)
        as_key = _key_as_flag(word, self.arguments, self.command)
        if as_key is None and is_input and "[INPUT ...]" in self.command.names:
            fix = f"give the input without a flag: dltrain {self.command.name} {self.command.usages[0]}"
            return ConfigError(f"there is no flag {name}", fix=fix)
        return as_key or ConfigError(f"there is no flag {name}", fix=f"see dltrain {self.command.name} --help")


def _nearest_flag(word: str, names: Sequence[str]) -> str:
    """Returns the flag most like a misspelt one; for one letter, the only long flag that begins with it; empty
    where there is none."""
    if word.startswith("--"):
        return nearest(word, names)
    starting = [name for name in names if name.startswith(f"-{word}")]
    return starting[0] if len(starting) == 1 else ""


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Returns rows of two columns as text, the second column wrapped to the width of the terminal."""
    width = max(len(first) for first, _ in rows)
    room = max(40, min(100, shutil.get_terminal_size((100, 40)).columns) - width - 4)
    lines = []
    for first, second in rows:
        wrapped = textwrap.wrap(second, room) or [""]
        lines.append(f"  {first:<{width}}  {wrapped[0]}".rstrip())
        lines += [" " * (width + 4) + line for line in wrapped[1:]]
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, max(40, min(100, shutil.get_terminal_size((100, 40)).columns)))


def _check_modules(name: str, arguments: Sequence[str]) -> None:
    """Checks that each value of a flag is one module.

    Raises:
        ConfigError: a value is a list.
    """
    for typed in (*arguments, *map(" ".join, pairwise(arguments))):
        value = typed[len(name) + 1 :]
        if typed in (f"{name}={value}", f"{name} {value}") and "," in value:
            each = " ".join(f"{name}={module}" for module in value.split(","))
            fix = f"give {name} for each"
            raise ConfigError(f"{value} is not one module", where=name, fix=fix, override=each, replaces=typed)


def _is_run(folder: str) -> bool:
    return Path(folder, "status.json").is_file()


def _is_flag(word: str) -> bool:
    return word.startswith("-") and not re.match(r"-\.?\d", word)


def _key_as_flag(word: str, arguments: Sequence[str], command: Command) -> ConfigError | None:
    """Returns the error for a key that was typed as a flag, as in `--epochs 10`; None if the command has no such key.

    A key with a section, as in `--trainer.max_epochs=5`, is checked when the corrected command is composed.
    """
    typed, separator, value = word.lstrip("-").partition("=")
    name = typed.replace("-", "_")
    following = arguments[list(arguments).index(word) + 1 :][:1]
    replaced = word
    if not separator and following and "=" not in following[0] and not _is_flag(following[0]):
        value, replaced = following[0], f"{word} {following[0]}"
    foreign = counterpart(name)
    if command.any_key and foreign is not None and foreign.words:
        needless = foreign.is_needless(value or "true")
        override, replaces = (LEAVE_OUT, replaced) if needless else ("", "")
        return ConfigError(
            f"there is no flag --{typed}", fix=foreign.fix(value or "true"), override=override, replaces=replaces
        )
    key = _key_of_flag(name, command)
    if not key:
        return None
    value = translated(name, key, value or "true") or value
    fix = f"use the key {key}"
    if not value:
        return ConfigError(f"there is no flag --{typed}", fix=f"{fix}: {key}=...")
    return ConfigError(f"there is no flag --{typed}", fix=fix, override=f"{key}={value}", replaces=replaced)


def _key_of_flag(name: str, command: Command) -> str:
    """Returns the only key of a command that a flag can mean, dltrain's or another tool's; empty if there is none."""
    foreign = counterpart(name)
    if not command.any_key:
        if name in ("data", "input", "file") and "data.path" in command.keys:
            return "data.path"
        meant = [key for key in command.keys if name in (key, key.rpartition(".")[2]) or key in _keys_of(foreign)]
        return meant[0] if len(meant) == 1 else ""
    from dltrain.config.overrides import keys_named

    groups_and_keys = keys_named(name)
    return groups_and_keys[0] if len(groups_and_keys) == 1 else next(iter(_keys_of(foreign)), "")


def _keys_of(foreign: Counterpart | None) -> Sequence[str]:
    return () if foreign is None else foreign.keys


# The names that other tools have for flags.
_FLAGS_OF_OTHERS: Mapping[str, str] = {
    **dict.fromkeys(("output_file", "output_path", "out", "outfile", "save_to"), "--output"),
    **dict.fromkeys(("silent", "q"), "--quiet"),
    **dict.fromkeys(("sweep", "grid"), "--multirun"),
    **dict.fromkeys(("horizon", "max_new_tokens"), "--steps"),
}

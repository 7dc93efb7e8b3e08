"""The arguments of a command: declared once; parsing and help both follow the declaration."""

from __future__ import annotations

import shutil
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from dltrain.config.foreign_keys import counterpart, translated
from dltrain.config.validation import nearest, unknown_key
from dltrain.errors import ConfigError


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
        optional: the value if the flag is given without one; None if it needs a value.
    """

    names: tuple[str, ...]
    line: str
    value: str = ""
    kind: Callable[[str], Any] = str
    default: Any = None
    many: bool = False
    choices: tuple[str, ...] = ()
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
        return parser.parse_intermixed_args(list(arguments))

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
                    raise unknown_key(key, sorted(self.keys), value)
                overrides[key] = value
            else:
                named.append(word)
        least = sum(not name.startswith("[") for name in self.names)
        if len(named) < least:
            raise ConfigError(f"{self.names[len(named)].removesuffix(' ...')} is missing", fix=self.usage)
        several = bool(self.names) and self.names[-1].rstrip("]").endswith("...")
        if len(named) > len(self.names) and not several:
            extra = named[len(self.names)]
            near = nearest(extra.partition("=")[0], list(self.keys))
            raise ConfigError(
                f"unexpected argument {extra}", where=extra, fix=f"did you mean {near}=...?" if near else self.usage
            )
        parsed.overrides = overrides
        return parsed, named

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
        typed = [word for word in self.arguments if word.startswith("-") and word.partition("=")[0] not in flag_names]
        if not typed:
            raise ConfigError(message, fix=self.command.usage)
        word = typed[0]
        if self.command.any_key and (error := _key_as_flag(word, self.arguments)):
            raise error
        near = _nearest_flag(word.partition("=")[0], flag_names)
        fix = f"did you mean {near}?" if near else f"see dltrain {self.command.name} --help"
        raise ConfigError(f"there is no flag {word}", fix=fix, override=near, replaces=word)


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


def _key_as_flag(word: str, arguments: Sequence[str]) -> ConfigError | None:
    """Returns the error for a key that was typed as a flag, as in `--epochs 10`; None if it is no key."""
    name, separator, value = word.lstrip("-").partition("=")
    name = name.replace("-", "_")
    following = arguments[list(arguments).index(word) + 1 :][:1]
    replaced = word
    if not separator and following and "=" not in following[0] and not following[0].startswith("-"):
        value, replaced = following[0], f"{word} {following[0]}"
    foreign = counterpart(name)
    meant = _PLAIN.get(name) or (foreign.key if foreign is not None else "")
    if foreign is not None and foreign.words:
        return ConfigError(f"there is no flag {word}", fix=foreign.words)
    if not meant:
        return None
    value = translated(name, meant, value or "true") or value
    fix = f"use the key {meant}"
    if not value:
        return ConfigError(f"there is no flag {word}", fix=f"{fix}: {meant}=...")
    return ConfigError(f"there is no flag {word}", fix=fix, override=f"{meant}={value}", replaces=replaced)


# Keys that users type as flags, by the last part of the key.
_PLAIN: Mapping[str, str] = {
    **{name: f"trainer.{name}" for name in ("epochs", "batch_size", "device", "patience", "precision", "accumulate")},
    **{name: f"optimizer.{name}" for name in ("lr", "weight_decay")},
    **{name: f"data.{name}" for name in ("path", "target", "size")},
    **{name: name for name in ("model", "data", "optimizer", "scheduler", "loss", "seed", "experiment")},
    "dropout": "model.dropout",
    "hidden": "model.hidden",
}

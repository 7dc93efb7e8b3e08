"""The arguments of the commands that start from a run folder: names, `key=value` and flags, in any order."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import NoReturn

from dltrain.config.validation import unknown_key
from dltrain.errors import ConfigError


class Arguments(ArgumentParser):
    """Parses a command's arguments, and refuses in dltrain's own words.

    Args:
        usage: of the command, such as `dltrain predict RUN INPUT [-o FILE]`.
    """

    def __init__(self, usage: str) -> None:
        super().__init__(prog="dltrain", usage=usage, add_help=False, allow_abbrev=False)
        self.words = usage

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, fix=self.words)

    def read(
        self,
        arguments: Sequence[str],
        names: Sequence[str],
        keys: Collection[str] | None = (),
        optional: int = 0,
    ) -> tuple[Namespace, list[str]]:
        """The flags, and what stands between them.

        Args:
            arguments: as typed.
            names: what has to be named, such as `RUN`.
            optional: how many of them, at the end, may be left out.
            keys: that may be set by `key=value`, `None` for any; they become the namespace's `overrides`.

        Raises:
            ConfigError: a name is missing, or there is no such key or flag.
        """
        self.add_argument("words", nargs="*")
        parsed = self.parse_intermixed_args(list(arguments))
        overrides: dict[str, str] = {}
        named: list[str] = []
        for word in parsed.words:
            key, separator, value = word.partition("=")
            is_key = keys is None or key.split(".")[0] in {known.split(".")[0] for known in keys}
            if separator and "/" not in key and is_key:
                if keys is not None and key not in keys:
                    raise unknown_key(key, sorted(keys))
                overrides[key] = value
            else:
                named.append(word)
        if len(named) < len(names) - optional:
            raise ConfigError(f"no {names[len(named)]} is named", fix=self.words)
        if len(named) > len(names):
            extra = named[len(names)]
            close = get_close_matches(extra.partition("=")[0], keys or (), n=1)
            raise ConfigError(f"{extra} is too much", fix=f"did you mean {close[0]}=...?" if close else self.words)
        parsed.overrides = overrides
        return parsed, named

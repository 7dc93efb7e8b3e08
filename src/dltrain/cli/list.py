"""`dltrain list [group]`: prints the options of the groups, one line each."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dltrain.cli.commands import COMMANDS, Options
from dltrain.config.options import groups, option_file, options
from dltrain.config.validation import nearest
from dltrain.errors import ConfigError


def run(arguments: Sequence[str], options_: Options) -> int:
    """Prints the options of the given groups, or of all.

    Raises:
        ConfigError: a group does not exist.
    """
    all_groups = groups()
    _, named = COMMANDS["list"].read(arguments)
    for name in named:
        if name not in all_groups:
            near = nearest(name, all_groups)
            raise ConfigError(
                f"there is no group {name}",
                fix=f"did you mean {near}?" if near else f"choose from {', '.join(all_groups)}",
                override=near,
                replaces=name,
            )
    descriptions = {group: {name: describe(group, name) for name in options(group)} for group in named or all_groups}
    if options_.json:
        print(json.dumps(descriptions, ensure_ascii=False))
        return 0
    for group, described in descriptions.items():
        print(group)
        width = max(map(len, described), default=0)
        for name, words in described.items():
            print(f"  {name:<{width}}  {words}")
    return 0


def describe(group: str, name: str) -> str:
    """Returns the first comment of an option's file, except directives and the file's own path; empty if none."""
    path = option_file(group, name)
    for line in path.read_text("utf-8").splitlines():
        words = line.removeprefix("#").strip()
        if line.startswith("#") and "@package" not in line and not f"/{path.as_posix()}".endswith(f"/{words}"):
            return words
    return ""

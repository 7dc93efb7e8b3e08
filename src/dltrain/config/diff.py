"""The changes of a run's config to the defaults for its data and its model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from dltrain.config.defaults import Defaults


class Change(NamedTuple):
    """A key whose value is not the default; values are YAML, and `default` is empty for a key without one."""

    key: str
    default: str
    value: str


def find_changes(config: Mapping[str, Any], choices: Mapping[str, str | None], defaults: Defaults) -> list[Change]:
    """Returns groups with another option than the default, then keys with another value than their option's.

    Args:
        config: the composed values, interpolations unresolved.
        choices: the option of each group.
        defaults: the defaults that they are compared with.
    """
    usual = defaults.options
    changed = [
        Change(group, _spelled(usual.get(group)), _spelled(option))
        for group, option in choices.items()
        if option != usual.get(group)
    ]
    before, after = dict(leaves(defaults.values)), dict(leaves(config))
    return changed + [
        Change(key, "" if before.get(key) == "???" else _spelled(before[key]) if key in before else "", _spelled(value))
        for key, value in after.items()
        if key not in before or before[key] != value
    ]


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted path and the value of every key that holds no others."""
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, int):
        return json.dumps(value)  # the same, a hundred times faster
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()

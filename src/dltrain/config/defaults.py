"""The defaults of a config: what it would be, for its data and its model, without other changes of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dltrain.config.loader import Composed, merge

ON_TOP = ("experiment", "debug", "search")  # groups that change keys of the others


@dataclass(frozen=True)
class Defaults:
    """The defaults that a config is compared with.

    Args:
        values: all values of the picked options, interpolations unresolved.
        options: the option of each group if only data and model are picked.
    """

    values: Mapping[str, Any]
    options: Mapping[str, str | None]


def defaults_of(composed: Composed) -> Defaults:
    """Returns the defaults of a composition, from the files that it read."""
    values: dict[str, Any] = {}
    for file in composed.files:
        if file.group not in ON_TOP:
            merge(values, {name: value for name, value in file.placed.items() if name != "hydra"})
    return Defaults(values, composed.usual_options)

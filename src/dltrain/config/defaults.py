"""What a config is where the user changes nothing: the defaults for its data and its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dltrain.config.loader import Composed, merge

KEPT = ("data", "model")  # groups whose defaults are those of what was picked, whatever was picked
ON_TOP = ("experiment", "debug")  # groups that change keys of the others


@dataclass(frozen=True)
class Defaults:
    """The defaults that a config is compared with.

    Args:
        values: of the options that were picked, interpolations unresolved.
        options: of each group, where nothing but data and model is picked.
    """

    values: Mapping[str, Any]
    options: Mapping[str, str | None]


def defaults_of(composed: Composed) -> Defaults:
    """Returns the defaults of what was composed, from the files that were read for it."""
    values: dict[str, Any] = {}
    for file in composed.files:
        if file.group not in ON_TOP:
            merge(values, {name: said for name, said in file.placed.items() if name != "hydra"})
    return Defaults(values, composed.usual_options(KEPT))

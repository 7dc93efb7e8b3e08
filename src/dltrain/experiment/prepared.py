"""Keeps the objects that were built to check the jobs of a sweep until a launcher of the same process trains them.

Small models alone: what is built again takes longer than it trains, and does not lie beside what is trained meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dltrain.experiment.build import Setup

MOST_BYTES = 2**28  # of the weights of all models that are kept


class Prepared:
    """Built objects by the config that they were built from; each is given once, to whoever trains it."""

    def __init__(self) -> None:
        self._built: dict[str, tuple[Setup, float]] = {}
        self._bytes = 0

    def keep(self, config: Mapping[str, Any], setup: Setup, seconds: float) -> None:
        """Keeps what was built in so many seconds, unless the models are large."""
        self._bytes += sum(parameter.nbytes for parameter in setup.state.model.parameters())
        if self._bytes <= MOST_BYTES:
            self._built[_key(config)] = setup, seconds

    def take(self, config: Mapping[str, Any]) -> tuple[Setup, float] | None:
        """Returns what was built from a config, and the seconds that it took; `None` if it has to be built."""
        return self._built.pop(_key(config), None)

    def forget(self) -> None:
        """Forgets all that nobody has taken."""
        self._built.clear()
        self._bytes = 0


def _key(config: Mapping[str, Any]) -> str:
    return json.dumps(config, default=str)


# Hydra's launchers are given configs alone, so that what is built for them must be global, as their data is.
PREPARED = Prepared()

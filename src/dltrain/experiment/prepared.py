"""Keeps the objects that were built to check the jobs of a sweep until a launcher of the same process trains them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dltrain.experiment.build import Setup


class Prepared:
    """Built objects by the config that they were built from; each is given once, to whoever trains it."""

    def __init__(self) -> None:
        self._built: dict[str, tuple[Setup, float]] = {}

    def keep(self, config: Mapping[str, Any], setup: Setup, seconds: float) -> None:
        """Keeps what was built in so many seconds."""
        self._built[json.dumps(config, sort_keys=True)] = setup, seconds

    def take(self, config: Mapping[str, Any]) -> tuple[Setup, float] | None:
        """Returns what was built from a config, and the seconds that it took; `None` if it has to be built."""
        return self._built.pop(json.dumps(config, sort_keys=True), None)

    def forget(self) -> None:
        """Forgets all that nobody has taken."""
        self._built.clear()


# Hydra's launchers are given configs alone, so that what is built for them must be global, as their data is.
PREPARED = Prepared()

"""Compiles the model of a run while it trains, and says what that gains (`trainer.compile`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dltrain.experiment.build import Setup
from dltrain.training.compilation import compiled

log = logging.getLogger("dltrain")


@contextmanager
def compiled_for(setup: Setup, verbosity: int) -> Iterator[None]:
    """Trains with compiled passes inside the block, if `trainer.compile` asks for them and there are steps left."""
    settings, state = setup.settings, setup.state
    epochs = settings.last_epoch - state.epoch
    if not settings.compile or epochs <= 0:
        yield
        return
    setup.train.set_epoch(state.epoch)
    batch = next(iter(setup.train))
    with compiled(state.model, setup.task, batch, settings.precision) as gain:
        log.log(verbosity, "compile %s", gain.describe(epochs * len(setup.train)))
        yield

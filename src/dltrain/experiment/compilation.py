"""Compiles the model of a run while it trains, and says what that gains (`trainer.compile`)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice

from dltrain.data.loader import TensorLoader
from dltrain.experiment.build import Setup
from dltrain.training.compilation import Shapes, compiled, shapes_of
from dltrain.types import Batch

log = logging.getLogger("dltrain")

LOOKED_AT = 20  # batches, in which the most usual shape is looked for
LEAST_SHARE = 0.5  # of them that must have it


@contextmanager
def compiled_for(setup: Setup, verbosity: int) -> Iterator[Setup]:
    """Trains with compiled passes inside the block, if `trainer.compile` asks for them, there are steps left, and most
    batches have one shape; yields the setup, whose settings say whether it does."""
    settings, state = setup.settings, setup.state
    epochs = settings.last_epoch - state.epoch
    if not settings.compile or epochs <= 0:
        yield setup
        return
    with ExitStack() as stack:
        with setup.profile.measure("compile"):
            batch, share = usual_batch(setup.train)
            if share >= LEAST_SHARE:
                gain = stack.enter_context(compiled(state.model, setup.task, batch, settings.precision))
        shape = "×".join(map(str, batch.inputs[0].shape))
        if share < LEAST_SHARE:
            words = "nothing, because batches have different shapes: the most usual one, %s, is that of %.0f %% of them"
            log.log(verbosity, f"compile {words}", shape, 100 * share)
            yield replace(setup, settings=replace(settings, compile=False))
            return
        log.log(verbosity, "compile %s", gain.describe(round(epochs * len(setup.train) * share)))
        if share < 1:
            log.log(verbosity, "        batches of other shapes than %s are not compiled", shape)
        yield setup


def usual_batch(loader: TensorLoader) -> tuple[Batch, float]:
    """Returns a batch of the most usual shape among the first ones of the first epoch, and the share of these that have
    it."""
    loader.set_epoch(0)  # in a resumed run too, so that it compiles for the same shape
    counts: Counter[Shapes] = Counter()
    first: dict[Shapes, Batch] = {}
    for batch in islice(loader, LOOKED_AT):
        shapes = shapes_of(batch.inputs)
        counts[shapes] += 1
        first.setdefault(shapes, batch)
    ((usual, count),) = counts.most_common(1)
    return first[usual], count / counts.total()

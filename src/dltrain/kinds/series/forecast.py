"""What comes next: a forecast of any number of steps, from the end of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dltrain.kinds.kind import UsableModel
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.types import Encoded

if TYPE_CHECKING:
    from dltrain.types import Raw


def forecast(model: UsableModel, steps: int, history: Raw | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Returns the next `steps` steps: `time`, and `predicted`, or of several columns `predicted_NAME`, in the series'
    unit; and what is to be said of them.

    Beyond the horizon that it was trained for, a model goes on from its own forecast.

    Args:
        model: of a series.
        steps: how many, at least 1.
        history: what came before, as the kind's encoder reads it; none to go on from the end of the run's own data.

    Raises:
        DataError: the history is too short or no such series.
    """
    encoder = model.encoder
    assert isinstance(encoder, WindowEncoder)
    said = model.facts.preprocessing
    if history is None:
        known, axis, last = np.asarray(said["last"], np.float64), encoder.axis, int(said["last_step"])
    else:
        found = encoder.read(history)
        known, axis, last = found.values, found.axis, found.first + len(found.values) - 1
    columns = known.shape[1]
    begun = len(known)
    while len(known) < begun + steps:
        window = Encoded((encoder.scaled(known[None, -encoder.window :]),), ("",), ((),))
        ahead = model.predict_encoded(window).values.double().numpy().reshape(-1, columns)
        known = np.concatenate([known, ahead])
    ahead = known[begun : begun + steps]
    names = model.facts.features
    frame = pd.DataFrame({"time": [axis.spell(last + step) for step in range(1, steps + 1)]})
    for index, name in enumerate(names):
        frame["predicted" if columns == 1 else f"predicted_{name}"] = ahead[:, index]
    horizon = encoder.horizon
    beyond = f"beyond the horizon of {horizon} that it was trained for, the model goes on from its own forecast"
    return frame, [beyond] if steps > horizon else []

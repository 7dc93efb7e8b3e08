"""What comes next: a forecast of any number of steps, from the end of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dltrain.errors import ConfigError
from dltrain.inference.load import LoadedModel
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.types import Encoded

if TYPE_CHECKING:
    from dltrain.types import Raw


def forecast(model: LoadedModel, steps: int, history: Raw | None = None) -> pd.DataFrame:
    """The next `steps` steps: `time`, and `predicted`, or of several columns `predicted_NAME`, in the series' unit.

    Beyond the horizon that it was trained for, a model goes on from its own forecast.

    Args:
        model: of a series.
        steps: how many, at least 1.
        history: what came before, as `data.new_windows` reads it; none to go on from the end of the run's own data.

    Raises:
        ConfigError: the model forecasts nothing.
        DataError: the history is too short or no such series.
    """
    encoder = model.encoder
    if not isinstance(encoder, WindowEncoder):
        raise ConfigError("the run's model does not forecast: its data is no series", where="--steps")
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
    return frame

"""Forecasts any number of steps from the end of a series."""

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
    """Returns the next `steps` steps: `time`, and `predicted`, or for several columns `predicted_NAME`, in the series'
    unit; and remarks about them.

    Beyond the horizon that it was trained for, a model continues from its own forecast.

    Args:
        model: a model of a series.
        steps: the number of steps, at least 1.
        history: the preceding steps, as the kind's encoder reads them; None for the end of the run's own data.

    Raises:
        DataError: the history is too short or another kind of series.
    """
    encoder = model.encoder
    assert isinstance(encoder, WindowEncoder)
    if history is None:
        values, axis, last_step = encoder.last, encoder.axis, encoder.last_step
    else:
        series = encoder.read(history)
        values, axis, last_step = series.values, series.axis, series.first + len(series) - 1
    begin = len(values)
    while len(values) < begin + steps:
        window = Encoded((encoder.encode_windows(values[-encoder.window :]),), ("",), ((),))
        ahead = model.predict_encoded(window).values.double().numpy().reshape(-1, len(encoder.names))
        values = np.concatenate([values, ahead])
    frame = pd.DataFrame({"time": [axis.spell(last_step + step) for step in range(1, steps + 1)]})
    for name, column in zip(encoder.names, values[begin : begin + steps].T, strict=True):
        frame["predicted" if len(encoder.names) == 1 else f"predicted_{name}"] = column
    beyond = f"beyond its training horizon of {encoder.horizon}, the model continues from its own forecast"
    return frame, [beyond] if steps > encoder.horizon else []

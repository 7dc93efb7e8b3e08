"""Forecasts any number of steps from the end of series."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dltrain.errors import ConfigError
from dltrain.kinds.kind import UsableModel
from dltrain.kinds.series.encoder import Floats, WindowEncoder
from dltrain.kinds.series.regular import RegularSeries
from dltrain.tasks.certainty import LEVEL, Certainty
from dltrain.tasks.forecasting import as_values
from dltrain.types import Encoded

if TYPE_CHECKING:
    from dltrain.types import Raw


def forecast(model: UsableModel, steps: int, history: Raw | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Returns the next `steps` steps of each series: `series` of several, `time`, `origin` and `step` of more than one,
    `predicted`, `low` and `high`, or for several columns `predicted_NAME` ..., in the series' unit; and remarks.

    Beyond the horizon that it was trained for, a model continues from its own forecast.

    Args:
        model: a model of series.
        steps: the number of steps, at least 1.
        history: the preceding steps, as the kind's encoder reads them; None for the end of the run's own data.

    Raises:
        DataError: the history is too short or another kind of series, or the covariates of a step are not given.
        ConfigError: the model needs covariates that are not known beyond its horizon.
    """
    encoder = model.encoder
    assert isinstance(encoder, WindowEncoder)
    if encoder.roles.observed and steps > encoder.horizon:
        raise ConfigError(
            f"{', '.join(encoder.roles.observed)} are not known ahead, so that no more than {encoder.horizon} steps "
            "can be forecast",
            where="--steps",
            fix=f"give --steps {encoder.horizon}, or train with a larger data.horizon",
            override=f"--steps={encoder.horizon}",
        )
    remarks = []
    if history is None:
        series = [state.as_series(encoder.names) for state in encoder.states if len(state.last) == encoder.window]
    else:
        series, notes = encoder.read(history)
        remarks += [str(note) for note in notes]
        new = [one.name for one in series if encoder.is_panel and one.name not in encoder.numbers]
        remarks += [f"series new: {', '.join(new[:5])}"] if new else []
    frame = pd.concat([_of_series(model, encoder, one, steps) for one in series], ignore_index=True)
    if steps > encoder.horizon:
        remarks.append(f"beyond its training horizon of {encoder.horizon}, the model continues from its own forecast")
    return frame, remarks


def _of_series(model: UsableModel, encoder: WindowEncoder, series: RegularSeries, steps: int) -> pd.DataFrame:
    """Returns the forecast of one series."""
    end = len(series)
    state, longer = encoder.state_of(series), series
    low: list[Floats] = []
    high: list[Floats] = []
    while len(longer) < end + steps:
        ahead, ends = _next(model, encoder, longer, state)
        beyond = np.sqrt(1 + (len(longer) - end) / encoder.horizon)  # errors of a random walk grow so
        for name, interval in (("low", low), ("high", high)):
            if name in ends:
                wider = ahead + beyond * (ends[name] - ahead)
                interval.append(as_values(wider, model.facts, down=name == "low"))
        filled = np.concatenate([longer.filled, np.zeros(len(ahead), dtype=bool)])
        missing = longer.missing
        if missing is not None:
            missing = np.concatenate([missing, np.zeros(ahead.shape, dtype=bool)])
        longer = replace(longer, values=np.concatenate([longer.values, ahead]), filled=filled, missing=missing)
    columns: dict[str, Any] = {"series": series.name} if series.name else {}
    columns["time"] = [series.spell(end + step) for step in range(steps)]
    if steps > 1 and not encoder.by_end:
        columns |= {"origin": series.spell(end - 1), "step": range(1, steps + 1)}
    frame = pd.DataFrame(columns)
    values = {"predicted": longer.values[end : end + steps]}
    values |= {form: np.concatenate(parts)[:steps] for form, parts in (("low", low), ("high", high)) if parts}
    for at, name in enumerate(encoder.names):
        for form, numbers in values.items():
            frame[form if len(encoder.names) == 1 else f"{form}_{name}"] = numbers[:, at]
    return frame


def _next(
    model: UsableModel, encoder: WindowEncoder, series: RegularSeries, state: Any
) -> tuple[Floats, dict[str, Floats]]:
    """Returns the forecast of the next H steps `(H, C)`, and the ends of its intervals.

    Raises:
        DataError: the known covariates of these steps are not given.
    """
    tail = _tail(series, encoder.window)
    windows = encoder.windows(tail, state)
    if not windows.given[-1]:
        raise encoder.missing_covariates(series, len(series), encoder.horizon)
    inputs = encoder.join([(windows, np.array([0]), tail)])
    encoded = Encoded(inputs, ("",), ((),))
    predictions = model.predict_encoded(encoded)
    ends = {}
    columns = model.task.certainty_columns(predictions, inputs, Certainty(LEVEL)) if not encoder.by_end else {}
    for form in ("low", "high"):
        named = [form if len(encoder.names) == 1 else f"{form}_{name}" for name in encoder.names]
        if set(named) <= set(columns):
            ends[form] = np.stack([columns[name] for name in named], axis=1)
    return predictions.values.double().numpy().reshape(-1, len(encoder.names)), ends


def _tail(series: RegularSeries, window: int) -> RegularSeries:
    """Returns the last window of a series, with the covariates of the steps after it."""
    begin = len(series) - window
    return replace(
        series,
        values=series.values[begin:],
        filled=series.filled[begin:],
        first=series.first + begin,
        times=series.times[begin:],
        missing=None if series.missing is None else series.missing[begin:],
        covariates=None if series.covariates is None else series.covariates[begin:],
    )

"""Loads a series of values in time as windows and the steps after them: `data=series`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from dltrain.data.samples.ratings_and_series import generate_series
from dltrain.data.splits import Fraction
from dltrain.data.table_files import read_table
from dltrain.data.table_format import Header
from dltrain.kinds.series.date_columns import join_dates
from dltrain.kinds.series.encoder import Floats, WindowEncoder
from dltrain.kinds.series.period import guess_period
from dltrain.kinds.series.read import Gaps, read_series
from dltrain.kinds.series.splits import check_window, choose_window, split_steps, split_windows
from dltrain.kinds.series.time_axis import usual_periods
from dltrain.types import Data, Facts, Range


def series(
    *,
    path: str | None = None,
    target: str | Sequence[str] | None = None,
    time: str | None = None,
    dates: str | int = "auto",
    window: Annotated[int, Range(2)] | None = None,
    horizon: Annotated[int, Range(1)] = 1,
    gaps: Gaps = "interpolate",
    max_gap: Annotated[int, Range(0)] = 10,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    rows: Annotated[int, Range(20)] = 2000,
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.2,
    test_steps: Annotated[int, Range(1)] | None = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads a series, or generates one; the first steps are for training, then come validation and test.

    A sample is a window of steps and the `horizon` steps that follow it; there is one for every step at which a window
    can end. It belongs to the split that contains all the steps that it forecasts: training sees none of the held-out
    targets, though the windows of held-out samples may reach back into training steps.

    Args:
        path: the file; None for a generated series.
        target: the column of values, or several; None for all columns of numbers.
        time: the column of times; None to find it by its name or its dates.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        window: the number of steps that a forecast is based on; None to choose by the horizon and the season.
        horizon: steps that are forecast.
        gaps: missing steps and values are interpolated (`interpolate`) or refused (`refuse`); `ignore` takes the rows
            as evenly spaced in their order, whatever their times.
        max_gap: the largest number of consecutive steps that are interpolated.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        header: `none` if the first line is data.
        rows: the number of generated steps.
        scale_target: standardise the values inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        test_steps: the number of test steps, instead of a share.
        seed: of a generated series.

    Raises:
        DataError: the file cannot be read as a series, or it is too short.
    """
    notes: tuple[str, ...]
    if path is None:
        frame, notes = generate_series(rows, seed), (f"generated {rows} hours: give your own series with data.path",)
    else:
        frame, notes = read_table(path, encoding, delimiter, header)
    names = [target] if isinstance(target, str) else None if target is None else list(target)
    if time is None:
        frame = join_dates(frame, names or ())
    regular = read_series(frame, names, time, gaps, max_gap, str(dates))
    notes += regular.notes

    steps = split_steps(len(regular), horizon, val_fraction, test_fraction, test_steps)
    training = len(steps["train"])
    period = guess_period(regular.values[:training], usual_periods(regular.axis), regular.filled[:training])
    if window is None:
        window = choose_window(training, horizon, period)
        season = "" if period is None else f" and a season of {period}"
        notes += (f"windows of {window} steps, by the horizon of {horizon}{season}: data.window",)
    check_window(training, window, horizon)

    encoder = WindowEncoder.fit(regular, training, window=window, horizon=horizon, period=period)
    splits, left_out = split_windows(regular, encoder, steps)
    ends = ", ".join(f"{name} to {regular.spell(part[-1])}" for name, part in steps.items())
    return Data(_facts(encoder, scale_target), splits, notes=(*notes, *left_out, f"split by time: {ends}"))


def _facts(encoder: WindowEncoder, scale_target: bool) -> Facts:
    columns, horizon = len(encoder.names), encoder.horizon
    single = columns * horizon == 1
    return Facts(
        kind="series",
        task="forecasting",
        input_shape=(encoder.window, columns),
        target=", ".join(encoder.names),
        outputs=() if single else step_names(encoder.names, horizon),
        features=encoder.names,
        target_mean=_for_each_output(encoder.mean if scale_target else np.zeros(columns), horizon),
        target_std=_for_each_output(encoder.std if scale_target else np.ones(columns), horizon),
        preprocessing=encoder.to_json(),
    )


def step_names(columns: Sequence[str], horizon: int) -> tuple[str, ...]:
    """Returns the name of each number of a forecast, step by step."""
    if horizon == 1:
        return tuple(columns)
    if len(columns) == 1:
        return tuple(f"+{step}" for step in range(1, horizon + 1))
    return tuple(f"{name} +{step}" for step in range(1, horizon + 1) for name in columns)


def _for_each_output(of_columns: Floats, horizon: int) -> float | tuple[float, ...]:
    outputs = of_columns.tolist() * horizon
    return float(outputs[0]) if len(outputs) == 1 else tuple(outputs)

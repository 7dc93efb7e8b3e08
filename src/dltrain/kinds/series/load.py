"""Loads series of values in time as windows and the steps after them: `data=series`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np

from dltrain.data.cells import name_list
from dltrain.data.folds import FoldOption, Folds, FoldsOption, by_fold
from dltrain.data.samples.ratings_and_series import generate_series
from dltrain.data.splits import Fraction
from dltrain.data.stand_ins import Missing, read_stand_ins
from dltrain.data.table_files import read_file
from dltrain.data.table_format import Header, TableFormat
from dltrain.errors import DataError
from dltrain.kinds.forms import DecimalChoice, ThousandsChoice
from dltrain.kinds.series.calendar import Calendar, Cycle
from dltrain.kinds.series.columns import Roles, as_names
from dltrain.kinds.series.encoder import Floats, WindowEncoder
from dltrain.kinds.series.gap_filler import GapFiller
from dltrain.kinds.series.gaps import Gaps
from dltrain.kinds.series.panel import Given, Panel, read_panel
from dltrain.kinds.series.period import guess_period
from dltrain.kinds.series.read import Reading
from dltrain.kinds.series.regular import RegularSeries
from dltrain.kinds.series.repeats import Repeats
from dltrain.kinds.series.splits import Division, check_window, choose_window, split_windows
from dltrain.kinds.series.states import SeriesState
from dltrain.kinds.series.time_axis import usual_periods
from dltrain.memory import refuse_rows
from dltrain.types import Data, Facts, Range, SplitName

SEASONAL = 1 / 3  # share of the series that must have the same season
LARGE = 10  # mean of whole numbers, from which on a forecast is rounded
LOOKED_AT = 50  # series, of which a season is guessed
USUAL = 0.75  # share of all steps, by the series of which a window is chosen

Split = Mapping[SplitName, range]


def series(
    *,
    path: str | None = None,
    target: str | Sequence[str] | None = None,
    time: str | None = None,
    series: str | Sequence[str] | None = None,
    known: str | Sequence[str] | None = None,
    observed: str | Sequence[str] | None = None,
    calendar: Literal["auto"] | bool | Sequence[Cycle] = "auto",
    holidays: str | None = None,
    dates: str | int = "auto",
    freq: str | None = None,
    window: Annotated[int, Range(2)] | None = None,
    horizon: Annotated[int, Range(1)] = 1,
    gaps: Gaps = "interpolate",
    max_gap: Annotated[int, Range(0)] = 10,
    repeats: Repeats = "refuse",
    missing: Missing = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    decimal: DecimalChoice = "auto",
    thousands: ThousandsChoice = "auto",
    header: Header = "auto",
    skip: int | str = "auto",
    comment: str = "auto",
    quote: str = "auto",
    sheet: str | int | None = None,
    rows: Annotated[int, Range(20)] = 2000,
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.2,
    test_steps: Annotated[int, Range(1)] | None = None,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads series, or generates one; the first steps of each are for training, then come validation and test.

    A sample is a window of steps and the `horizon` steps that follow it; there is one for every step at which a window
    can end. It belongs to the split that contains all the steps that it forecasts: training sees none of the held-out
    targets, though the windows of held-out samples may reach back into training steps.

    Args:
        path: the file; None for a generated series.
        target: the column of values, or several; None for all columns of numbers.
        time: the column of times; None to find it by its name or its dates.
        series: the column that tells series apart, or several; None to find it where times repeat.
        known: columns that are known ahead, such as holidays; a prediction needs them for the steps to forecast.
        observed: columns that are known up to the time of a forecast.
        calendar: cycles that are inputs; `auto` for those that training contains twice and a window not once.
        holidays: the country whose holidays are inputs, such as DE.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        freq: the length of a step, such as `h`, `15min`, `D`, `B`, `W`, `MS`, `BME`, `QS`; None to find it.
        window: the number of steps that a forecast is based on; None to choose by the horizon and the season.
        horizon: steps that are forecast.
        gaps: missing steps and values are interpolated (`interpolate`), or the model is told of them (`mask`) and they
            count in no loss and no metric, or they are refused (`refuse`); `ignore` takes the rows as evenly spaced in
            their order, whatever their times.
        max_gap: the largest number of consecutive steps that are interpolated.
        repeats: rows with one time and different values are refused, or give their `mean` or the `first` of them.
        missing: values that stand for missing ones, such as -200, or a mapping of columns to theirs.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        decimal: the decimal mark of numbers, or `auto`.
        thousands: the mark between groups of three digits, `none`, or `auto`.
        header: `none` if the first line is data.
        skip: the number of lines above the header, or `auto`.
        comment: a character with which lines begin that are no rows, `none`, or `auto`.
        quote: the character around cells that hold a delimiter, `none`, or `auto`.
        sheet: the name or the number of a sheet of a workbook.
        rows: the number of generated steps.
        scale_target: values are always standardised inside the loss, those of several series each by itself; false is
            refused.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        test_steps: the number of test steps, instead of a share.
        folds: the number of folds of all steps before the test split, for cross-validation; None for none.
        fold: the fold that is the validation split, counted from 0; the steps before it are the training split.
        seed: of a generated series.

    Raises:
        DataError: the file cannot be read as series, or they are too short.
    """
    if not scale_target:
        raise DataError(
            "a model of series forecasts in the scale of its windows, which are standardised",
            where="data.scale_target",
            fix="leave it out",
            override="data.scale_target=true",
        )
    notes: tuple[str, ...]
    if path is None:
        refuse_rows(rows, 60)
        frame, notes = generate_series(rows, seed), (f"generated {rows} hours: give your own series with data.path",)
    else:
        frame, notes = read_file(path, TableFormat(encoding, delimiter, header, skip, comment, quote, sheet))
    given = Given(as_names(target), time, as_names(series), as_names(known), as_names(observed))
    options = Reading(Roles(()), {}, (), gaps, max_gap, repeats, str(dates), freq, missing=read_stand_ins(missing))
    panel = read_panel(frame, given, options, decimal, thousands)

    def divide(fold: int | None) -> Data:
        of_config = Folds.read(folds, fold, max(map(len, panel.series)), ordered="a series")
        division = Division(horizon, val_fraction, test_fraction, test_steps, of_config)
        return _divide(panel, division, window, (calendar, holidays), notes + panel.notes)

    return by_fold(divide, fold)


def _divide(
    panel: Panel,
    division: Division,
    window: int | None,
    calendar: tuple[Any, str | None],
    notes: tuple[str, ...],
) -> Data:
    """Splits and encodes a panel; the arguments are those of `series`, which chooses a window where none is given.

    Of folds, the first one decides on window, season and calendar, so that the models of all folds are alike.

    Raises:
        DataError: the series are too short.
    """
    horizon = division.horizon
    parts, left_out = _split(panel, division)
    first = parts
    if division.folds.count:
        first, _ = _split(panel, replace(division, folds=replace(division.folds, fold=0)))
    period = _guess_period(first)
    if window is None:
        window = choose_window(_usual_training(first), horizon, period)
        season = "" if period is None else f" and a season of {period}"
        notes += (f"windows of {window} steps, by the horizon of {horizon}{season}: data.window",)
    long = [(one, steps) for one, steps in parts if len(steps["train"]) >= window + horizon]
    if not long:
        check_window(max(len(steps["train"]) for _, steps in parts), window, horizon)
    short = [one.name for one, _ in parts if all(one is not other for other, _ in long)]
    longest = max(len(steps["train"]) for _, steps in first)
    encoder = _fit(panel, long, window, horizon, period, (*calendar, longest))
    splits, dropped = split_windows(long, encoder)
    if encoder.calendar.width:
        notes += (f"inputs of the calendar: {name_list(encoder.calendar.names)} (data.calendar)",)
    if left_out or short:
        names = [*left_out, *short]
        notes += (f"left out {len(names)} series, too short for a window and its horizon: {name_list(names, 3)}",)
    notes += (*dropped, _describe(long, division.folds))
    return Data(_facts(encoder, long, len(splits["train"])), splits, notes=notes)


def _split(panel: Panel, division: Division) -> tuple[list[tuple[RegularSeries, Split]], list[str]]:
    """Returns the series, each with the steps of its splits, and the names of those that are too short for these.

    Raises:
        DataError: all are too short.
    """
    parts: list[tuple[RegularSeries, Split]] = []
    short: list[str] = []
    for one in sorted(panel.series, key=len, reverse=True):
        try:
            division.split(len(one))
        except DataError:
            if not short and one is max(panel.series, key=len):
                raise
            short.append(one.name)
    for one in panel.series:
        if one.name not in short:
            parts.append((one, division.split(len(one))))
    return parts, short


def _usual_training(parts: Sequence[tuple[RegularSeries, Split]]) -> int:
    """Returns so many training steps that the series with as many hold most of all steps."""
    lengths = np.sort([len(steps["train"]) for _, steps in parts])[::-1]
    return int(lengths[int((np.cumsum(lengths) >= USUAL * lengths.sum()).argmax())])


def _guess_period(parts: Sequence[tuple[RegularSeries, Split]]) -> int | None:
    """Returns the season that most series have; None if few have one."""
    looked_at = parts[:: -(-len(parts) // LOOKED_AT)]
    periods: Counter[int | None] = Counter()
    for one, steps in looked_at:
        training = len(steps["train"])
        periods[guess_period(one.values[:training], usual_periods(one.axis), one.filled[:training])] += 1
    found = [(count, period) for period, count in periods.items() if period is not None]
    if not found:
        return None
    count, period = max(found)
    return period if count >= SEASONAL * len(looked_at) else None


def _fit(
    panel: Panel,
    parts: Sequence[tuple[RegularSeries, Split]],
    window: int,
    horizon: int,
    period: int | None,
    calendar: tuple[Any, str | None, int],
) -> WindowEncoder:
    """Returns an encoder with the scale of each series in its training steps alone.

    `calendar` are cycles, holidays, and the number of steps that decide which cycles are inputs.

    Raises:
        DataError: every column is constant there.
    """
    training = [(one, len(steps["train"])) for one, steps in parts]
    names = panel.roles.target
    if not any((one.values[:count].std(axis=0) > 0).any() for one, count in training):
        raise DataError(
            f"every training value of {name_list(names)} is the same: there is nothing to forecast",
            where="data.target",
            fix="choose another column",
        )
    beside = np.concatenate([one.beside[:count] for one, count in training])
    spread = beside.std(axis=0)
    axis, (cycles, holidays, longest) = parts[0][0].axis, calendar
    levels = tuple(tuple(sorted({one.static[at] for one, _ in parts} - {""})) for at in range(len(panel.roles.static)))
    encoder = WindowEncoder(
        names=names,
        window=window,
        horizon=horizon,
        states=tuple(SeriesState.fit(one, count, window, period) for one, count in training),
        period=period,
        roles=panel.roles,
        forms={name: form for name, form in panel.reading.forms.items() if form is not None},
        covariates=panel.reading.covariates,
        center=beside.mean(axis=0),
        spread=np.where(spread > 0, spread, 1.0),
        calendar=Calendar.choose(
            axis, cycles, holidays, window=window, training=longest, beside=bool(panel.roles.covariates)
        ),
        levels=levels,
        masked=panel.reading.gaps == "mask",
        repeats=panel.reading.repeats,
        missing=panel.reading.missing,
    )
    if encoder.masked:
        encoder = replace(encoder, filler=_fit_filler(encoder, training))
    return replace(encoder, effects=_effects(encoder, training)) if encoder.looks_ahead else encoder


def _fit_filler(encoder: WindowEncoder, training: Sequence[tuple[RegularSeries, int]]) -> GapFiller:
    """Returns what fills the ends of windows, by the training steps of all series in the scale of each."""
    parts = []
    for series, count in training:
        state = encoder.state_of(series)
        assert series.missing is not None
        parts.append(((series.values[:count] - state.mean) / state.std, series.missing[:count]))
    return GapFiller.fit(parts, encoder.window)


def _effects(encoder: WindowEncoder, training: Sequence[tuple[RegularSeries, int]]) -> Floats:
    """Returns by how much what is known ahead changes the values in the scale of each series, `(K, C)`, by a ridge
    regression without the trend of each."""
    from sklearn.linear_model import RidgeCV

    known: list[Floats] = []
    values: list[Floats] = []
    for series, count in training:
        state = encoder.state_of(series)
        trend = np.stack([np.ones(count), np.arange(count)], axis=1)
        for rows, of in (
            (known, encoder.rows_ahead(series, state)[:count]),
            (values, (series.values[:count] - state.mean) / state.std),
        ):
            rows.append(of - trend @ np.linalg.lstsq(trend, of, rcond=None)[0])
    model = RidgeCV(np.logspace(-2, 4, 13), fit_intercept=False).fit(np.concatenate(known), np.concatenate(values))
    return np.asarray(model.coef_, np.float64).reshape(len(encoder.names), -1).T


def _describe(parts: Sequence[tuple[RegularSeries, Split]], folds: Folds) -> str:
    """Returns where the splits end, in words."""
    if len(parts) > 1:
        if folds.count:
            return (
                f"each series is split by time: its last steps test, fold {folds.fold} of {folds.count} of the others "
                "validates, and the steps before it train (data.fold)"
            )
        return "each series is split by time: its last steps test, those before validate"
    ((one, steps),) = parts
    ends = ", ".join(f"{name} to {one.spell(part[-1])}" for name, part in steps.items())
    fold = f"fold {folds.fold} of {folds.count} validates (data.fold), " if folds.count else ""
    return f"split by time: {fold}{ends}"


def _facts(encoder: WindowEncoder, parts: Sequence[tuple[RegularSeries, Split]], samples: int) -> Facts:
    columns, horizon = len(encoder.names), encoder.horizon
    state = encoder.states[0]
    values = np.concatenate([one.values[: len(steps["train"])] for one, steps in parts])
    filled = np.concatenate([one.filled[: len(steps["train"])] for one, steps in parts])
    whole = (values == np.round(values))[~filled].all(axis=0)
    sizes = np.min([np.abs(one.values[: len(steps["train"])]).mean(axis=0) for one, steps in parts], axis=0)
    standard = not encoder.is_panel  # each of several series has a scale of its own
    naive = np.mean([state.naive for state in encoder.states], axis=0)
    return Facts(
        kind="series",
        task="forecasting",
        input_shape=encoder.input_shape,
        target=", ".join(encoder.names),
        outputs=() if columns * horizon == 1 else step_names(encoder.names, horizon),
        features=encoder.names,
        target_mean=_for_each_output(state.mean if standard else np.zeros(columns), horizon),
        target_std=_for_each_output(state.std if standard else np.ones(columns), horizon),
        target_low=tuple(0.0 if low >= 0 else None for low in values.min(axis=0).tolist()),
        target_whole=tuple(whole.tolist()),
        target_rounded=tuple((whole & (sizes >= LARGE)).tolist()),
        target_gaps=encoder.masked,
        target_naive=tuple(map(tuple, naive.tolist())),
        samples=samples,
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

"""A series of values in time, as windows and what follows them: `data=series`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.cells import name_list
from dltrain.data.csv_reader import Header
from dltrain.data.samples.ratings_and_series import generate_series
from dltrain.data.splits import Fraction, check_fractions
from dltrain.data.table_files import read_table
from dltrain.errors import DataError
from dltrain.kinds.series.date_columns import join_dates
from dltrain.kinds.series.period import guess_period
from dltrain.kinds.series.read import Gaps, Series, read_series
from dltrain.kinds.series.time_axis import usual_periods
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

MOST_STEPS = 192  # of a window that is chosen here


def series(
    *,
    path: str | None = None,
    target: str | Sequence[str] | None = None,
    time: str | None = None,
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
    """Reads a series, or invents one; the last steps test, those before validate, the first ones train.

    A sample is a window of known steps and the `horizon` steps that follow it, one for every step that a window can end
    at. It belongs to the split that holds all the steps that it forecasts: none of them is seen in training, though the
    windows of held-out samples may reach back into the steps before.

    Args:
        path: the file; none for a generated series.
        target: the column of values, or several; none for all columns of numbers.
        time: the column of times; none to find it by its name or its dates.
        window: steps that a forecast is made from; none to choose by the horizon and the season.
        horizon: steps that are forecast.
        gaps: missing steps and values are interpolated (`interpolate`) or refused (`refuse`); `ignore` takes the rows
            as evenly spaced in their order, whatever their times.
        max_gap: most steps in a row that are interpolated.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        header: `none` where the first line is data.
        rows: how many steps are generated.
        scale_target: standardise the values inside the loss.
        val_fraction: share of the steps that validate; 0 for none.
        test_fraction: share of the steps that test; 0 for none.
        test_steps: how many steps test, in place of a share.
        seed: of a generated series.

    Raises:
        DataError: the file cannot be read as a series, or it is too short.
    """
    notes: tuple[str, ...]
    if path is None:
        frame, notes = generate_series(rows, seed), (f"generated {rows} hours: data.path names a file of real values",)
    else:
        frame, notes = read_table(path, encoding, delimiter, header)
    names = [target] if isinstance(target, str) else None if target is None else list(target)
    if time is None:
        frame = join_dates(frame, names or ())
    found = read_series(frame, names, time, gaps, max_gap)
    starts = split_steps(len(found.values), horizon, val_fraction, test_fraction, test_steps)
    training, filled = found.values[: starts["val"]], found.filled[: starts["val"]]
    period = guess_period(training, usual_periods(found.axis), filled)
    if window is None:
        window = choose_window(len(training), horizon, period)
        after = "" if period is None else f" and a season of {period}"
        notes = (*notes, *found.notes, f"windows of {window} steps, by the horizon of {horizon}{after}: data.window")
    else:
        notes = (*notes, *found.notes)
    return _windows(found, starts, window, horizon, period, scale_target, notes)


def split_steps(
    count: int, horizon: int, val_fraction: float, test_fraction: float, test_steps: int | None
) -> dict[SplitName, int]:
    """The first step of each split, of those that are left out the first one after them; `train` starts at 0.

    A share that is shorter than the horizon is made as long as it.

    Raises:
        DataError: nothing would be left to train on, or the test split would be shorter than the horizon.
    """
    if test_steps is not None and test_steps < horizon:
        raise DataError(
            f"data.test_steps={test_steps} are fewer than the horizon of {horizon}",
            where="data.test_steps",
            fix="test at least as many steps as are forecast",
            override=f"data.test_steps={horizon}",
        )
    test = max(round(count * test_fraction), horizon) if test_fraction else 0
    test = test if test_steps is None else test_steps
    val = max(round(count * val_fraction), horizon) if val_fraction else 0
    if test_steps is None:
        check_fractions(val_fraction, test_fraction)
    if count - test - val < horizon + 2:
        raise DataError(
            f"{count} steps are too few: {test} would test, {val} validate, and {max(0, count - test - val)} train",
            where="data.test_steps" if test_steps is not None else "data.horizon",
            fix="give a longer series or hold out fewer steps"
            if horizon == 1 or test_steps is not None
            else "give a longer series or a shorter horizon",
            override=f"data.test_steps={max(horizon, count // 5)}" if test_steps is not None else "data.horizon=1",
        )
    return {"train": 0, "val": count - test - val, "test": count - test}


def choose_window(training: int, horizon: int, period: int | None) -> int:
    """How many steps a forecast is made from: two seasons, or twice the horizon, and enough of them to learn from."""
    wanted = max(24, 2 * horizon)
    if period is not None and period + horizon <= MOST_STEPS:
        wanted = max(wanted, 2 * period if 2 * period <= MOST_STEPS else period + horizon)
    return max(2, min(wanted, MOST_STEPS + horizon, training // 3, training - horizon))


def _windows(
    found: Series,
    starts: dict[SplitName, int],
    window: int,
    horizon: int,
    period: int | None,
    scale_target: bool,
    notes: tuple[str, ...],
) -> Data:
    """All windows of all splits, scaled by the training part alone.

    Raises:
        DataError: a split has none.
    """
    values = found.values  # (n, C)
    count, columns = values.shape
    if starts["val"] < window + horizon:
        shorter = max(2, starts["val"] // 2 - horizon)
        raise DataError(
            f"the training part has {starts['val']} steps, fewer than a window of {window} and a horizon of {horizon}",
            where="data.window",
            fix="give a longer series, a shorter window or a shorter horizon",
            override=f"data.window={shorter}" if shorter + horizon <= starts["val"] else "data.horizon=1",
        )
    mean, std = values[: starts["val"]].mean(axis=0), values[: starts["val"]].std(axis=0)
    still = [name for name, spread in zip(found.names, std, strict=True) if spread == 0]
    if len(still) == columns:
        raise DataError(
            f"every training value of {name_list(still)} is the same: there is nothing to forecast",
            where="data.target",
            fix="choose another column",
        )
    std = np.where(std > 0, std, 1.0)
    scaled = torch.from_numpy(((values - mean) / std).astype(np.float32))
    inputs = scaled.unfold(0, window, 1).transpose(1, 2)  # (n - window + 1, window, C), views of one series
    targets = torch.tensor(values).unfold(0, horizon, 1).transpose(1, 2)  # (n - horizon + 1, horizon, C)
    origins = usable_origins(found.filled, window, horizon)
    ends = {"train": starts["val"], "val": starts["test"], "test": count}
    splits: dict[SplitName, Split] = {}
    for name in SPLITS:
        if ends[name] == starts[name]:
            continue
        mine = origins[(origins + 1 >= starts[name]) & (origins + horizon < ends[name])]
        if not len(mine):
            raise DataError(
                f"no window can be made for the {name} split: too many of its steps are missing or reach into it",
                where="data.gaps",
                fix="give a longer series, or a shorter window or horizon",
                override=f"data.window={max(2, window // 2)}",
            )
        ids = tuple(found.axis.spell(position) for position in (mine + found.first).tolist())
        season = _season_before(values, mine, horizon, period) if period is not None and name != "train" else None
        splits[name] = Split(
            (_taken(inputs, mine - window + 1),), _taken(targets, mine + 1).flatten(1), ids, (), season
        )
    dropped = count - window - horizon + 1 - len(origins)
    if dropped:
        notes = (*notes, f"left out {dropped} windows that end in, or forecast, an interpolated step")
    single = columns * horizon == 1
    facts = Facts(
        kind="series",
        task="forecasting",
        input_shape=(window, columns),
        target=", ".join(found.names),
        outputs=() if single else step_names(found.names, horizon),
        features=found.names,
        target_mean=_repeated(mean if scale_target else np.zeros(columns), horizon, single),
        target_std=_repeated(std if scale_target else np.ones(columns), horizon, single),
        preprocessing={
            "axis": found.axis.to_json(),
            "mean": mean.tolist(),
            "std": std.tolist(),
            "horizon": horizon,
            "period": period,
            "last": values[-window:].tolist(),
            "last_step": found.first + count - 1,
        },
    )
    parts = ", ".join(f"{name} to {found.axis.spell(found.first + ends[name] - 1)}" for name in splits)
    return Data(facts, splits, notes=(*notes, f"split by time: {parts}"))


def usable_origins(filled: NDArray[np.bool_], window: int, horizon: int) -> NDArray[np.int64]:
    """The last steps of windows whose own last value and whose targets were all there.

    A value that was interpolated at a window's end would tell what follows it.
    """
    count = len(filled)
    origins = np.arange(window - 1, count - horizon)
    before = np.concatenate([[0], np.cumsum(filled)])
    return origins[(before[origins + 1 + horizon] - before[origins]) == 0]


def _season_before(values: NDArray[np.float64], origins: NDArray[np.int64], horizon: int, period: int) -> torch.Tensor:
    """What stood whole seasons before the steps that follow the origins, as few as lead to known ones, `(N, H·C)`."""
    steps = np.arange(horizon)
    before = origins[:, None] + 1 + steps - period * (steps // period + 1)  # (N, H)
    return torch.from_numpy(values[before]).flatten(1)


def step_names(columns: Sequence[str], horizon: int) -> tuple[str, ...]:
    """What each number of a forecast is called, step by step."""
    if horizon == 1:
        return tuple(columns)
    if len(columns) == 1:
        return tuple(f"+{step}" for step in range(1, horizon + 1))
    return tuple(f"{name} +{step}" for step in range(1, horizon + 1) for name in columns)


def _taken(rows: torch.Tensor, index: NDArray[np.int64]) -> torch.Tensor:
    """These rows: as a view where they follow each other, which takes no memory."""
    first, last = int(index[0]), int(index[-1])
    return rows[first : last + 1] if last - first + 1 == len(index) else rows[torch.from_numpy(index)]


def _repeated(of_columns: NDArray[np.float64], horizon: int, single: bool) -> float | tuple[float, ...]:
    return float(of_columns[0]) if single else tuple(of_columns.tolist() * horizon)

"""Which steps of a series train, validate and test, and the windows of each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.splits import check_fractions
from dltrain.errors import DataError
from dltrain.kinds.series.encoder import Floats, WindowEncoder
from dltrain.kinds.series.read import RegularSeries
from dltrain.types import Split, SplitName

MOST_STEPS = 192  # of a window that is chosen here


@dataclass(frozen=True)
class WindowSplit(Split):
    """Windows of a series and the steps after them.

    Args:
        season: of a held-out split whose series has a season, the values one season before the target, `(N, H·C)`.
    """

    season: Tensor | None = None


def split_steps(
    count: int, horizon: int, val_fraction: float, test_fraction: float, test_steps: int | None
) -> dict[SplitName, range]:
    """Returns the steps of each split that is not left out: the last ones test, those before validate.

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
    steps: dict[SplitName, range] = {
        "train": range(count - test - val),
        "val": range(count - test - val, count - test),
        "test": range(count - test, count),
    }
    return {name: part for name, part in steps.items() if part}


def choose_window(training: int, horizon: int, period: int | None) -> int:
    """Returns how many steps a forecast is made from: two seasons, or twice the horizon, and enough of them to learn
    from."""
    wanted = max(24, 2 * horizon)
    if period is not None and period + horizon <= MOST_STEPS:
        wanted = max(wanted, 2 * period if 2 * period <= MOST_STEPS else period + horizon)
    return max(2, min(wanted, MOST_STEPS + horizon, training // 3, training - horizon))


def check_window(training: int, window: int, horizon: int) -> None:
    """Refuses a window that does not fit into the training part.

    Raises:
        DataError: the window and the horizon together have more steps.
    """
    if training < window + horizon:
        shorter = max(2, training // 2 - horizon)
        raise DataError(
            f"the training part has {training} steps, fewer than a window of {window} and a horizon of {horizon}",
            where="data.window",
            fix="give a longer series, a shorter window or a shorter horizon",
            override=f"data.window={shorter}" if shorter + horizon <= training else "data.horizon=1",
        )


def usable_windows(filled: NDArray[np.bool_], window: int, horizon: int) -> NDArray[np.int64]:
    """Returns which windows, counted from the first, have all targets, and no missing value among these or at their
    own end: a value that was interpolated at a window's end would tell what follows it.

    Args:
        filled: `(n,)` whether a step's value was missing.
        window: steps of a window.
        horizon: steps of a target.
    """
    ends = np.arange(window - 1, len(filled) - horizon)
    before = np.concatenate([[0], np.cumsum(filled)])
    return ends[(before[ends + 1 + horizon] - before[ends]) == 0] - (window - 1)


def split_windows(
    series: RegularSeries, encoder: WindowEncoder, steps: Mapping[SplitName, range]
) -> tuple[dict[SplitName, WindowSplit], list[str]]:
    """Encodes the windows of each split, those whose targets are all among its steps, and says what is left out.

    Raises:
        DataError: a split has none.
    """
    inputs, targets = encoder.encode_windows(series.values), encoder.encode_targets(series)
    usable = usable_windows(series.filled, encoder.window, encoder.horizon)
    first = usable + encoder.window  # step of each target
    splits: dict[SplitName, WindowSplit] = {}
    for name, part in steps.items():
        windows = usable[(first >= part.start) & (first + encoder.horizon <= part.stop)]
        if not len(windows):
            raise DataError(
                f"no window can be made for the {name} split: too many of its steps are missing or reach into it",
                where="data.gaps",
                fix="give a longer series, or a shorter window or horizon",
                override=f"data.window={max(2, encoder.window // 2)}",
            )
        ends = windows + encoder.window - 1
        ids = tuple(map(series.spell, ends.tolist()))
        season = None if name == "train" else _season_before(series.values, ends + 1, encoder)
        splits[name] = WindowSplit((_take(inputs, windows),), _take(targets, windows), ids, season=season)
    dropped = max(0, len(series) - encoder.window - encoder.horizon + 1) - len(usable)
    return splits, [f"left out {dropped} windows that end in, or forecast, an interpolated step"] if dropped else []


def _season_before(values: Floats, first: NDArray[np.int64], encoder: WindowEncoder) -> Tensor | None:
    """Returns the values whole seasons before the steps from `first` `(N,)` on, as few as lead to known ones,
    `(N, H·C)`; nothing where the series has no season."""
    if encoder.period is None:
        return None
    steps = np.arange(encoder.horizon)
    before = first[:, None] + steps - encoder.period * (steps // encoder.period + 1)  # (N, H)
    return torch.from_numpy(values[before]).flatten(1)


def _take(rows: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Returns these rows: as a view where they follow each other, which takes no memory."""
    first, last = int(index[0]), int(index[-1])
    return rows[first : last + 1] if last - first + 1 == len(index) else rows[torch.from_numpy(index)]

"""Splits the steps of a series into training, validation and test, and cuts the windows of each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.folds import NO_FOLDS, Folds
from dltrain.data.splits import check_fractions
from dltrain.errors import DataError
from dltrain.kinds.series.encoder import Floats, WindowEncoder
from dltrain.kinds.series.regular import RegularSeries
from dltrain.kinds.series.windows import take
from dltrain.types import Split, SplitName

MOST_STEPS = 192  # of a window that is chosen automatically
MOST_BYTES = 1 << 31  # of training windows that are no views


@dataclass(frozen=True)
class WindowSplit(Split):
    """Windows of a series and the steps after them.

    Args:
        season: the values one season before the target, `(N, H·C)`; None in training and without a season.
    """

    season: Tensor | None = None

    def of(self, chosen: NDArray[np.int64]) -> WindowSplit:
        """Returns some of the windows, as of any split."""
        part = super().of(chosen)
        assert isinstance(part, WindowSplit)
        return part if self.season is None else replace(part, season=self.season[chosen.tolist()])


@dataclass(frozen=True)
class Division:
    """How the steps of a series are divided into splits.

    Args:
        horizon: the steps of a forecast; a held-out split has at least as many.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        test_steps: the number of test steps, instead of a share.
        folds: the folds of the other steps, of which one validates, and only what comes before it trains.
    """

    horizon: int
    val_fraction: float
    test_fraction: float
    test_steps: int | None = None
    folds: Folds = NO_FOLDS

    def split(self, count: int) -> dict[SplitName, range]:
        """Returns the steps of each split that is not left out: the last ones for testing, those before for validation.

        Of folds, the steps between validation and test are of later folds and not used.

        Args:
            count: the steps of the series.

        Raises:
            DataError: no step would be left to train on, or a held-out split would be shorter than the horizon.
        """
        if self.test_steps is not None and self.test_steps < self.horizon:
            raise DataError(
                f"data.test_steps={self.test_steps} is less than the horizon of {self.horizon}",
                where="data.test_steps",
                fix="test at least as many steps as the horizon",
                override=f"data.test_steps={self.horizon}",
            )
        if self.test_steps is None:
            check_fractions(self.val_fraction, self.test_fraction)
        test = max(round(count * self.test_fraction), self.horizon) if self.test_fraction else 0
        test = test if self.test_steps is None else self.test_steps
        if self.folds.fold is not None:
            return self._split_by_fold(count, count - test, self.folds.fold)
        val = max(round(count * self.val_fraction), self.horizon) if self.val_fraction else 0
        if count - test - val < self.horizon + 2:
            raise DataError(
                f"{count} steps are too few: {max(0, count - test - val)} for training, {val} validation, {test} test",
                where="data.test_steps" if self.test_steps is not None else "data.horizon",
                fix="give a longer series or hold out fewer steps"
                if self.horizon == 1 or self.test_steps is not None
                else "give a longer series or a shorter horizon",
                override=f"data.test_steps={max(self.horizon, count // 5)}"
                if self.test_steps is not None
                else "data.horizon=1",
            )
        return _present(range(count - test - val), range(count - test - val, count - test), range(count - test, count))

    def _split_by_fold(self, count: int, end: int, fold: int) -> dict[SplitName, range]:
        """Returns the steps of each split, with a fold of the steps up to the test split for validation."""
        folds = self.folds.count
        size = max(0, end) // (folds + 1)
        start = end - size * (folds - fold)
        if size < self.horizon or end - size * folds < self.horizon + 2:
            most = max(0, end) // (self.horizon + 2) - 1
            raise DataError(
                f"{count} steps are too few for {folds} folds: the shortest part has {size}, and {count - end} test",
                where="data.folds",
                fix="use fewer folds, or a shorter horizon"
                if most > 1
                else "give a longer series, or train without folds",
                override=f"data.folds={most}" if most > 1 else "",
            )
        return _present(range(start), range(start, start + size), range(end, count))


def _present(train: range, val: range, test: range) -> dict[SplitName, range]:
    steps: dict[SplitName, range] = {"train": train, "val": val, "test": test}
    return {name: part for name, part in steps.items() if part}


def choose_window(training: int, horizon: int, period: int | None) -> int:
    """Returns the number of steps that a forecast is based on: two seasons or twice the horizon, if training is long
    enough for it."""
    wanted = max(24, 2 * horizon)
    if period is not None and period + horizon <= MOST_STEPS:
        wanted = max(wanted, 2 * period if 2 * period <= MOST_STEPS else period + horizon)
    return max(2, min(wanted, MOST_STEPS + horizon, training // 3, training - horizon))


def check_window(training: int, window: int, horizon: int) -> None:
    """Refuses a window that does not fit into the training part.

    Raises:
        DataError: the window and the horizon together are longer.
    """
    if training < window + horizon:
        shorter = max(2, training // 2 - horizon)
        raise DataError(
            f"the training part has {training} steps, fewer than a window of {window} and a horizon of {horizon}",
            where="data.window",
            fix="give a longer series, a shorter window or a shorter horizon",
            override=f"data.window={shorter}" if shorter + horizon <= training else "data.horizon=1",
        )


def windows_with_gaps(missing: NDArray[np.bool_], window: int, horizon: int) -> NDArray[np.int64]:
    """Returns the numbers of the windows with any value of each column and any value to forecast.

    Args:
        missing: `(n, C)` which values are.
        window: the steps of a window.
        horizon: the steps of a target.
    """
    given = np.concatenate([np.zeros((1, missing.shape[1])), np.cumsum(~missing, axis=0)])
    ends = np.arange(window, len(missing) - horizon + 1)
    before = (given[ends] > given[ends - window]).all(axis=1)
    after = (given[ends + horizon] > given[ends]).any(axis=1)
    return ends[before & after] - window


def usable_windows(filled: NDArray[np.bool_], window: int, horizon: int) -> NDArray[np.int64]:
    """Returns the numbers of the windows with all targets, and with no missing value among these or at their own end:
    an interpolated value at a window's end would reveal the next value.

    Args:
        filled: `(n,)` whether a step's value was missing.
        window: the steps of a window.
        horizon: the steps of a target.
    """
    ends = np.arange(window - 1, len(filled) - horizon)
    before = np.concatenate([[0], np.cumsum(filled)])
    return ends[(before[ends + 1 + horizon] - before[ends]) == 0] - (window - 1)


def split_windows(
    panel: Sequence[tuple[RegularSeries, Mapping[SplitName, range]]], encoder: WindowEncoder
) -> tuple[dict[SplitName, WindowSplit], list[str]]:
    """Returns the encoded windows of each split, those whose targets are all among its steps, and notes.

    Args:
        panel: the series, each with the steps of its splits.
        encoder: fitted to them.

    Raises:
        DataError: a split has no window.
    """
    splits: dict[SplitName, WindowSplit] = {}
    dropped = 0
    usable = []
    for series, _ in panel:
        if series.missing is None:
            usable.append(usable_windows(series.filled, encoder.window, encoder.horizon))
        else:
            usable.append(windows_with_gaps(series.missing, encoder.window, encoder.horizon))
        dropped += max(0, len(series) - encoder.window - encoder.horizon + 1) - len(usable[-1])
    without = "have no value, or none to forecast" if encoder.masked else "end in, or forecast, an interpolated step"
    notes = [f"left out {dropped} windows that {without}"] if dropped else []
    stride = _stride(sum(map(len, usable)), encoder)
    if stride > 1:
        notes.append(f"every {stride}th window is trained on: all of them would take {MOST_BYTES >> 30} GB")
    cut = [encoder.windows(series, encoder.state_of(series)) for series, _ in panel]
    targets = [encoder.encode_targets(series) for series, _ in panel]
    for name in dict.fromkeys(name for _, steps in panel for name in steps):
        chosen = []
        for (_, steps), windows in zip(panel, usable, strict=True):
            part, first = steps[name], windows + encoder.window  # step of each target
            within = windows[(first >= part.start) & (first + encoder.horizon <= part.stop)]
            chosen.append(within[::stride] if name == "train" else within)
        if not sum(map(len, chosen)):
            raise DataError(
                f"the {name} split has no complete window: it is too short, or too many of its steps are missing",
                where="data.gaps",
                fix="give a longer series, or a shorter window or horizon",
                override=f"data.window={max(2, encoder.window // 2)}",
            )
        held = [at for at, windows in enumerate(chosen) if len(windows)]
        inputs = encoder.join([(cut[at], chosen[at], panel[at][0]) for at in held])
        times = encoder.times_of([(panel[at][0], chosen[at] + encoder.window) for at in held])
        target = [take(targets[at], chosen[at]) for at in held]
        seasons = [_season_before(panel[at][0].values, chosen[at] + encoder.window, encoder) for at in held]
        season = (
            None
            if name == "train" or encoder.period is None
            else torch.cat([one for one in seasons if one is not None])
        )
        splits[name] = WindowSplit(
            inputs, target[0] if len(target) == 1 else torch.cat(target), times.ids, times=times, season=season
        )
    return splits, notes


def _stride(windows: int, encoder: WindowEncoder) -> int:
    """Returns of how many windows one is trained on, so that they fit into memory; views of one series always do."""
    if not (encoder.is_panel or encoder.looks_ahead or encoder.masked):
        return 1
    steps, channels = encoder.input_shape
    return max(1, -(-4 * windows * steps * channels // MOST_BYTES))


def _season_before(values: Floats, first: NDArray[np.int64], encoder: WindowEncoder) -> Tensor | None:
    """Returns the values as few whole seasons as possible before the steps from `first` `(N,)` on, `(N, H·C)`; None if
    the series has no season. Before the first season they are the first values."""
    if encoder.period is None:
        return None
    steps = np.arange(encoder.horizon)
    before = first[:, None] + steps - encoder.period * (steps // encoder.period + 1)  # (N, H)
    return torch.from_numpy(values[np.maximum(before, 0)]).flatten(1)

"""The encoder of series: windows of values as inputs, in training and in use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import Form, name_list
from dltrain.data.stand_ins import StandIns, empty_cells
from dltrain.errors import DataError
from dltrain.kinds.forms import form_from_json, form_to_json
from dltrain.kinds.series.calendar import Calendar
from dltrain.kinds.series.columns import Roles
from dltrain.kinds.series.covariates import Covariate
from dltrain.kinds.series.date_columns import join_dates
from dltrain.kinds.series.gap_filler import GapFiller
from dltrain.kinds.series.plain_cells import read_all, with_plain_cells
from dltrain.kinds.series.read import Reading
from dltrain.kinds.series.regular import RegularSeries
from dltrain.kinds.series.repeats import Repeats
from dltrain.kinds.series.states import SCALES, SeriesState
from dltrain.kinds.series.time_axis import TimeAxis
from dltrain.kinds.series.wide import turn_wide
from dltrain.kinds.series.windows import Windows, unfold
from dltrain.memory import free_memory, refuse_beyond
from dltrain.types import Encoded, Facts, ForecastTimes, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

Floats = NDArray[np.float64]
MASK = 0.1  # of a missing value: of the few that are, a model learns little, and that should not disturb what it has
ALWAYS_FREE = 2**26  # bytes, of which it is not worth looking whether they are free


@dataclass(frozen=True, eq=False)
class WindowEncoder:
    """Cuts series into all their windows; the id of a window is the time that is forecast first.

    A series alone is a panel of one, whose scale the facts hold. Of several series, each sample has two more inputs:
    the numbers of its series and of its static cells `(1 + S,)`, -1 for new ones, and its scale `(5 · C,)`.

    Args:
        names: the names of the columns of values, C.
        window: the number of steps that a forecast is based on, T.
        horizon: the number of steps that are forecast, H.
        states: of each training series.
        period: the steps of a season; None if nothing repeats.
        roles: of the columns.
        forms: how the numbers of columns of values are written, where they are not plain.
        covariates: the columns beside the values: observed ones, then known ones.
        center: `(K,)` the mean of each covariate's number in training.
        spread: `(K,)` their standard deviation; 1 for a constant one.
        calendar: the calendar as inputs.
        levels: the cells of each static column.
        effects: `(K', C)` by how much what is known ahead changes the values, by a regression on the training part.
        masked: whether channels after the values say which of these are missing.
        filler: fills missing values at the end of a window, where there are such channels.
        repeats: what happens to rows with one time and different values, as in `data=series`.
        missing: values that stand for missing ones, by column.
        by_end: whether the id of a window is the time of its last step, as in older runs.
    """

    names: tuple[str, ...]
    window: int
    horizon: int
    states: tuple[SeriesState, ...]
    period: int | None
    roles: Roles
    forms: dict[str, Form | None] = field(default_factory=dict)
    covariates: tuple[Covariate, ...] = ()
    center: Floats = field(default_factory=lambda: np.empty(0))
    spread: Floats = field(default_factory=lambda: np.empty(0))
    calendar: Calendar = field(default_factory=Calendar)
    levels: tuple[tuple[str, ...], ...] = ()
    effects: Floats | None = None
    masked: bool = False
    filler: GapFiller | None = None
    repeats: Repeats = "refuse"
    missing: StandIns = field(default_factory=dict)
    by_end: bool = False

    suffixes: ClassVar[frozenset[str]] = frozenset()
    takes_rows: ClassVar[bool] = True
    apart: ClassVar[bool] = False
    prepare: ClassVar[None] = None

    @classmethod
    def of(cls, facts: Facts) -> WindowEncoder:
        """Returns the encoder that the facts describe.

        Raises:
            DataError: the facts do not say how values become windows.
        """
        stored = facts.preprocessing
        names = tuple(facts.features)
        try:
            by_end = "roles" not in stored
            states = tuple(map(SeriesState.from_json, stored.get("series", [stored])))
            roles = Roles(names, states[0].axis.name) if by_end else Roles.from_json(stored["roles"])
            encoder = cls(
                names=names,
                window=facts.input_shape[0] if by_end else int(stored["window"]),
                horizon=int(stored["horizon"]),
                states=states,
                period=None if stored["period"] is None else int(stored["period"]),
                roles=roles,
                forms={name: form_from_json(form) for name, form in stored.get("forms", {}).items()},
                covariates=tuple(map(Covariate.from_json, stored.get("covariates", ()))),
                center=np.asarray(stored.get("center", ()), np.float64),
                spread=np.asarray(stored.get("spread", ()), np.float64),
                calendar=Calendar(**_calendar(stored.get("calendar", {}))),
                levels=tuple(tuple(map(str, cells)) for cells in stored.get("levels", ())),
                effects=np.asarray(stored["effects"], np.float64) if stored.get("effects") else None,
                masked=bool(stored.get("masked")),
                filler=_filler(stored, len(names)),
                repeats=stored.get("repeats", "refuse"),
                missing={name: tuple(values) for name, values in stored.get("missing_as", {}).items()},
                by_end=by_end,
            )
            encoder.check(tuple(facts.input_shape))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise DataError("facts.json does not say how values become windows", fix="train again") from None
        return encoder

    def check(self, shape: tuple[int, ...]) -> None:
        """Makes sure that its parts fit each other and the shape of the model's inputs.

        Raises:
            ValueError: they do not.
        """
        columns = len(self.names)
        for state in self.states:
            shapes = (state.mean.shape, state.std.shape, state.naive.shape, state.last.shape[1:])
            if shapes != ((columns,), (columns,), (2, columns), (columns,)) or len(state.last) > self.window:
                raise ValueError(shapes)
            if (state.missing is None) == self.masked or (self.masked and state.missing.shape != state.last.shape):  # type: ignore[union-attr]
                raise ValueError(self.masked)
        if shape != self.input_shape or not (self.is_panel or len(self.states[0].last) == self.window):
            raise ValueError(shape)

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts, except the names of the columns."""
        several = {"series": [state.to_json() for state in self.states]} if self.is_panel else {}
        return {
            **(several or self.states[0].to_json()),
            "axis": self.axis.to_json(),
            "window": self.window,
            "horizon": self.horizon,
            "period": self.period,
            "roles": self.roles.to_json(),
            "forms": {name: form_to_json(form) for name, form in self.forms.items() if form is not None},
            "covariates": [covariate.to_json() for covariate in self.covariates],
            "center": self.center.tolist(),
            "spread": self.spread.tolist(),
            "calendar": {"cycles": list(self.calendar.cycles), "holidays": self.calendar.holidays},
            "levels": [list(cells) for cells in self.levels],
            "masked": self.masked,
            "filler": None if self.filler is None else self.filler.weights.tolist(),
            "repeats": self.repeats,
            "missing_as": {name: list(values) for name, values in self.missing.items()},
            "effects": None if self.effects is None else self.effects.tolist(),
        }

    @property
    def axis(self) -> TimeAxis:
        """Returns the times of the first training series, whose step all have."""
        return self.states[0].axis

    @property
    def as_written(self) -> bool:
        """Tells whether numbers are read with their marks and units; older runs had decimal commas as points."""
        return not self.by_end

    @property
    def is_panel(self) -> bool:
        """Tells whether columns tell series apart."""
        return bool(self.roles.series)

    @property
    def looks_ahead(self) -> bool:
        """Tells whether the steps of a forecast have inputs of their own."""
        return bool(self.roles.known or self.calendar.width)

    @property
    def observed(self) -> int:
        """Returns how many numbers the observed covariates become."""
        return sum(covariate.width for covariate in self.covariates if covariate.name in self.roles.observed)

    @property
    def hidden(self) -> int:
        """Returns how many channels of a step, the first ones, are not known ahead."""
        return len(self.names) * (1 + self.masked) + self.observed

    @property
    def input_shape(self) -> tuple[int, int]:
        """Returns the shape of a window as the model takes it: with its horizon, if something of that is known, and
        with the embedding of its series, if there are several."""
        steps = self.window + (self.horizon if self.looks_ahead else 0)
        beside = sum(covariate.width for covariate in self.covariates) + self.calendar.width
        return steps, len(self.names) * (1 + self.masked) + beside + self.embedding_width

    @property
    def embedding_width(self) -> int:
        """Returns the width of the embedding of a series; 0 for one series alone."""
        return min(16, max(2, round(len(self.states) ** 0.5))) if self.is_panel else 0

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Returns the number of each training series by its name."""
        return {state.name: number for number, state in enumerate(self.states)}

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the columns of times and values, or an array `(n, C)` of values; interpolates all
        missing values.

        Raises:
            DataError: a column is missing, all series are shorter than a window, or no horizon has its covariates.
        """
        series, remarks = self.read(raw)
        parts = [self.windows(one, self.state_of(one)) for one in series]
        ends = [np.flatnonzero(part.given) for part in parts]
        if not sum(map(len, ends)):
            raise self.missing_covariates(series[0], len(series[0]), self.horizon)
        for one, part in zip(series, parts, strict=True):
            if not part.given[-1]:
                remarks.append(Remark(self.missing_covariates(one, len(one), self.horizon).what))
        inputs = self.join([(part, end, one) for part, end, one in zip(parts, ends, series, strict=True)])
        times = self.times_of([(one, end + self.window) for one, end in zip(series, ends, strict=True)])
        new = [bool(self.is_panel and one.name not in self.numbers) for one in series]
        of_each = [(Remark("series new", one.name),) if is_new else () for one, is_new in zip(series, new, strict=True)]
        of_samples: list[tuple[Remark, ...]] = [of_each[code] for code in times.codes.tolist()]
        of_samples[-1] = (*of_samples[-1], *remarks)
        if self.by_end:
            one = series[0]
            return Encoded(inputs, tuple(map(one.spell, range(self.window - 1, len(one)))), tuple(of_samples))
        return Encoded(inputs, times.ids, tuple(of_samples), times=times)

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the steps after each window, `(N, H·C)`; NaN after the end of the series and for missing values."""
        parts = []
        for one in self.read(raw)[0]:
            given = self.windows(one, self.state_of(one)).given
            targets = self.encode_targets(one)
            parts.append(targets if given.all() else targets[torch.from_numpy(given)])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def read(self, raw: Raw) -> tuple[list[RegularSeries], list[Remark]]:
        """Returns new samples as evenly spaced series, and remarks on those that are left out.

        Raises:
            DataError: a column is missing, or all series are shorter than a window.
        """
        if isinstance(raw, pd.DataFrame):
            series = self._read_frame(raw.set_axis([str(name).strip() for name in raw.columns], axis="columns"))
        elif isinstance(raw, np.ndarray) and raw.reshape(len(raw), -1).shape[1] == len(self.names):
            series = self._read_frame(pd.DataFrame(raw.reshape(len(raw), -1), columns=list(self.names)))
        elif isinstance(raw, Sequence):
            raise DataError("the model takes a table instead of files: it was trained on a series", fix="give a table")
        else:
            raise DataError(f"an array must have the shape (n, {len(self.names)}), and this one has {raw.shape}")
        long = [one for one in series if len(one) >= self.window]
        short = [one for one in series if len(one) < self.window]
        if not long:
            raise DataError(
                f"{max(map(len, short))} steps are fewer than the window of {self.window} that a forecast needs",
                fix="give more of the preceding steps",
            )
        return long, [Remark(f"series shorter than {self.window} steps", one.name) for one in short]

    def _read_frame(self, frame: pd.DataFrame) -> list[RegularSeries]:
        roles, frame = self.roles, with_plain_cells(frame)
        if not set(roles.target) <= set(frame.columns) and (turned := turn_wide(frame)) is not None:
            frame = turned.frame
        if roles.time not in frame.columns:
            frame = join_dates(frame, self.names)
        roles = replace(roles, time=roles.time if roles.time in frame.columns else "")
        for name in (*roles.target, *roles.series, *roles.covariates):
            if name not in frame.columns:
                role = "was trained on" if name in roles.target else "needs"
                raise DataError(
                    f"the table has no column {name!r}, which the model {role}",
                    fix=f"rename the one of {name_list(frame.columns)} that it is, or add it",
                )
        roles = replace(roles, static=tuple(name for name in roles.static if name in frame.columns))
        frame, _ = empty_cells(frame, {name: self.missing[name] for name in self.missing if name in frame.columns})
        reading = Reading(
            roles,
            self.forms,
            self.covariates,
            gaps=("mask" if self.masked else "interpolate") if roles.time else "ignore",
            max_gap=None,
            repeats=self.repeats,
            dates=self.axis.dates or "auto",
            like=self.axis if self.axis.unit != "rows" and roles.time else None,
        )
        series, _ = reading.read(frame, read_all(frame))
        return list(series)

    def state_of(self, series: RegularSeries) -> SeriesState:
        """Returns the state of a series; of one that training did not have, that of its own values."""
        if not self.is_panel:
            return self.states[0]
        if series.name in self.numbers:
            return self.states[self.numbers[series.name]]
        return SeriesState.fit(series, len(series), self.window, self.period)

    def windows(self, series: RegularSeries, state: SeriesState) -> Windows:
        """Returns every window of a series, scaled."""
        count, filled = len(series), None
        scaled = (series.values - state.mean) / state.std
        beside = (series.beside - self.center) / self.spread
        if len(beside) < count:  # steps that were forecast
            beside = np.concatenate([beside, np.full((count - len(beside), beside.shape[1]), np.nan)])
        if self.filler is not None:
            missing = np.zeros(scaled.shape, bool) if series.missing is None else series.missing
            filled = unfold(self.filler.fill(scaled, missing).astype(np.float32), self.window)
            scaled = np.concatenate([scaled, MASK * missing], axis=1)
        hidden, columns = self.hidden, scaled.shape[1]
        given = np.ones(count - self.window + 1, dtype=bool)
        if not self.looks_ahead:
            rows = np.concatenate([scaled, beside[:count]], axis=1)
            return Windows(unfold(rows.astype(np.float32), self.window), given, self.window, hidden, filled)
        rows = np.zeros((count + self.horizon, self.input_shape[1] - self.embedding_width))
        rows[:count, :columns] = scaled
        known = min(len(beside), len(rows))
        rows[:known, columns : columns + beside.shape[1]] = beside[:known]
        rows[known:, hidden : columns + beside.shape[1]] = np.nan
        if self.calendar.width:
            rows[:, -self.calendar.width :] = self.calendar.encode(series.moments(len(rows)))
        unknown = np.concatenate([[0], np.cumsum(np.isnan(rows[:, hidden:]).any(axis=1))])
        given = unknown[self.window + self.horizon :] == unknown[self.window : count + 1]
        view = unfold(np.nan_to_num(rows).astype(np.float32), self.window + self.horizon)
        return Windows(view, given, self.window, hidden, filled)

    def rows_ahead(self, series: RegularSeries, state: SeriesState) -> Floats:
        """Returns what is known ahead of the steps of a series, `(n, K')`."""
        view = self.windows(series, state).view[:, :, self.hidden :]
        return torch.cat([view[:, 0], view[-1, 1:]])[: len(series)].double().numpy()

    def join(self, parts: Sequence[tuple[Windows, NDArray[np.int64], RegularSeries]]) -> tuple[Tensor, ...]:
        """Returns the inputs of some windows, by their numbers, of several series.

        Raises:
            ConfigError: they do not fit into the free memory.
        """
        each = 4 * parts[0][0].view.shape[1:].numel()
        _refuse_steps(sum(len(chosen) for _, chosen, _ in parts), each, self.window, "windows", "data.window")
        windows = [part.finish(chosen) for part, chosen, _ in parts]
        joined = windows[0].contiguous() if len(windows) == 1 else torch.cat(windows)
        if not self.is_panel:
            return (joined,)
        counts = torch.tensor([len(chosen) for _, chosen, _ in parts])
        codes = torch.tensor([self._codes(series) for _, _, series in parts])
        scales = torch.from_numpy(np.stack([self.state_of(series).scale for _, _, series in parts]))
        return joined, codes.repeat_interleave(counts, dim=0), scales.repeat_interleave(counts, dim=0)

    def _codes(self, series: RegularSeries) -> list[int]:
        """Returns the numbers of a series and of its static cells, -1 for new ones."""
        static = series.static or (
            self.states[self.numbers[series.name]].static if series.name in self.numbers else ("",) * len(self.levels)
        )
        pairs = zip(static, self.levels, strict=True)
        return [
            self.numbers.get(series.name, -1),
            *(cells.index(cell) if cell in cells else -1 for cell, cells in pairs),
        ]

    def times_of(self, parts: Sequence[tuple[RegularSeries, NDArray[np.int64]]]) -> ForecastTimes:
        """Returns the times of forecasts, given for each series the positions of their first steps."""
        times: list[str] = []
        codes, firsts = [], []
        for code, (series, first) in enumerate(parts):
            codes.append(np.full(len(first), code))
            firsts.append(first + len(times))
            times += [series.spell(at) for at in range(len(series) + self.horizon)]
        names = tuple(series.name for series, _ in parts)
        return ForecastTimes(names, np.concatenate(codes), tuple(times), np.concatenate(firsts), self.horizon)

    def missing_covariates(self, series: RegularSeries, begin: int, steps: int) -> DataError:
        """Returns the error of a horizon whose known covariates are not given, from the position `begin` on."""
        beside = series.beside
        known = slice(self.observed, None)
        positions = range(begin, begin + steps)
        absent = [at for at in positions if at >= len(beside) or np.isnan(beside[at, known]).any()]
        first, last = series.spell(absent[0]), series.spell(absent[-1])
        of = f" of series {series.name}" if series.name else ""
        span = first if first == last else f"{first} to {last}"
        return DataError(
            f"no value of {name_list(self.roles.known)} is given for {span}{of}, and a forecast needs it",
            where="data.known",
            fix=f"append a row for each of these times, with {name_list(self.roles.known)} and without "
            f"{name_list(self.names)}",
        )

    def unscale(self, steps: Floats, inputs: tuple[Tensor, ...]) -> Floats:
        """Returns forecasts `(N, H, C)` in the scale of stored windows in the series' unit.

        Args:
            steps: the forecasts.
            inputs: the stored inputs of their windows.
        """
        if not self.is_panel:
            return steps * self.states[0].std + self.states[0].mean
        coarse, rest, std = inputs[2].double().numpy().reshape(len(steps), SCALES, 1, -1).swapaxes(0, 1)[:3]
        return steps * std + (coarse + rest)

    def encode_targets(self, series: RegularSeries) -> Tensor:
        """Returns the steps after each window in the series' unit, `(n - T + 1, H·C)` float64: views of one series if
        no value was missing, else with NaN for missing values.

        A window that ends in an interpolated value has no targets, since that value depends on the next one, unless the
        model knows which values are missing; then only targets beyond the end are left out as a whole.
        """
        missing = series.filled[:, None] if series.missing is None else series.missing
        each = 8 * self.horizon * series.values.shape[1]
        _refuse_steps(len(series) - self.window + 1, each, self.horizon, "forecasts", "data.horizon")
        values = np.where(missing, np.nan, series.values)
        beyond = np.full((self.horizon, values.shape[1]), np.nan)
        steps = torch.from_numpy(np.concatenate([values[self.window :], beyond]))
        targets = steps.unfold(0, self.horizon, 1).transpose(1, 2).flatten(1)
        if series.missing is not None:
            complete = torch.arange(len(targets)) < len(targets) - self.horizon
            return targets.masked_fill(~complete[:, None], np.nan)
        filled = torch.from_numpy(series.filled[self.window - 1 :])
        return targets.masked_fill(filled[:, None], np.nan) if filled.any() else targets


def _refuse_steps(count: int, each: int, steps: int, what: str, where: str) -> None:
    """Makes sure that windows or forecasts of so many steps, `each` bytes long, fit into the free memory.

    Raises:
        ConfigError: they do not.
    """
    if count * each < ALWAYS_FREE:
        return
    free = free_memory()
    fits = free / 10 / max(1, count) / each * steps
    override = f"{where}={10 ** int(math.log10(fits))}" if fits >= 10 else ""
    words = f"{count:,} {what} of {steps:,} steps"
    refuse_beyond(count * each, words, where=where, fix="give a smaller number", override=override, free=free)


def _filler(stored: Mapping[str, Any], columns: int) -> GapFiller | None:
    """Returns what fills the ends of windows; older runs repeated the last value there."""
    weights = stored.get("filler") or [[]] * columns
    return GapFiller(np.asarray(weights, np.float64).reshape(columns, -1)) if stored.get("masked") else None


def _calendar(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"cycles": tuple(stored.get("cycles", ())), "holidays": str(stored.get("holidays", ""))}

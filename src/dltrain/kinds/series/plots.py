"""Plots of forecasts and the true values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.style import COLORS, INK, SOFT, Drawing, Lettering, add_legend, new_axes, new_figure
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.runs.reader import Run
from dltrain.tasks.pages.forecasts import Forecasts, Texts, errors_by_series, spread_of
from dltrain.tasks.predicted import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STEPS = 400
MOST_PANELS = 4
WORST = 6
TICKS, TICKS_OF_LONG_TIMES = 5, 3


def draw_forecasts(run: Run, forecasts: Forecasts | None, text: Lettering) -> Drawing | None:
    """Draws the true values of the last held-out steps and consecutive forecasts: a panel for each column, or for each
    of the series with the largest errors."""
    facts = run.facts
    if forecasts is None:
        return None
    names, columns = list(dict.fromkeys(forecasts.series)), max(1, len(facts.features))
    if len(names) > 1:
        panels = [(forecasts.series == name, 0, str(name)) for name in errors_by_series(forecasts, facts)]
    else:
        panels = [(forecasts.series == names[0], at, (facts.features or (facts.target,))[at]) for at in range(columns)]
    drawn = panels[:MOST_PANELS]
    figure = new_figure(height=3.6 if len(drawn) == 1 else 2.2 * len(drawn) + 0.6)
    all_axes = new_axes(figure, rows=len(drawn), share=len(names) == 1)
    for axes, (mine, column, name) in zip(all_axes, drawn, strict=True):
        _draw_panel(axes, forecasts, mine, column)
        axes.set_ylabel(text(name))
        if len(names) > 1 or axes is all_axes[-1]:
            _label_times(axes, forecasts.times[mine], text)
    all_axes[-1].set_xlabel(text(WindowEncoder.of(facts).axis.name or "step"))
    add_legend(all_axes[0])
    horizon = forecasts.true.shape[1]
    of = f"; the first {len(drawn)} of {columns} columns" if len(panels) > len(drawn) and len(names) == 1 else ""
    if len(names) > 1:
        of = f"; the {len(drawn)} of {len(names)} series with the largest errors, the worst first"
    each = f" of {horizon} steps each, a dot where one begins" if horizon > 1 else " one step ahead"
    band = " The band holds the intervals of 90 %." if forecasts.low is not None else ""
    return Drawing(figure, f"Forecasts{each}, and the true values, at the end of the {run.shown_data}{of}.{band}")


def _label_times(axes: Axes, times: Texts, text: Lettering) -> None:
    """Writes some of the times of forecasts `(N, H)` below the axis."""
    spelled = [str(time) for time in (*times[:, 0], *times[-1, 1:])]
    first = max(0, len(times) - MOST_STEPS)
    ticks = TICKS if max(map(len, spelled)) <= 10 else TICKS_OF_LONG_TIMES
    at = np.unique(np.linspace(first, len(spelled) - 1, ticks).astype(int))
    axes.set_xticks(at, [text(spelled[index], 20) for index in at])


def draw_worst_forecasts(run: Run, forecasts: Forecasts | None, text: Lettering) -> Drawing | None:
    """Draws the multi-step forecasts with the largest errors, no two of the same steps, each in its worst column."""
    from matplotlib.ticker import MaxNLocator

    if forecasts is None or forecasts.true.shape[1] == 1:
        return None
    true, predicted = forecasts.true, forecasts.predicted  # (N, H, C)
    columns = true.shape[2]
    spread = np.maximum(spread_of(true), np.finfo(float).tiny)
    given = np.isfinite(true)
    sizes = np.where(given, np.abs(predicted - true), 0.0).sum(axis=1) / np.maximum(given.sum(axis=1), 1)
    errors = sizes / spread  # (N, C)
    chosen: list[int] = []
    for index in np.argsort(-errors.max(axis=1), kind="stable").tolist():
        apart = all(
            abs(index - other) >= true.shape[1] or forecasts.series[index] != forecasts.series[other]
            for other in chosen
        )
        if len(chosen) < WORST and apart:
            chosen.append(index)
    wide = min(3, len(chosen))
    figure = new_figure(3.4 * wide, 2.4 * -(-len(chosen) // 3))
    panels = new_axes(figure, -(-len(chosen) // 3), wide, share=False)
    steps = np.arange(1, true.shape[1] + 1)
    for axes, index in zip(panels, chosen, strict=False):
        column = int(errors[index].argmax())
        if forecasts.low is not None and forecasts.high is not None:
            low, high = forecasts.low[index, :, column], forecasts.high[index, :, column]
            axes.fill_between(steps, low, high, color=COLORS[0], alpha=0.15, linewidth=0)
        axes.plot(steps, true[index, :, column], color=INK, linewidth=1.4, label="true")
        axes.plot(steps, predicted[index, :, column], color=COLORS[0], linewidth=1.6, label="forecast")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        of = [text(forecasts.series[index], 12)] * bool(forecasts.series[index])
        of += [text(run.facts.features[column], 12)] * (columns > 1)
        origin = forecasts.origins[index]
        begins = f"after {text(origin, 20)}" if origin else f"from {text(forecasts.times[index, 0], 20)}"
        axes.set_title(", ".join([*of, begins]), fontsize=9.5, color=SOFT)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    add_legend(panels[0])
    return Drawing(
        figure, f"The {len(chosen)} forecasts with the largest errors, step by step; no two are of the same steps."
    )


def _draw_panel(axes: Axes, forecasts: Forecasts, mine: NDArray[np.bool_], column: int) -> None:
    """Draws the true values and forecasts of one column of some of the forecasts."""
    true, predicted = forecasts.true[mine, :, column], forecasts.predicted[mine, :, column]  # (N, H)
    count, horizon = true.shape
    first = max(0, count - MOST_STEPS)
    line = np.concatenate([true[first:, 0], true[-1, 1:]])
    axes.plot(np.arange(first, first + len(line)), line, color=INK, linewidth=1.4, label="true")
    starts = range(count - 1, first - 1, -horizon) if horizon > 1 else []
    ends: list[Floats] = [part[mine, :, column] for part in (forecasts.low, forecasts.high) if part is not None]
    if horizon == 1:
        steps = np.arange(first, count)
        if ends:
            axes.fill_between(steps, ends[0][first:, 0], ends[1][first:, 0], color=COLORS[0], alpha=0.15, linewidth=0)
        axes.plot(steps, predicted[first:, 0], color=COLORS[0], linewidth=1.2, label="forecast")
    for number, start in enumerate(starts):
        steps = np.arange(start, start + horizon)
        if ends:
            axes.fill_between(steps, ends[0][start], ends[1][start], color=COLORS[0], alpha=0.15, linewidth=0)
        axes.plot(steps, predicted[start], color=COLORS[0], linewidth=1.6, label="forecast" if number == 0 else None)
        axes.plot(steps[:1], predicted[start, :1], "o", color=COLORS[0], markersize=3)

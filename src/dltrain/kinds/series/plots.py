"""Plots of forecasts and the true values."""

from __future__ import annotations

import csv
from itertools import islice

import numpy as np
from matplotlib.axes import Axes

from dltrain.drawing.style import COLORS, INK, SOFT, Drawing, Lettering, add_legend, new_axes, new_figure
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.predicted import Floats, Predicted

MOST_STEPS = 400
MOST_COLUMNS = 4
WORST = 6
TICKS, TICKS_OF_LONG_TIMES = 5, 3


def draw_forecasts(run: Run, values: Predicted | None, text: Lettering) -> Drawing | None:
    """Draws the true values of the last held-out steps and consecutive forecasts, one panel for each column."""
    facts = run.facts
    if values is None:
        return None
    columns = max(1, len(facts.features))
    drawn = min(columns, MOST_COLUMNS)
    ids = _read_ids(run)
    figure = new_figure(height=3.6 if drawn == 1 else 2.2 * drawn + 0.6)
    panels = new_axes(figure, rows=drawn)
    true, predicted = (both.reshape(len(both), -1, columns) for both in (values.true, values.predicted))  # (N, H, C)
    for number, axes in enumerate(panels):
        _draw_column(axes, true[:, :, number], predicted[:, :, number])
        axes.set_ylabel(text(facts.features[number] if facts.features else facts.target))
    count, horizon = true.shape[:2]
    ticks = TICKS if max(map(len, ids)) <= 10 else TICKS_OF_LONG_TIMES
    at = np.unique(np.linspace(max(0, count - MOST_STEPS), count - 1, ticks).astype(int))
    panels[-1].set_xticks(at, [text(ids[index], 20) for index in at])
    panels[-1].set_xlabel(text(WindowEncoder.of(facts).axis.name or "step"))
    add_legend(panels[0])
    of = f"; the first {drawn} of {columns} columns" if columns > drawn else ""
    each = f" of {horizon} steps each, a dot where one begins" if horizon > 1 else " one step ahead"
    split = SPLIT_WORDS[run.shown_split]
    return Drawing(figure, f"Forecasts{each}, and the true values, at the end of the {split} split{of}.")


def draw_worst_forecasts(run: Run, values: Predicted | None, text: Lettering) -> Drawing | None:
    """Draws the multi-step forecasts with the largest errors, no two of the same steps, each in its worst column."""
    from matplotlib.ticker import MaxNLocator

    facts = run.facts
    columns = max(1, len(facts.features))
    if values is None or not facts.outputs or len(facts.outputs) == columns:
        return None
    true, predicted = (both.reshape(len(both), -1, columns) for both in (values.true, values.predicted))  # (N, H, C)
    errors = np.abs(predicted - true).mean(axis=1) / np.asarray(facts.target_std)[:columns]  # (N, C)
    chosen: list[int] = []
    for index in np.argsort(-errors.max(axis=1), kind="stable").tolist():
        if len(chosen) < WORST and all(abs(index - other) >= true.shape[1] for other in chosen):
            chosen.append(index)
    ids = _read_ids(run)
    wide = min(3, len(chosen))
    figure = new_figure(3.4 * wide, 2.4 * -(-len(chosen) // 3))
    panels = new_axes(figure, -(-len(chosen) // 3), wide, share=False)
    steps = np.arange(1, true.shape[1] + 1)
    for axes, index in zip(panels, chosen, strict=False):
        column = int(errors[index].argmax())
        axes.plot(steps, true[index, :, column], color=INK, linewidth=1.4, label="true")
        axes.plot(steps, predicted[index, :, column], color=COLORS[0], linewidth=1.6, label="forecast")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        name = f"{text(facts.features[column], 12)}, " if columns > 1 else ""
        axes.set_title(f"{name}after {text(ids[index], 20)}", fontsize=9.5, color=SOFT)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    add_legend(panels[0])
    return Drawing(
        figure, f"The {len(chosen)} forecasts with the largest errors, step by step; no two are of the same steps."
    )


def _read_ids(run: Run) -> list[str]:
    with run.folder.predictions.open(newline="", encoding="utf-8") as file:
        return [row[0] for row in islice(csv.reader(file), 1, None)]


def _draw_column(axes: Axes, true: Floats, predicted: Floats) -> None:
    """Draws one column's true values and forecasts, both `(N, H)`."""
    count, horizon = true.shape
    first = max(0, count - MOST_STEPS)
    line = np.concatenate([true[first:, 0], true[-1, 1:]])
    axes.plot(np.arange(first + 1, first + 1 + len(line)), line, color=INK, linewidth=1.4, label="true")
    if horizon == 1:
        steps = np.arange(first + 1, count + 1)
        axes.plot(steps, predicted[first:, 0], color=COLORS[0], linewidth=1.2, label="forecast")
        return
    for number, start in enumerate(range(count - 1, first - 1, -horizon)):
        steps = np.arange(start + 1, start + 1 + horizon)
        axes.plot(steps, predicted[start], color=COLORS[0], linewidth=1.6, label="forecast" if number == 0 else None)
        axes.plot(steps[:1], predicted[start, :1], "o", color=COLORS[0], markersize=3)

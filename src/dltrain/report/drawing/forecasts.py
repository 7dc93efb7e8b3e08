"""Plots of forecasts beside what came."""

from __future__ import annotations

import csv
from itertools import islice

import numpy as np
from matplotlib.axes import Axes

from dltrain.report.predicted import Floats
from dltrain.report.reading import SPLIT_WORDS, Run
from dltrain.report.style import COLORS, INK, Drawing, Lettering, add_legend, new_axes, new_figure

MOST_STEPS = 400
MOST_COLUMNS = 4
TICKS, TICKS_OF_LONG_TIMES = 5, 3


def draw_forecasts(run: Run, text: Lettering) -> Drawing | None:
    """The true line of the last held-out steps, and forecasts one after the other; a panel for each of the columns."""
    facts = run.facts
    said = run.predictions if facts.kind == "series" else None
    if said is None:
        return None
    columns = max(1, len(facts.features))
    shown = min(columns, MOST_COLUMNS)
    with run.folder.predictions.open(newline="", encoding="utf-8") as file:
        ids = [row[0] for row in islice(csv.reader(file), 1, None)]
    figure = new_figure(height=3.6 if shown == 1 else 2.2 * shown + 0.6)
    panels = new_axes(figure, rows=shown)
    true, predicted = (both.reshape(len(both), -1, columns) for both in (said.true, said.predicted))  # (N, H, C)
    for number, axes in enumerate(panels):
        _draw_column(axes, true[:, :, number], predicted[:, :, number])
        axes.set_ylabel(text(facts.features[number] if facts.features else facts.target))
    count, horizon = true.shape[:2]
    ticks = TICKS if max(map(len, ids)) <= 10 else TICKS_OF_LONG_TIMES
    at = np.unique(np.linspace(max(0, count - MOST_STEPS), count - 1, ticks).astype(int))
    panels[-1].set_xticks(at, [text(ids[index], 20) for index in at])
    panels[-1].set_xlabel(text((facts.preprocessing.get("axis") or {}).get("name") or "step"))
    add_legend(panels[0])
    of = f"; the first {shown} of {columns} columns" if columns > shown else ""
    each = f" of {horizon} steps each, a dot where one begins" if horizon > 1 else " one step ahead"
    split = SPLIT_WORDS[run.shown_split]
    return Drawing(figure, f"Forecasts{each}, beside what came, at the end of the {split} split{of}.")


def _draw_column(axes: Axes, true: Floats, predicted: Floats) -> None:
    """One column's truth and forecasts, both `(N, H)`."""
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

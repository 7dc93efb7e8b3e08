"""Plots of forecasts beside what came."""

from __future__ import annotations

import csv
from itertools import islice

import numpy as np

from dltrain.report.reading import SPLIT_WORDS, Run
from dltrain.report.style import COLORS, INK, Drawing, Lettering, add_legend, name_axes, new_axes, new_figure

MOST_STEPS = 400
TICKS = 5


def draw_forecasts(run: Run, text: Lettering) -> Drawing | None:
    """The true line of the last held-out steps, and forecasts one after the other; of several columns the first."""
    facts = run.facts
    said = run.predictions if facts.kind == "series" else None
    if said is None:
        return None
    columns = max(1, len(facts.features))
    true, predicted = (both.reshape(len(both), -1)[:, ::columns] for both in (said.true, said.predicted))  # (N, H)
    count, horizon = true.shape
    with run.folder.predictions.open(newline="", encoding="utf-8") as file:
        ids = [row[0] for row in islice(csv.reader(file), 1, None)]
    first = max(0, count - MOST_STEPS)
    figure = new_figure(height=3.6)
    (axes,) = new_axes(figure)
    line = np.concatenate([true[first:, 0], true[-1, 1:]])
    axes.plot(np.arange(first + 1, first + 1 + len(line)), line, color=INK, linewidth=1.4, label="true")
    if horizon == 1:
        axes.plot(
            np.arange(first + 1, count + 1), predicted[first:, 0], color=COLORS[0], linewidth=1.2, label="forecast"
        )
    starts = range(count - 1, first - 1, -horizon) if horizon > 1 else ()
    for number, start in enumerate(starts):
        steps = np.arange(start + 1, start + 1 + horizon)
        axes.plot(steps, predicted[start], color=COLORS[0], linewidth=1.6, label="forecast" if number == 0 else None)
        axes.plot(steps[:1], predicted[start, :1], "o", color=COLORS[0], markersize=3)
    shown = np.unique(np.linspace(first, count - 1, TICKS).astype(int))
    axes.set_xticks(shown, [text(ids[index], 20) for index in shown])
    name_axes(
        axes,
        text((facts.preprocessing.get("axis") or {}).get("name") or "step"),
        text(facts.features[0] if facts.features else facts.target),
    )
    add_legend(axes)
    of = f"; {facts.features[0]}, the first of {columns} columns" if columns > 1 else ""
    each = f" of {horizon} steps each, a dot where one begins" if horizon > 1 else " one step ahead"
    split = SPLIT_WORDS[run.shown_split]
    return Drawing(figure, f"Forecasts{each}, beside what came, at the end of the {split} split{of}.")

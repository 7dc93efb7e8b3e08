"""Plots of what a model rests on: its coefficients, and the columns that it cannot do without."""

from __future__ import annotations

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    INK,
    SOFT,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
    text_width,
)
from dltrain.drawing.wording import loss_of_shuffling, spell
from dltrain.runs.reader import Run
from dltrain.tasks.scores import coefficients

MAX_BARS = 25
MAX_SHUFFLED = 15


def draw_coefficients(run: Run, text: Lettering) -> Drawing | None:
    """The true coefficients beside the learned ones, in raw units."""
    known = coefficients(run)
    if known is None:
        return None
    order = np.arange(len(known.names))
    if len(order) > MAX_BARS:
        order = np.sort(np.argsort(-np.abs(known.true), kind="stable")[:MAX_BARS])
    figure = new_figure(max(7.2, 0.36 * len(order) + 1.2), 3.4)
    (axes,) = new_axes(figure)
    place = np.arange(len(order))
    axes.bar(place - 0.2, known.true[order], 0.38, color="#aab2bc", label="true")
    axes.bar(place + 0.2, known.learned[order], 0.38, color=COLORS[0], label="learned")
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.grid(False, axis="x")
    labels = [text(known.names[index], 16) for index in order]
    steep = sum(map(text_width, labels)) + len(labels) > 85
    axes.set_xticks(place, labels, rotation=90 if steep else 0, fontsize=9)
    name_axes(axes, "", "coefficient")
    add_legend(axes)
    gap = float(np.abs(known.true - known.learned).max())
    return Drawing(figure, f"True and learned coefficients; they differ by {gap:.3g} at most.")


def draw_importance(run: Run, text: Lettering) -> Drawing | None:
    """How much worse the result is where a column is shuffled, the columns that cost most on top."""
    found = run.result.get("importance") or []
    shown = [one for one in found if one["drop"] is not None][:MAX_SHUFFLED]
    if len(shown) < 2:  # the only column cannot be more important than another
        return None
    unit, scale = loss_of_shuffling(run)
    drops = scale * np.array([one["drop"] for one in shown])
    spreads = scale * np.array([one["spread"] or 0.0 for one in shown])
    figure = new_figure(height=max(2.2, 0.9 + 0.27 * len(shown)))
    (axes,) = new_axes(figure)
    place = np.arange(len(shown))[::-1]
    axes.barh(place, drops, 0.62, color=COLORS[0])
    axes.errorbar(drops, place, xerr=spreads, fmt="none", ecolor=SOFT, elinewidth=1, capsize=2)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.grid(False, axis="y")
    axes.set_yticks(place, [text(str(one["name"]), 24) for one in shown], fontsize=9, color=INK)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    name_axes(axes, text(unit, 48), "")
    most = text(str(shown[0]["name"]))
    return Drawing(figure, f"What shuffling a column costs: most with {most}, {spell(drops[0], 3)} ({unit}).")

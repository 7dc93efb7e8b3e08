"""A plot of what a model rests on: the columns that it cannot do without."""

from __future__ import annotations

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    INK,
    SOFT,
    Drawing,
    Lettering,
    name_axes,
    new_axes,
    new_figure,
)
from dltrain.drawing.wording import spell
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of

MAX_SHUFFLED = 15


def draw_importance(run: Run, text: Lettering) -> Drawing | None:
    """Draws how much worse the result is where a column is shuffled, the columns that cost most on top."""
    shown = [one for one in run.result.importance if one["drop"] is not None][:MAX_SHUFFLED]
    if len(shown) < 2:  # the only column cannot be more important than another
        return None
    unit, scale = page_of(run.facts).describe_importance()
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

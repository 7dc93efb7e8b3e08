"""The plot of the importance of columns."""

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
    """Draws by how much the result worsens when a column is shuffled, the most important columns on top."""
    columns = [column for column in run.result.importance if column["drop"] is not None][:MAX_SHUFFLED]
    if len(columns) < 2:  # a single column has nothing to be compared with
        return None
    unit, scale = page_of(run.facts).describe_importance()
    drops = scale * np.array([column["drop"] for column in columns])
    spreads = scale * np.array([column["spread"] or 0.0 for column in columns])
    figure = new_figure(height=max(2.2, 0.9 + 0.27 * len(columns)))
    (axes,) = new_axes(figure)
    position = np.arange(len(columns))[::-1]
    axes.barh(position, drops, 0.62, color=COLORS[0])
    axes.errorbar(drops, position, xerr=spreads, fmt="none", ecolor=SOFT, elinewidth=1, capsize=2)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.grid(False, axis="y")
    axes.set_yticks(position, [text(str(column["name"]), 24) for column in columns], fontsize=9, color=INK)
    axes.set_ylim(-0.6, len(columns) - 0.4)
    name_axes(axes, text(unit, 48), "")
    first = text(str(columns[0]["name"]))
    return Drawing(figure, f"Permutation importance of columns: {first} is first with {spell(drops[0], 3)} ({unit}).")

"""The plot of hit rates by the length of the list."""

from __future__ import annotations

import numpy as np

from dltrain.drawing.style import COLORS, SOFT, Drawing, name_axes, new_axes, new_figure
from dltrain.tasks.predicted import Floats

FIRST = 10  # length of the list in the metrics


def draw_hit_rates(ranks: Floats | None) -> Drawing | None:
    """Draws the share of users whose chosen item is among the first n, by n."""
    if ranks is None:
        return None
    figure = new_figure()
    (axes,) = new_axes(figure)
    # Ties have the mean of their ranks, which may lie between two whole numbers.
    length = np.unique(np.ceil(np.geomspace(1, max(ranks.max(), FIRST), 200)))
    share = (ranks[:, None] <= length).mean(axis=0)
    axes.plot(length, share, color=COLORS[0], drawstyle="steps-post")
    axes.axvline(FIRST, color=SOFT, linewidth=1, dashes=(2, 3))
    axes.set(xscale="log", ylim=(0, 1))
    name_axes(axes, "length of the list", "hit rate")
    rates = ", ".join(f"{(ranks <= count).mean():.3g} for {count:,}" for count in (1, FIRST, 100))
    return Drawing(figure, f"Share of the {len(ranks):,} chosen items in a list, by its length: {rates}.")

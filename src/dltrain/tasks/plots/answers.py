"""The plot of exact answers by the length of the source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.style import COLORS, SOFT, Drawing, name_axes, new_axes, new_figure
from dltrain.tasks.statistics import wilson

MOST_BARS, FEWEST = 12, 10  # and the fewest samples of a bar


def draw_exact_by_length(lengths: NDArray[np.int64], right: NDArray[np.bool_]) -> Drawing | None:
    """Draws the share of exact answers with its 95 % intervals, by the length of the source in characters.

    Args:
        lengths: `(N,)` of the sources.
        right: `(N,)` which answers are exact.
    """
    groups = group_lengths(lengths)
    if len(groups) < 2:
        return None
    figure = new_figure()
    (axes,) = new_axes(figure)
    shares = [float(right[at].mean()) for _, at in groups]
    spans = [wilson(int(right[at].sum()), len(at)) for _, at in groups]
    below = [share - low for share, (low, _) in zip(shares, spans, strict=True)]
    above = [high - share for share, (_, high) in zip(shares, spans, strict=True)]
    places = np.arange(len(groups))
    axes.bar(places, shares, color=COLORS[0], width=0.7)
    axes.errorbar(places, shares, [below, above], fmt="none", ecolor=SOFT, elinewidth=1.2)
    axes.set_xticks(places, [name for name, _ in groups])
    axes.set_ylim(0, 1)
    axes.grid(visible=False, axis="x")
    name_axes(axes, "characters of the source", "exact answers")
    (first, _), (last, _) = groups[0], groups[-1]
    words = f"Of sources of {first} characters {shares[0]:.3g} are answered exactly, of {last} {shares[-1]:.3g}."
    return Drawing(figure, words)


def group_lengths(lengths: NDArray[np.int64]) -> list[tuple[str, NDArray[np.int64]]]:
    """Returns ranges of lengths, each with its name and the positions of its samples, of about the same size."""
    count = max(1, min(MOST_BARS, len(lengths) // FEWEST))
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, count + 1), method="inverted_cdf"))
    groups, low = [], int(edges[0])
    for high in edges[1:].tolist() if len(edges) > 1 else []:
        at = np.flatnonzero((lengths >= low) & (lengths <= high))
        groups.append((f"{low}" if low == high else f"{low}–{high}", at))
        low = int(high) + 1
    return [(name, at) for name, at in groups if len(at)]

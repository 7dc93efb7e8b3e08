"""A plot of where the samples lie."""

from __future__ import annotations

from dltrain.drawing.style import INK, Drawing, Lettering, add_legend, name_axes, new_axes, new_figure
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.registry import page_of


def draw_projection(run: Run, text: Lettering) -> Drawing | None:
    """Draws each sample at its first two principal components, by what is true of it, wrong ones marked."""
    found, axes_said, page = run.projection, run.result.projection, page_of(run.facts)
    if found is None or axes_said is None:
        return None
    said = page.predicted(run)
    if said is None or found[0].max() >= len(said.true):
        return None
    rows, points = found
    figure = new_figure(height=4.4)
    (axes,) = new_axes(figure)
    wrong, label = page.draw_samples(axes, points, said.true[rows], said.predicted[rows], text)
    if wrong.any():
        marked = points[wrong]
        axes.plot(*marked.T, "x", markersize=5, markeredgewidth=1, color=INK, label=label, alpha=0.85)
    first, second = axes_said["explained"]
    name_axes(axes, f"first component, {first:.0%} of the variance", f"second component, {second:.0%}")
    add_legend(axes)
    return Drawing(
        figure,
        f"{len(rows):,} {SPLIT_WORDS[run.shown_split]} samples by the first two principal components of the "
        f"{axes_said['source']}, which hold {first + second:.0%} of the variance; crosses: {label}.",
    )

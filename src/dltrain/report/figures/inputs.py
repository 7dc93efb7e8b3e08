"""The plot of samples in the plane of their first two principal components."""

from __future__ import annotations

from dltrain.drawing.style import INK, Drawing, Lettering, add_legend, name_axes, new_axes, new_figure
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of


def draw_projection(run: Run, text: Lettering) -> Drawing | None:
    """Draws samples at their first two principal components, coloured by their true values; errors are marked."""
    projection, record, page = run.projection, run.result.projection, page_of(run.facts)
    if projection is None or record is None:
        return None
    predicted = page.predicted(run)
    if predicted is None or projection[0].max() >= len(predicted.true):
        return None
    rows, points = projection
    figure = new_figure(height=4.4)
    (axes,) = new_axes(figure)
    wrong, label = page.draw_samples(axes, points, predicted.true[rows], predicted.predicted[rows], text)
    if wrong.any():
        marked = points[wrong]
        axes.plot(*marked.T, "x", markersize=5, markeredgewidth=1, color=INK, label=label, alpha=0.85)
    first, second = record["explained"]
    name_axes(axes, f"first component, {first:.0%} of the variance", f"second component, {second:.0%}")
    add_legend(axes)
    return Drawing(
        figure,
        f"{len(rows):,} {run.shown_words} samples by the first two principal components of the "
        f"{record['source']}, which explain {first + second:.0%} of the variance; crosses: {label}.",
    )

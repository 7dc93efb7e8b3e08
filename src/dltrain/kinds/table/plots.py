"""Plots of a table: the fit of a single feature, and learned coefficients."""

from __future__ import annotations

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    SOFT,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
    text_width,
)
from dltrain.kinds.table.coefficients import coefficients, feature_scale
from dltrain.runs.reader import Run

MAX_BARS = 25


def draw_fit(run: Run, text: Lettering) -> Drawing | None:
    """True and predicted target by the only feature, of the example rows."""
    facts = run.facts
    if facts.task != "regression" or facts.outputs or tuple(facts.input_shape) != (1,):
        return None
    x = run.example_inputs
    if x is None or not len(x):
        return None
    (column,) = facts.preprocessing.get("columns", [{}])
    if column.get("edges"):
        x = np.interp(x[:, 0], column["scores"], column["edges"])
    else:
        scale = feature_scale(facts) or (np.zeros(1), np.ones(1))
        x = x[:, 0] * scale[1][0] + scale[0][0]
    true = np.array([float(row.true) for row in run.examples])
    predicted = np.array([float(row.predicted) for row in run.examples])
    order = np.argsort(x, kind="stable")
    figure = new_figure()
    (axes,) = new_axes(figure)
    axes.plot(x[order], true[order], "o", markersize=5, markerfacecolor="none", color=SOFT, label="true")
    axes.plot(x[order], predicted[order], ".-", markersize=4, linewidth=1.2, color=COLORS[0], label="predicted")
    name_axes(axes, text(facts.features[0] if facts.features else "x"), text(facts.target))
    add_legend(axes)
    return Drawing(figure, f"True and predicted values by the only feature, of {len(x)} rows, the worst included.")


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

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
from dltrain.kinds.labels import form_of
from dltrain.kinds.table.coefficients import coefficients
from dltrain.kinds.table.encoder import columns_of
from dltrain.runs.reader import Run

MAX_BARS = 25


def draw_fit(run: Run, text: Lettering) -> Drawing | None:
    """Draws the true and the predicted target against the only feature, for the example rows."""
    facts = run.facts
    if form_of(facts) != "number" or facts.outputs or tuple(facts.input_shape) != (1,):
        return None
    inputs = run.example_inputs
    if inputs is None or not len(inputs):
        return None
    x = inputs[:, 0].astype(np.float64)
    for column in columns_of(facts):
        x = column.decode(x)
    true = np.array([float(row.true) for row in run.examples])
    predicted = np.array([float(row.predicted) for row in run.examples])
    order = np.argsort(x, kind="stable")
    figure = new_figure()
    (axes,) = new_axes(figure)
    axes.plot(x[order], true[order], "o", markersize=5, markerfacecolor="none", color=SOFT, label="true")
    axes.plot(x[order], predicted[order], ".-", markersize=4, linewidth=1.2, color=COLORS[0], label="predicted")
    name_axes(axes, text(facts.features[0] if facts.features else "x"), text(facts.target))
    add_legend(axes)
    return Drawing(
        figure, f"True and predicted values against the only feature, for {len(x)} rows, the worst included."
    )


def draw_coefficients(run: Run, text: Lettering) -> Drawing | None:
    """Draws the true and the learned coefficients, in raw units."""
    weights = coefficients(run)
    if weights is None:
        return None
    order = np.arange(len(weights.names))
    if len(order) > MAX_BARS:
        order = np.sort(np.argsort(-np.abs(weights.true), kind="stable")[:MAX_BARS])
    figure = new_figure(max(7.2, 0.36 * len(order) + 1.2), 3.4)
    (axes,) = new_axes(figure)
    position = np.arange(len(order))
    axes.bar(position - 0.2, weights.true[order], 0.38, color="#aab2bc", label="true")
    axes.bar(position + 0.2, weights.learned[order], 0.38, color=COLORS[0], label="learned")
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.grid(False, axis="x")
    labels = [text(weights.names[index], 16) for index in order]
    steep = sum(map(text_width, labels)) + len(labels) > 85
    axes.set_xticks(position, labels, rotation=90 if steep else 0, fontsize=9)
    name_axes(axes, "", "coefficient")
    add_legend(axes)
    gap = float(np.abs(weights.true - weights.learned).max())
    return Drawing(figure, f"True and learned coefficients; they differ by at most {gap:.3g}.")

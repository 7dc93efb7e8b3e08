"""Plots of predicted numbers: predicted against true values, and residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dltrain.drawing.style import COLORS, SOFT, Drawing, Lettering, add_legend, name_axes, new_axes, new_figure
from dltrain.tasks.predicted import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 5000
MAX_OUTPUTS = 6


Pairs = Sequence[tuple[str, Floats]]  # the name of each number, and its true and predicted values (2, N)


def draw_predicted_against_true(numbers: Pairs, outputs: int, text: Lettering) -> Drawing | None:
    """Draws a point a sample; a perfect prediction lies on the diagonal. Each of several outputs has its own axes."""
    if not numbers:
        return None
    spaced = np.linspace(0, len(numbers) - 1, min(len(numbers), MAX_OUTPUTS)).round().astype(int)
    numbers = [numbers[index] for index in spaced]
    columns = min(3, len(numbers))
    rows = -(-len(numbers) // 3)
    figure = new_figure(height=4.2) if len(numbers) == 1 else new_figure(3.6 * columns, 3.4 * rows)
    panels = new_axes(figure, rows, columns, share=False)
    for axes, (name, pairs) in zip(panels, numbers, strict=False):
        true, predicted = pairs
        limits = _padded(pairs)
        axes.plot(limits, limits, color=SOFT, linewidth=1, dashes=(2, 3), label="perfect")
        _scatter(axes, true, predicted)
        axes.set(xlim=limits, ylim=limits)
        name_axes(axes, f"true {text(name)}", f"predicted {text(name)}")
        if len(numbers) == 1:
            add_legend(axes)
    for axes in panels[len(numbers) :]:
        axes.set_visible(False)
    counts = sorted({len(true) for _, (true, _) in numbers})
    samples = counts[-1]
    of_samples = f"{counts[0]:,} to {samples:,}" if len(counts) > 1 else f"{samples:,}"
    more = f"; {len(numbers)} of {outputs} outputs" if outputs > len(numbers) else ""
    return Drawing(figure, f"Predicted against true values of {of_samples} samples{_thinning(samples)}{more}.")


def draw_residuals(numbers: Pairs, text: Lettering) -> Drawing | None:
    """Draws the residuals by prediction and as a histogram, where one number is predicted."""
    if len(numbers) != 1:
        return None
    ((name, (true, predicted)),) = numbers
    residuals = true - predicted
    figure = new_figure(height=4.2)
    left, right = new_axes(figure, columns=2, ratios=(3, 1))
    limits = _padded(residuals)
    _scatter(left, predicted, residuals)
    bins = min(50, max(10, int(2 * len(residuals) ** 0.5)))
    right.hist(residuals, bins=bins, orientation="horizontal", color=COLORS[0])
    for axes in (left, right):
        axes.axhline(0, color=SOFT, linewidth=1, dashes=(2, 3))
    left.set_ylim(limits)
    left.locator_params(axis="x", nbins=6)
    right.locator_params(axis="x", nbins=3)
    name_axes(left, f"predicted {text(name)}", "residual: true − predicted")
    name_axes(right, "samples", "")
    return Drawing(
        figure,
        f"Residuals: mean {residuals.mean():.3g}, standard deviation {residuals.std():.3g}{_thinning(len(true))}.",
    )


def _scatter(axes: Axes, x: Floats, y: Floats) -> None:
    """Draws points; of more than 5,000 evenly spaced ones."""
    every = -(-len(x) // MAX_POINTS)
    alpha = 0.65 if len(x) <= 300 else 0.3 if len(x) <= 2000 else 0.15
    axes.plot(x[::every], y[::every], "o", markersize=4, markeredgewidth=0, alpha=alpha, color=COLORS[0])


def _thinning(count: int) -> str:
    return "" if count <= MAX_POINTS else f"; one point in {-(-count // MAX_POINTS)} is drawn"


def _padded(values: Floats) -> tuple[float, float]:
    """Returns the range of the values with a margin, also where all are equal."""
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin

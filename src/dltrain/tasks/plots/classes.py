"""The confusion matrix of predicted classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dltrain.drawing.style import INK, SOFT, Drawing, Lettering, name_axes, new_axes, new_figure, text_width
from dltrain.drawing.wording import is_code
from dltrain.runs.reader import Run
from dltrain.tasks.predicted import Floats, Indices, Predicted
from dltrain.tasks.statistics import confusion_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NUMBERED = 20  # most classes for which counts are written into the cells


def draw_confusion(run: Run, predicted: Predicted | None, text: Lettering) -> Drawing | None:
    """Draws counts of true by predicted class, coloured by the share of the true class."""
    names = run.facts.classes
    if predicted is None:
        return None
    count = len(names)
    counts = confusion_counts(predicted.true, predicted.predicted, count)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    labels = [text(name, 16) for name in names]
    longest = max(map(text_width, labels))
    side = min(9.0, 0.42 * count) + 0.085 * longest
    upright = count * longest < 50
    compact = count <= 8 or (count <= 10 and upright)
    figure = new_figure(height=4.2) if compact else new_figure(max(6.4, side + 1), max(5.0, side))
    (axes,) = new_axes(figure)
    axes.grid(False)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    ticks = range(0, count, -(-count // MAX_NUMBERED))
    axes.set_xticks(ticks, [labels[i] for i in ticks], rotation=0 if upright else 90, fontsize=9, color=INK)
    axes.set_yticks(ticks, [labels[i] for i in ticks], fontsize=9, color=INK)
    whose = f" {text(run.facts.target, 20)}" if all(map(is_code, names)) else ""
    name_axes(axes, f"predicted{whose}", f"true{whose}")
    if count <= MAX_NUMBERED:
        _write_counts(axes, counts, shares)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label("share of the true class", fontsize=9.5, color=SOFT)
        bar.ax.tick_params(length=0, labelsize=9, labelcolor=SOFT)
        bar.outline.set_visible(False)
    right = int(counts.diagonal().sum())
    return Drawing(figure, f"Confusion matrix: {right:,} of {counts.sum():,} predictions name the true class.")


def _write_counts(axes: Axes, counts: Indices, shares: Floats) -> None:
    """Writes the count into every cell that is not 0, and below it the share of the true class if there is room."""
    roomy = len(counts) <= 10
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        share = f"\n{shares[row, column]:.0%}" if roomy else ""
        color = "white" if shares[row, column] > 0.68 else INK
        size = (8.5 if roomy else 7.5) if count < 10_000 else 6.5
        axes.text(column, row, f"{count:,}{share}", ha="center", va="center", fontsize=size, color=color)

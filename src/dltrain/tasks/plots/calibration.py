"""The calibration plot: of the predictions made with a probability of 80 %, 80 % should be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.style import COLORS, Drawing, add_legend, name_axes, new_axes, new_figure
from dltrain.tasks.predicted import Floats, Predicted
from dltrain.tasks.statistics import reliability

FEWEST = 20  # samples, below which the plot would show chance alone


def draw_calibration(predicted: Predicted | None, classes: int) -> Drawing | None:
    """Draws the share of right predictions by their probability; nothing for fewer than 20 samples."""
    if predicted is None or len(predicted.true) < FEWEST or predicted.scores.shape[1] not in (1, classes):
        return None
    right = predicted.predicted == predicted.true
    return _draw(predicted.scores.max(axis=1), right, 1 / classes, "class")


def draw_string_calibration(predicted: Predicted | None) -> Drawing | None:
    """Draws the share of strings that are right by their probability, the only score; nothing for fewer than 20."""
    if predicted is None or len(predicted.true) < FEWEST:
        return None
    return _draw(predicted.scores[:, 0], (predicted.predicted == predicted.true).all(axis=1), 0.0, "string")


def _draw(confidence: Floats, right: NDArray[np.bool_], least: float, noun: str) -> Drawing:
    """Draws the share of right predictions by their probability, which is `least` or more."""
    bins = reliability(confidence, right)
    figure = new_figure()
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color="#8a93a0", linewidth=1, linestyle="--", label="ideal")
    axes.plot(bins.confidence, bins.accuracy, color=COLORS[0], linewidth=1.5, label=f"model, ECE {bins.error:.3f}")
    sizes = 20 + 180 * bins.counts / bins.counts.max()
    axes.scatter(bins.confidence, bins.accuracy, s=sizes, color=COLORS[0], alpha=0.6, linewidth=0)
    low = max(0.0, min(least, float(bins.confidence.min())) - 0.05)
    axes.set_xlim(low, 1.02)
    axes.set_ylim(-0.02, 1.02)
    name_axes(axes, f"probability of the predicted {noun}", "share of right predictions")
    add_legend(axes)
    return Drawing(
        figure, f"Share of right predictions by their probability; expected calibration error {bins.error:.3f}."
    )

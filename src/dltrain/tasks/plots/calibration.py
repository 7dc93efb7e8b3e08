"""The calibration plot: of the predictions made with a probability of 80 %, 80 % should be right."""

from __future__ import annotations

from dltrain.drawing.style import COLORS, Drawing, add_legend, name_axes, new_axes, new_figure
from dltrain.tasks.predicted import Predicted
from dltrain.tasks.statistics import reliability

FEWEST = 20  # samples, below which the plot would show chance alone


def draw_calibration(predicted: Predicted | None, classes: int) -> Drawing | None:
    """Draws the share of right predictions by their probability; nothing for fewer than 20 samples."""
    if predicted is None or len(predicted.true) < FEWEST or predicted.scores.shape[1] != classes:
        return None
    bins = reliability(predicted.scores.max(axis=1), predicted.predicted == predicted.true)
    figure = new_figure()
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color="#8a93a0", linewidth=1, linestyle="--", label="ideal")
    axes.plot(bins.confidence, bins.accuracy, color=COLORS[0], linewidth=1.5, label=f"model, ECE {bins.error:.3f}")
    sizes = 20 + 180 * bins.counts / bins.counts.max()
    axes.scatter(bins.confidence, bins.accuracy, s=sizes, color=COLORS[0], alpha=0.6, linewidth=0)
    low = max(0.0, min(1 / predicted.scores.shape[1], float(bins.confidence.min())) - 0.05)
    axes.set_xlim(low, 1.02)
    axes.set_ylim(-0.02, 1.02)
    name_axes(axes, "probability of the predicted class", "share of right predictions")
    add_legend(axes)
    return Drawing(
        figure, f"Share of right predictions by their probability; expected calibration error {bins.error:.3f}."
    )

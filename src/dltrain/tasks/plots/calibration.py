"""A plot of whether probabilities mean what they say: of the predictions made with 80 %, 80 % should be right."""

from __future__ import annotations

from dltrain.drawing.style import COLORS, Drawing, add_legend, name_axes, new_axes, new_figure
from dltrain.tasks.predicted import Predicted
from dltrain.tasks.statistics import reliability

FEWEST = 20  # samples, below which nothing can be said


def draw_calibration(said: Predicted | None, classes: int) -> Drawing | None:
    """Draws how often predictions are right against how sure they are; nothing for a handful of samples."""
    if said is None or len(said.true) < FEWEST or said.scores.shape[1] != classes:
        return None
    found = reliability(said.scores.max(axis=1), said.predicted == said.true)
    figure = new_figure()
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color="#8a93a0", linewidth=1, linestyle="--", label="ideal")
    axes.plot(found.confidence, found.accuracy, color=COLORS[0], linewidth=1.5, label=f"model, ECE {found.error:.3f}")
    sizes = 20 + 180 * found.counts / found.counts.max()
    axes.scatter(found.confidence, found.accuracy, s=sizes, color=COLORS[0], alpha=0.6, linewidth=0)
    low = max(0.0, min(1 / said.scores.shape[1], float(found.confidence.min())) - 0.05)
    axes.set_xlim(low, 1.02)
    axes.set_ylim(-0.02, 1.02)
    name_axes(axes, "probability of the predicted class", "share that is right")
    add_legend(axes, "upper left")
    return Drawing(
        figure, f"Share of right predictions by their probability; expected calibration error {found.error:.3f}."
    )

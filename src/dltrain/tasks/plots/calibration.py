"""Whether probabilities mean what they say: of the predictions made with 80 %, 80 % should be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.style import COLORS, Drawing, Lettering, add_legend, name_axes, new_axes, new_figure
from dltrain.runs.reader import Run
from dltrain.tasks.predicted import Floats

BINS = 10
FEWEST = 20  # samples, below which nothing can be said


@dataclass(frozen=True)
class Reliability:
    """Samples by how sure the model is of what it predicts.

    Args:
        confidence: mean of each bin that has samples, `(n,)`.
        accuracy: share of right predictions in it.
        counts: samples in it.
    """

    confidence: Floats
    accuracy: Floats
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """The expected calibration error (Naeini et al., 2015): the mean gap between the two, over the samples."""
        return float(np.abs(self.confidence - self.accuracy) @ self.counts / self.counts.sum())


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Divides samples into bins of equal width by their confidence `(N,)`, that of the predicted class."""
    at = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    filled = counts > 0
    sums, hits = (np.bincount(at, weights, bins)[filled] for weights in (confidence, right.astype(np.float64)))
    return Reliability(sums / counts[filled], hits / counts[filled], counts[filled])


def draw_calibration(run: Run, text: Lettering) -> Drawing | None:
    """How often predictions are right against how sure they are; nothing for a handful of samples."""
    said = run.predictions if run.facts.classes else None
    if said is None or len(said.true) < FEWEST or said.scores.shape[1] != len(run.facts.classes):
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

"""The part of a page about predicted labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import MAX_ROWS, Table, listed, shown
from dltrain.drawing.style import COLORS
from dltrain.runs.reader import Example, Run
from dltrain.tasks.metric_table import describe_metric
from dltrain.tasks.pages.classes import accuracy_interval
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.curves import OneClass, rate_plots
from dltrain.tasks.predicted import Floats, Predicted, mistakes, read_predicted
from dltrain.tasks.statistics import roc, scores_of_each
from dltrain.types import MISSING_LABEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering


class LabelsPage(Page):
    """The part of a page about any number of labels."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("accuracy", "f1", "roc_auc")

    def explain_metrics(self) -> str:
        return "Accuracy is the share of samples with all labels right; precision, recall and F1 are means over labels."

    def plots(self) -> Sequence[Plot]:
        return rate_plots(self.each_label, "")

    def each_label(self, run: Run) -> list[OneClass]:
        """Returns the samples and scores of each label, of the samples for which it is known."""
        predicted = self.predicted(run)
        if predicted is None or not predicted.scores.size:
            return []
        columns = zip(self.facts.outputs, predicted.true.T, predicted.scores.T, strict=True)
        return [OneClass(name, true[true >= 0] == 1, scores[true >= 0]) for name, true, scores in columns]

    def read(self, run: Run) -> Predicted | None:
        return read_predicted(run.folder.predictions, self.facts.outputs, read=_label, dtype=np.int64)

    def score_table(self, run: Run) -> Table | None:
        names, predicted = self.facts.outputs, self.predicted(run)
        if predicted is None:
            return None
        true, count = predicted.true, len(predicted.true)
        # A predicted label that is not known to be right or wrong counts as neither.
        scores = scores_of_each(np.maximum(true, 0), np.where(true < 0, 0, predicted.predicted), len(names))
        labels = self.each_label(run)
        gaps = bool((true < 0).any())
        areas = {label.name: curve.area for label in labels if (curve := roc(label.positive, label.scores))}
        rows = [
            [
                shown(name),
                *(f"{values[position]:.3f}" for values in scores.values()),
                f"{areas[name]:.3f}" if name in areas else "–",
                f"{(true[:, position] == 1).sum():,}",
                *([f"{(true[:, position] >= 0).sum():,}"] if gaps else []),
            ]
            for position, name in enumerate(names)
        ]
        caption = (
            f"Each label by itself; {'Samples' if gaps else 'the last column'} counts its samples, out of {count:,}"
        )
        caption += ", and Known those of which it is known whether they have it." if gaps else "."
        head = ["Label", *(describe_metric(name).label for name in scores), "ROC AUC", "Samples", *["Known"] * gaps]
        return Table(head, rows, caption, folded=f"Scores of all {len(names)} outputs" if len(names) > MAX_ROWS else "")

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        rows = [
            [
                shown(example.text or example.id),
                shown(example.true) or "none",
                shown(example.predicted) or "none",
                example.error,
            ]
            for example in examples
        ]
        caption = "The error is 1 minus the probability of the truth, the mean over the labels."
        return Table(["Sample", "True", "Predicted", "Error"], rows, caption, 3) if rows else None

    def confidence(self, run: Run) -> Iterator[str]:
        if (predicted := self.predicted(run)) is not None:
            gaps = (predicted.true < 0).any()
            subject = f"The share of samples with all {'known ' if gaps else ''}labels right"
            yield accuracy_interval(predicted, run.shown_words, subject)

    def describe_importance(self) -> tuple[str, float]:
        return "points of accuracy lost", 100.0

    def goal(self) -> str:
        names = self.facts.outputs
        return f"{len(names)} labels: {', '.join(names[:10])}" + " ..." * (len(names) > 10)

    def pairs(self) -> list[tuple[str, str]]:
        return [("Outputs", listed([shown(name) for name in self.facts.outputs]))]

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        axes.plot(*points.T, "o", markersize=4, markeredgewidth=0, alpha=0.6, color=COLORS[0])
        return mistakes(true, predicted), "a label wrong"


def _label(cell: str) -> float:
    """Returns 0 or 1 as they are, and `MISSING_LABEL` for an empty cell."""
    return float(cell or MISSING_LABEL)

"""What the page of a run says of predicted labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import MAX_ROWS, Table, listed, shown
from dltrain.drawing.style import COLORS
from dltrain.runs.reader import SPLIT_WORDS, Example, Run
from dltrain.tasks.metric_table import describe_metric
from dltrain.tasks.pages.classes import accuracy_interval
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.curves import OneClass, rate_plots
from dltrain.tasks.predicted import Floats, Predicted, read_predicted
from dltrain.tasks.statistics import roc, scores_of_each

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering


class LabelsPage(Page):
    """Any number of labels."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("accuracy", "f1", "roc_auc")

    def explain_metrics(self) -> str:
        return "Accuracy is the share of samples with all labels right; precision, recall and F1 are means over labels."

    def plots(self) -> Sequence[Plot]:
        return rate_plots(self.each_label, "")

    def each_label(self, run: Run) -> list[OneClass]:
        """Returns each label with who has it and its scores."""
        said = self.predicted(run)
        if said is None or not said.scores.size:
            return []
        columns = zip(self.facts.outputs, said.true.T == 1, said.scores.T, strict=True)
        return [OneClass(name, positive, scores) for name, positive, scores in columns]

    def read(self, run: Run) -> Predicted | None:
        return read_predicted(run.folder.predictions, self.facts.outputs, kept=np.int64)

    def score_table(self, run: Run) -> Table | None:
        names, said = self.facts.outputs, self.predicted(run)
        if said is None:
            return None
        scores = scores_of_each(said.true, said.predicted, len(names))
        areas = {one.name: curve.area for one in self.each_label(run) if (curve := roc(one.positive, one.scores))}
        rows = [
            [
                shown(name),
                *(f"{values[place]:.3f}" for values in scores.values()),
                f"{areas[name]:.3f}" if name in areas else "–",
                f"{said.true[:, place].sum():,}",
            ]
            for place, name in enumerate(names)
        ]
        caption = f"Each label on its own; the last column counts those of {len(said.true):,} samples that have it."
        head = ["Label", *(describe_metric(name).label for name in scores), "ROC AUC", "Samples"]
        return Table(head, rows, caption, folded=f"Scores of all {len(names)} outputs" if len(names) > MAX_ROWS else "")

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        rows = [
            [shown(one.text or one.id), shown(one.true) or "none", shown(one.predicted) or "none", one.error]
            for one in examples
        ]
        caption = "The error is the mean over the labels of the probability that the truth lacks."
        return Table(["Sample", "True", "Predicted", "Error"], rows, caption, 3) if rows else None

    def confidence(self, run: Run) -> Iterator[str]:
        if (said := self.predicted(run)) is not None:
            what = "Accuracy, every label of a sample right,"
            yield accuracy_interval(said, SPLIT_WORDS[run.shown_split], what)

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
        return (true != predicted).any(axis=1), "a label wrong"

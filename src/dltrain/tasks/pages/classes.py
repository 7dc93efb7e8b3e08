"""The part of a page about predicted classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.names import shorten_apart
from dltrain.drawing.plot import Plot
from dltrain.drawing.section import MAX_ROWS, Table, listed, shown
from dltrain.drawing.style import COLORS
from dltrain.drawing.wording import is_code, name_class, spell
from dltrain.runs.reader import Example, Run
from dltrain.tasks.metric_table import describe_metric
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.calibration import draw_calibration
from dltrain.tasks.plots.classes import draw_confused_pairs, draw_confusion, without_matrix
from dltrain.tasks.plots.curves import LONGEST_NAME, OneClass, rate_plots
from dltrain.tasks.predicted import MOST_SCORES, Floats, Predicted, mistakes, read_predicted
from dltrain.tasks.statistics import scores_of_each, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering

FEW_OF_A_CLASS = 20  # training samples, below which a class counts as rare
UNEVEN = 4  # ratio of the largest class to the smallest, from which on classes count as uneven
SURELY_WORSE = 0.1  # difference of a class's recall to the accuracy, from which on the class is named
MAX_COLORS = 9  # classes with colours of their own


class ClassesPage(Page):
    """The part of a page about one of several classes."""

    headlines: ClassVar[tuple[str, ...]] = ("accuracy", "f1", "roc_auc")

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return self.headlines

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return self.headlines[:1]

    def explain_metrics(self) -> str:
        if len(self.facts.classes) == 2:
            return f"Precision, recall and F1 are those of {name_class(self.facts, 1)}, the positive class."
        return "Precision, recall and F1 are means over the classes."

    def plots(self) -> Sequence[Plot]:
        return (
            Plot(
                "confusion",
                "Confusion matrix: counts, and shares of the true class",
                "predictions",
                lambda run, text: draw_confusion(self.facts.classes, self.predicted(run), text, self.facts.target),
            ),
            Plot(
                "confused_pairs",
                "Classes that are taken for others most often",
                "predictions",
                lambda run, text: draw_confused_pairs(self.facts.classes, self.predicted(run), text),
            ),
            *rate_plots(self.one_against_rest, self.legend_title()),
            Plot(
                "calibration",
                "Calibration: share of right predictions by their probability",
                "predictions",
                lambda run, text: draw_calibration(self.predicted(run), len(self.facts.classes)),
            ),
        )

    def legend_title(self) -> str:
        """Returns the target's name if the names of the classes say nothing without it, else an empty text."""
        return self.facts.target if all(map(is_code, self.facts.classes)) else ""

    def one_against_rest(self, run: Run) -> list[OneClass]:
        """Returns the members and scores of each class; of two classes only those of the positive one.

        Nothing of so many classes that predictions have no score of each.
        """
        predicted, classes = self.predicted(run), self.facts.classes
        if predicted is None or predicted.scores.shape[1] < len(classes):
            return []
        if len(classes) == 2:
            return [OneClass(name_class(self.facts, 1), predicted.true == 1, predicted.scores[:, 1])]
        scores = predicted.scores.T
        return [OneClass(name, predicted.true == index, scores[index]) for index, name in enumerate(classes)]

    def read(self, run: Run) -> Predicted | None:
        names = self.facts.classes
        return read_predicted(
            run.folder.predictions, scores=len(names), read=class_indices(names).__getitem__, dtype=np.int64
        )

    def read_cell(self, cell: str) -> str:
        index = class_indices(self.facts.classes).get(cell)
        return cell if index is None else self.facts.classes[index]

    def score_table(self, run: Run) -> Table | None:
        predicted, names = self.predicted(run), self.facts.classes
        if predicted is None:
            return None
        counts = np.bincount(predicted.true, minlength=len(names))
        scores = scores_of_each(predicted.true, predicted.predicted, len(names))
        rows = [
            [shown(name), *(f"{values[index]:.3f}" for values in scores.values()), f"{counts[index]:,}"]
            for index, name in enumerate(names)
        ]
        folded = f"Scores of all {len(names)} classes" if len(names) > MAX_ROWS else ""
        title = shown(self.legend_title()) or "Class"
        head = [title, *(describe_metric(name).label for name in scores), "Samples"]
        return Table(head, rows, "Each class against the rest.", folded=folded)

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        table = super().worst_table(examples)
        return table and table.captioned("The error is 1 minus the probability of the true class.")

    def confidence(self, run: Run) -> Iterator[str]:
        if (predicted := self.predicted(run)) is not None:
            yield accuracy_interval(predicted, run.shown_words, "Accuracy")

    def limits(self, run: Run) -> Iterator[str]:
        """Yields sentences about rare classes, and about classes that are often missed."""
        predicted = self.predicted(run)
        yield from self._rare_classes(predicted)
        if predicted is not None:
            yield from self._missed_classes(predicted)

    def omissions(self) -> Iterator[str]:
        count = len(self.facts.classes)
        yield from without_matrix(count, "classes")
        if count > MOST_SCORES:
            yield (
                f"Of {count:,} classes, predictions.csv has the score of the predicted one alone (all scores are there "
                f"for up to {MOST_SCORES:,} classes), so the page has no ROC and precision-recall curves."
            )

    def _rare_classes(self, predicted: Predicted | None) -> Iterator[str]:
        """Yields sentences about classes with few training samples, and about uneven classes."""
        names = [name_class(self.facts, index) for index in range(len(self.facts.classes))]
        counts = np.array(self.facts.class_counts)
        if not len(counts) == len(names) > 1:
            return
        rarest, commonest = int(counts.argmin()), int(counts.argmax())
        few = np.flatnonzero(counts < FEW_OF_A_CLASS)
        if len(few):
            ordered = few[np.argsort(counts[few], kind="stable")]
            rare = [f"{shown(names[index])} ({counts[index]:,})" for index in ordered]
            yield f"There were few training samples of {listed(rare, 5, ', ')}."
        if counts[commonest] >= UNEVEN * counts[rarest] and predicted is not None:
            always = float((predicted.true == commonest).mean())
            yield (
                f"The classes are uneven: {counts[commonest]:,} training samples of {shown(names[commonest])}, "
                f"{counts[rarest]:,} of {shown(names[rarest])}. Always answering {shown(names[commonest])} would have "
                f"an accuracy of {spell(always, 3)}."
            )

    def _missed_classes(self, predicted: Predicted) -> Iterator[str]:
        """Yields sentences about up to three classes whose recall is far below the accuracy."""
        names = [name_class(self.facts, index) for index in range(len(self.facts.classes))]
        true, right = predicted.true, predicted.true == predicted.predicted
        total, hits = (np.bincount(part, minlength=len(names)) for part in (true, true[right]))
        accuracy, recall = right.mean(), hits / np.maximum(total, 1)
        missed = [index for index in np.argsort(recall, kind="stable") if total[index] >= 5 and recall[index] < 1]
        for index in [index for index in missed if recall[index] <= accuracy - SURELY_WORSE][:3]:
            others = np.bincount(predicted.predicted[(true == index) & ~right])
            taken = f" and most often takes the others for {shown(names[others.argmax()])}" if len(names) > 2 else ""
            yield (
                f"Of {total[index]:,} samples of {shown(names[index])} the model recognises {hits[index]:,} "
                f"({recall[index]:.0%}){taken}."
            )

    def describe_importance(self) -> tuple[str, float]:
        return "points of accuracy lost", 100.0

    def goal(self) -> str:
        of = "" if self.facts.target == "class" else f" of {self.facts.target}"  # of folders, or of a column so called
        return f"{len(self.facts.classes)} classes{of}"

    def pairs(self) -> list[tuple[str, str]]:
        names = [shown(name_class(self.facts, index)) for index in range(len(self.facts.classes))]
        counted = [f"{name} ({number:,})" for name, number in zip(names, self.facts.class_counts, strict=False)]
        return [(f"{len(names)} classes", listed(counted) + " in training" if counted else listed(names))]

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        """Draws samples in a colour for each class; of many classes only the most frequent ones have colours."""
        classes = self.facts.classes
        counts = np.bincount(true, minlength=len(classes))
        coloured = np.sort(np.argsort(-counts, kind="stable")[: MAX_COLORS if len(classes) > MAX_COLORS else None])
        rest = ~np.isin(true, coloured)
        if rest.any():
            axes.plot(*points[rest].T, "o", markersize=3.5, markeredgewidth=0, color="#c3c9d0", label="other classes")
        names = [name_class(self.facts, index) if len(classes) == 2 else classes[index] for index in coloured]
        short = shorten_apart([text(name, 3 * LONGEST_NAME) for name in names], LONGEST_NAME)
        for position, (index, label) in enumerate(zip(coloured.tolist(), short, strict=True)):
            mine = points[true == index]
            axes.plot(*mine.T, "o", markersize=4, markeredgewidth=0, alpha=0.65, color=COLORS[position], label=label)
        return true != predicted, "wrong"


def class_indices(names: Sequence[str]) -> dict[str, int]:
    """Returns the index of each class by its name in a CSV file, with and without an apostrophe against formulas."""
    return {"'" + name: index for index, name in enumerate(names)} | {name: index for index, name in enumerate(names)}


def accuracy_interval(predicted: Predicted, split: str, subject: str) -> str:
    """Returns a sentence about the confidence interval of the accuracy, whose name is its `subject`."""
    total = len(predicted.true)
    right = total - int(mistakes(predicted.true, predicted.predicted).sum())
    low, high = wilson(right, total)
    wide = "; more samples would narrow this down" if high - low > 0.1 else ""
    return (
        f"{subject} is {spell(right / total, 3)} on these {total:,} {split} samples; on all samples like them it is "
        f"between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence{wide}."
    )

"""What the page of a run says of predicted classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import MAX_ROWS, Table, listed, shown
from dltrain.drawing.style import COLORS
from dltrain.drawing.wording import is_code, name_class, spell
from dltrain.runs.reader import SPLIT_WORDS, Example, Run
from dltrain.tasks.metric_table import describe_metric
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.calibration import draw_calibration
from dltrain.tasks.plots.classes import draw_confusion
from dltrain.tasks.plots.curves import OneClass, rate_plots
from dltrain.tasks.predicted import Floats, Predicted, read_predicted
from dltrain.tasks.statistics import confusion_counts, scores_of_each, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering

FEW_OF_A_CLASS = 20
UNEVEN = 4  # times as many of the commonest class as of the rarest
SURELY_WORSE = 0.1  # of recall, below the accuracy
MAX_COLORS = 9  # classes that are told apart by them


class ClassesPage(Page):
    """One of several classes."""

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
                lambda run, text: draw_confusion(run, self.predicted(run), text),
            ),
            *rate_plots(self.one_against_rest, self.legend_title()),
            Plot(
                "calibration",
                "Calibration: is it as often right as it is sure?",
                "predictions",
                lambda run, text: draw_calibration(self.predicted(run), len(self.facts.classes)),
            ),
        )

    def legend_title(self) -> str:
        """Returns the target's name, where the names of the classes say nothing without it."""
        return self.facts.target if all(map(is_code, self.facts.classes)) else ""

    def one_against_rest(self, run: Run) -> list[OneClass]:
        """Returns each class with who has it and its scores; of two classes the positive one alone."""
        said, classes = self.predicted(run), self.facts.classes
        if said is None or not said.scores.size:
            return []
        if len(classes) == 2:
            return [OneClass(name_class(self.facts, 1), said.true == 1, said.scores[:, 1])]
        return [OneClass(name, said.true == index, said.scores[:, index]) for index, name in enumerate(classes)]

    def read(self, run: Run) -> Predicted | None:
        names = self.facts.classes
        return read_predicted(
            run.folder.predictions, scores=len(names), read=class_indices(names).__getitem__, kept=np.int64
        )

    def read_cell(self, cell: str) -> str:
        index = class_indices(self.facts.classes).get(cell)
        return cell if index is None else self.facts.classes[index]

    def score_table(self, run: Run) -> Table | None:
        said, names = self.predicted(run), self.facts.classes
        if said is None:
            return None
        counts = np.bincount(said.true, minlength=len(names))
        scores = scores_of_each(said.true, said.predicted, len(names))
        rows = [
            [shown(name), *(f"{values[index]:.3f}" for values in scores.values()), f"{counts[index]:,}"]
            for index, name in enumerate(names)
        ]
        folded = f"Scores of all {len(names)} classes" if len(names) > MAX_ROWS else ""
        of = shown(self.legend_title()) or "Class"
        head = [of, *(describe_metric(name).label for name in scores), "Samples"]
        return Table(head, rows, "Each class against the rest.", folded=folded)

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        table = super().worst_table(examples)
        return table and table.captioned("The error is the probability that the true class lacks.")

    def confidence(self, run: Run) -> Iterator[str]:
        if (said := self.predicted(run)) is not None:
            yield accuracy_interval(said, SPLIT_WORDS[run.shown_split], "Accuracy")

    def limits(self, run: Run) -> Iterator[str]:
        """Yields which classes are rare, and which it misses."""
        said = self.predicted(run)
        yield from self._rare(said)
        if said is not None:
            yield from self._missed(said)

    def _rare(self, said: Predicted | None) -> Iterator[str]:
        names = [name_class(self.facts, index) for index in range(len(self.facts.classes))]
        counts = np.array(self.facts.class_counts)
        if not len(counts) == len(names) > 1:
            return
        rarest, commonest = int(counts.argmin()), int(counts.argmax())
        few = np.flatnonzero(counts < FEW_OF_A_CLASS)
        if len(few):
            ordered = few[np.argsort(counts[few], kind="stable")]
            rare = [f"{shown(names[index])} ({counts[index]:,})" for index in ordered]
            yield f"It learned from few training samples of {listed(rare, 5, ', ')}."
        if counts[commonest] >= UNEVEN * counts[rarest] and said is not None:
            always = float((said.true == commonest).mean())
            yield (
                f"The classes are uneven: {counts[commonest]:,} training samples of {shown(names[commonest])}, "
                f"{counts[rarest]:,} of {shown(names[rarest])}. Always answering {shown(names[commonest])} would have "
                f"an accuracy of {spell(always, 3)}."
            )

    def _missed(self, said: Predicted) -> Iterator[str]:
        names = [name_class(self.facts, index) for index in range(len(self.facts.classes))]
        table = confusion_counts(said.true, said.predicted, len(names))
        total, accuracy = table.sum(axis=1), table.diagonal().sum() / table.sum()
        recall = table.diagonal() / np.maximum(total, 1)
        missed = [index for index in np.argsort(recall, kind="stable") if total[index] >= 5 and recall[index] < 1]
        for index in [index for index in missed if recall[index] <= accuracy - SURELY_WORSE][:3]:
            others = table[index].copy()
            others[index] = 0
            taken = f", and takes the others most often for {shown(names[others.argmax()])}" if len(names) > 2 else ""
            yield (
                f"Of {total[index]:,} samples of {shown(names[index])} it finds {table[index, index]:,} "
                f"({recall[index]:.0%}){taken}."
            )

    def describe_importance(self) -> tuple[str, float]:
        return "points of accuracy lost", 100.0

    def goal(self) -> str:
        return f"{len(self.facts.classes)} classes of {self.facts.target}"

    def pairs(self) -> list[tuple[str, str]]:
        names = [shown(name_class(self.facts, index)) for index in range(len(self.facts.classes))]
        counted = [f"{name} ({number:,})" for name, number in zip(names, self.facts.class_counts, strict=False)]
        return [(f"{len(names)} classes", listed(counted) + " in training" if counted else listed(names))]

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        """Draws a colour a class; of many classes the most frequent ones are told apart."""
        classes = self.facts.classes
        counts = np.bincount(true, minlength=len(classes))
        told = np.sort(np.argsort(-counts, kind="stable")[: MAX_COLORS if len(classes) > MAX_COLORS else None])
        rest = ~np.isin(true, told)
        if rest.any():
            axes.plot(*points[rest].T, "o", markersize=3.5, markeredgewidth=0, color="#c3c9d0", label="other classes")
        for place, index in enumerate(told.tolist()):
            name = name_class(self.facts, index) if len(classes) == 2 else classes[index]
            mine, label = points[true == index], text(name, 16)
            axes.plot(*mine.T, "o", markersize=4, markeredgewidth=0, alpha=0.65, color=COLORS[place], label=label)
        return true != predicted, "wrong"


def class_indices(names: Sequence[str]) -> dict[str, int]:
    """Returns the index of each class by the text that stands for it in a CSV file."""
    return {"'" + name: index for index, name in enumerate(names)} | {name: index for index, name in enumerate(names)}


def accuracy_interval(said: Predicted, split: str, what: str) -> str:
    """Says between what the accuracy of all samples like these is."""
    total = len(said.true)
    right = int((said.true == said.predicted).reshape(total, -1).all(axis=1).sum())
    low, high = wilson(right, total)
    wide = "; so few samples tell no more than that" if high - low > 0.1 else ""
    return (
        f"{what} is {spell(right / total, 3)} on these {total:,} {split} samples; of all samples like them it is "
        f"between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence{wide}."
    )

"""The part of a page about strings that are read character by character."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import MAX_ROWS, Table, listed, shown
from dltrain.drawing.style import COLORS
from dltrain.runs.reader import Example, Run
from dltrain.runs.tables import safe_cell
from dltrain.tasks.metric_table import describe_metric
from dltrain.tasks.pages.classes import accuracy_interval
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.calibration import draw_string_calibration
from dltrain.tasks.plots.classes import draw_confused_pairs, draw_confusion, without_matrix
from dltrain.tasks.predicted import Floats, Indices, Predicted
from dltrain.tasks.statistics import scores_of_each

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering

BLANK = ""
BLANK_WORD = "(end)"  # the class of places behind the end of a string, in plots and tables


class CharactersPage(Page):
    """The part of a page about strings of characters."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("exact", "accuracy")

    def explain_metrics(self) -> str:
        return "Accuracy is the share of characters that are right; whole strings are right if all of theirs are."

    @property
    def names(self) -> list[str]:
        """Returns the characters, with a word for the blank."""
        return [name or BLANK_WORD for name in self.facts.classes]

    def plots(self) -> Sequence[Plot]:
        return (
            Plot(
                "confusion",
                "Confusion matrix of the characters: counts, and shares of the true character",
                "predictions",
                lambda run, text: draw_confusion(self.names, self.each_character(run), text, "", "character"),
            ),
            Plot(
                "confused_pairs",
                "Characters that are taken for others most often",
                "predictions",
                lambda run, text: draw_confused_pairs(
                    self.names, self.each_character(run), text, "character", "characters"
                ),
            ),
            Plot(
                "calibration",
                "Calibration: share of whole strings that are right by their probability",
                "predictions",
                lambda run, text: draw_string_calibration(self.predicted(run)),
            ),
        )

    def read(self, run: Run) -> Predicted | None:
        path, index = run.folder.predictions, {name: at for at, name in enumerate(self.facts.classes)}
        if not path.exists():
            return None
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if next(rows, [])[1:4] != ["true", "predicted", "score"]:
                return None
            cells = list(rows)
        if not cells:
            return None
        true, predicted = (self._encode([row[column] for row in cells], index) for column in (1, 2))
        return Predicted(true, predicted, np.array([[float(row[3])] for row in cells]))

    def _encode(self, strings: Sequence[str], index: Mapping[str, int]) -> Indices:
        """Returns the characters of the strings in a file `(N, P)`."""
        places = len(self.facts.outputs)
        rows = [[index[one] for one in self.read_cell(string)] for string in strings]
        return np.array([row + [index.get(BLANK, 0)] * (places - len(row)) for row in rows], dtype=np.int64)

    def read_cell(self, cell: str) -> str:
        return cell[1:] if cell.startswith("'") and safe_cell(cell[1:]) == cell else cell

    def each_character(self, run: Run) -> Predicted | None:
        """Returns true and predicted characters, without the blanks that both have."""
        predicted = self.predicted(run)
        if predicted is None:
            return None
        true, ours = predicted.true.ravel(), predicted.predicted.ravel()
        if BLANK in self.facts.classes:
            blank = self.facts.classes.index(BLANK)
            counted = (true != blank) | (ours != blank)
            true, ours = true[counted], ours[counted]
        return Predicted(true, ours, np.zeros((len(true), 0)))

    def score_table(self, run: Run) -> Table | None:
        each = self.each_character(run)
        if each is None:
            return None
        counts = np.bincount(each.true, minlength=len(self.names))
        scores = scores_of_each(each.true, each.predicted, len(self.names))
        rows = [
            [shown(name), *(f"{values[index]:.3f}" for values in scores.values()), f"{counts[index]:,}"]
            for index, name in enumerate(self.names)
        ]
        folded = f"Scores of all {len(self.names)} characters" if len(self.names) > MAX_ROWS else ""
        head = ["Character", *(describe_metric(name).label for name in scores), "Times"]
        return Table(head, rows, "Each character against the others, at all places.", folded=folded)

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        table = super().worst_table(examples)
        return table and table.captioned("The error is 1 minus the probability of the true string.")

    def confidence(self, run: Run) -> Iterator[str]:
        if (predicted := self.predicted(run)) is not None:
            subject = "The share of whole strings that are right"
            yield accuracy_interval(predicted, run.shown_words, subject)

    def omissions(self) -> Iterator[str]:
        yield from without_matrix(len(self.names), "characters")

    def limits(self, run: Run) -> Iterator[str]:
        """Yields what is read in any image, and the place whose characters are read worst."""
        places = len(self.facts.outputs)
        most = "up to " if BLANK in self.facts.classes else ""
        yield f"It reads {most}{places} of its {len(self.facts.classes)} characters in any image, whatever it shows."
        predicted = self.predicted(run)
        if predicted is None or places < 2:
            return
        each = (predicted.true == predicted.predicted).mean(axis=0)
        if (worst := float(each.min())) < 1:
            yield (
                f"Of the {places} places, {self.facts.outputs[int(each.argmin())]} is read worst: {worst:.1%} of its "
                f"characters are right, and {each.max():.1%} at {self.facts.outputs[int(each.argmax())]}."
            )

    def describe_importance(self) -> tuple[str, float]:
        return "points of whole strings lost", 100.0

    def goal(self) -> str:
        return f"strings of {len(self.facts.outputs)} characters: {self.facts.target}"

    def pairs(self) -> list[tuple[str, str]]:
        return [("Places", str(len(self.facts.outputs))), (f"{len(self.names)} characters", listed(self.names))]

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        axes.plot(*points.T, "o", markersize=4, markeredgewidth=0, alpha=0.6, color=COLORS[0])
        return (true != predicted).any(axis=1), "a character wrong"

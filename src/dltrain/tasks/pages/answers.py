"""The part of a page about answers that a model writes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import Table, shown
from dltrain.drawing.wording import count, spell
from dltrain.runs.reader import Example, Run
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.answers import draw_exact_by_length
from dltrain.tasks.statistics import wilson


class Answers(NamedTuple):
    """The answers on the shown split: the lengths of their sources in characters `(N,)`, and which are exact `(N,)`."""

    lengths: NDArray[np.int64]
    right: NDArray[np.bool_]


class AnswersPage(Page):
    """The part of a page about answers."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return [name for name in ("exact", "bleu", "character_error_rate") if name in metrics]

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("exact",)

    def explain_metrics(self) -> str:
        return (
            "Exact is the share of answers that are right to the last character. The character error rate is the "
            "number of characters to change in all answers, over the number of characters of the true ones. Loss, "
            "perplexity and token accuracy are those of each token after the true beginning of its answer. BLEU and "
            "chrF are measured where sacrebleu is installed."
        )

    def plots(self) -> Sequence[Plot]:
        title = "Exact answers by the length of the source"
        return (Plot("exact_by_length", title, "predictions", lambda run, text: self._draw(run)),)

    def _draw(self, run: Run) -> Any:
        answers = self.answers(run)
        return None if answers is None else draw_exact_by_length(answers.lengths, answers.right)

    def answers(self, run: Run) -> Answers | None:
        """Returns the answers on the shown split; None where there are none."""
        answers: Answers | None = run.remember("answers", lambda: read_answers(run))
        return answers

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        rows = [
            [
                shown(example.text or example.id),
                shown(example.true),
                shown(example.predicted),
                f"{float(example.error.replace(',', '')):.0f}",
            ]
            for example in examples
        ]
        caption = "The edits are the characters to change in the model's answer; an exact one has none."
        return Table(["Source", "True", "Predicted", "Edits"], rows, caption, 3) if rows else None

    def confidence(self, run: Run) -> Iterator[str]:
        answers = self.answers(run)
        if answers is None:
            return
        right, total = int(answers.right.sum()), len(answers.right)
        low, high = wilson(right, total)
        are = "is" if right == 1 else "are"
        yield (
            f"Of {count(total, 'answer')}, {right:,} {are} exact; of all sources like these the share is between "
            f"{spell(low, 3)} and {spell(high, 3)} with 95 % confidence."
        )

    def limits(self, run: Run) -> Iterator[str]:
        longest = self.facts.input_shape[1] - 1
        unit = self.facts.preprocessing["answer"]["tokens"]
        yield f"No answer is longer than {count(longest, unit)}, the longest that the model has seen."
        yield "To any source it writes an answer, also to one that has none; a low probability is a warning."


def read_answers(run: Run) -> Answers | None:
    """Returns what predictions.csv says of the answers; None where it is missing or empty."""
    if not run.folder.predictions.exists():
        return None
    with run.folder.predictions.open(newline="", encoding="utf-8") as file:
        rows = [(len(row["source"]), row["edits"] == "0") for row in csv.DictReader(file)]
    return Answers(np.array([row[0] for row in rows]), np.array([row[1] for row in rows])) if rows else None

"""The part of a page about vectors of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dltrain.drawing.section import Table, shown
from dltrain.runs.reader import Example
from dltrain.tasks.pages.page import Page


class WordVectorsPage(Page):
    """The part of a page about vectors of words."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return [name for name in ("above_noise", "odd_one_out", "word_pairs") if name in metrics]

    def explain_metrics(self) -> str:
        return (
            "The loss tells the word that stands beside others from noise words, drawn by their frequency; above noise "
            "is the share of words that score higher than all of these. Odd one out is the share of questions with "
            "three words of a group and one of another in which the odd word is told; word pairs is the share of "
            "questions \u201ca is to b as c is to what?\u201d that are answered right."
        )

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        rows = [[shown(example.true), shown(example.predicted), example.error] for example in examples]
        caption = "The error is the score of the best noise word minus that of the word itself."
        return Table(["Word", "Stands beside", "Error"], rows, caption, 2) if rows else None

"""What the page of a run says of items that were put in order."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import Table, shown
from dltrain.drawing.wording import count, spell
from dltrain.runs.reader import Example, Run
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.order import draw_hit_rates
from dltrain.tasks.predicted import Floats
from dltrain.tasks.statistics import wilson


class RanksPage(Page):
    """Which items users choose first."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("ndcg@10", "hit_rate@10")

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("hit_rate@10",)

    def explain_metrics(self) -> str:
        return (
            "Hit rate is the share of users whose held-out item is among the first ten of what they have not rated; "
            "NDCG counts it for more the higher it stands. The loss is of telling it from "
            f"{self.facts.preprocessing['negatives']} others, drawn at random."
        )

    def plots(self) -> Sequence[Plot]:
        title = "Hit rate by the length of the list"
        return (Plot("hit_rates", title, "predictions", lambda run, text: draw_hit_rates(self.ranks(run))),)

    def ranks(self, run: Run) -> Floats | None:
        """Returns where each chosen item of the shown split stands, `(N,)`, the best at 1."""
        if not run.folder.predictions.exists():
            return None
        with run.folder.predictions.open(newline="", encoding="utf-8") as file:
            return np.array([float(row["place"]) for row in csv.DictReader(file)])

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        rows = [
            [shown(one.text or one.id), shown(one.true) or "new", shown(one.predicted), one.error] for one in examples
        ]
        caption = "Predicted is what comes first for the user, the place that of the chosen item."
        return Table(["Sample", "True", "Predicted", "Place"], rows, caption, 3) if rows else None

    def confidence(self, run: Run) -> Iterator[str]:
        ranks = self.ranks(run)
        if ranks is None:
            return
        hits, total = int((ranks <= 10).sum()), len(ranks)
        low, high = wilson(hits, total)
        have = "has" if hits == 1 else "have"
        yield (
            f"Of {count(total, 'user')}, {hits:,} {have} the held-out item among the first ten; of all users like them "
            f"it is a share between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence."
        )
        yield "What else is among the ten may please as well: nobody has asked."

    @property
    def score_word(self) -> str:
        return "Score"

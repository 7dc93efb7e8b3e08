"""The part of a page about ranked items."""

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
    """The part of a page about items that are ranked for users."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("ndcg@10", "hit_rate@10")

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("hit_rate@10",)

    def explain_metrics(self) -> str:
        return (
            "Hit rate is the share of users whose held-out item is among the first ten of all items that they have not "
            "rated; NDCG weighs it more the higher it ranks. The loss compares it with "
            f"{self.facts.preprocessing['negatives']} other items, drawn at random."
        )

    def plots(self) -> Sequence[Plot]:
        title = "Hit rate by the length of the list"
        return (Plot("hit_rates", title, "predictions", lambda run, text: draw_hit_rates(self.ranks(run))),)

    def ranks(self, run: Run) -> Floats | None:
        """Returns the rank of each chosen item of the shown split, `(N,)`; the best is 1."""
        if not run.folder.predictions.exists():
            return None
        with run.folder.predictions.open(newline="", encoding="utf-8") as file:
            return np.array([float(row["place"]) for row in csv.DictReader(file)])

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        rows = [
            [
                shown(example.text or example.id),
                shown(example.true) or "new",
                shown(example.predicted),
                example.error,
            ]
            for example in examples
        ]
        caption = "True is the chosen item, and the rank is its own; predicted is the item that ranks first."
        return Table(["Sample", "True", "Predicted", "Rank"], rows, caption, 3) if rows else None

    def confidence(self, run: Run) -> Iterator[str]:
        ranks = self.ranks(run)
        if ranks is None:
            return
        hits, total = int((ranks <= 10).sum()), len(ranks)
        low, high = wilson(hits, total)
        have = "has" if hits == 1 else "have"
        yield (
            f"Of {count(total, 'user')}, {hits:,} {have} the held-out item among the first ten; of all users like them "
            f"the share is between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence."
        )
        yield "Users may like the other items in these lists as well; the data does not say."

    @property
    def score_word(self) -> str:
        return "Score"

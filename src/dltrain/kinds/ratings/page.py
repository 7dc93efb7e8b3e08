"""The parts of a run's page about ratings."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import Code, Section, Table, shown
from dltrain.drawing.wording import spell
from dltrain.kinds.page import KindPage
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.word_map import WORDS, draw_word_map
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of


class RatingsPage(KindPage):
    """The page of ratings."""

    def plots(self) -> Sequence[Plot]:
        title, names = "Learned vectors: similar items lie close together", self.shown_names()
        what = "items that were rated first"
        return (Plot("words", title, "words", lambda run, text: draw_word_map(run, names, what, text)),)

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        words = Section("Similar items", plots=plots["words"])
        return {"predictions": [recommendations(run)], "worst_examples": [words]}

    def shown_names(self) -> Sequence[str]:
        """Returns the titles of the items that were rated first, or their ids."""
        encoder = PairEncoder.of(self.facts)
        titles = encoder.titles or encoder.items
        return [title or item for item, title in zip(encoder.items[:WORDS], titles[:WORDS], strict=True)]

    def describe_input(self) -> str:
        return "a user and an item"

    def usage(self, run: Run) -> list[Code]:
        user = shlex.quote(PairEncoder.of(self.facts).users[0])
        command = f"dltrain predict {shlex.quote(run.place)} --user {user} --top 10"
        return [Code(command, words="Recommend to a user:"), *super().usage(run)]


def recommendations(run: Run) -> Section:
    """Returns the section of recommendations for a few users, from those with few ratings to those with many."""
    title, path = "Recommendations", run.folder.recommendations
    if not path.exists():
        return Section(title)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tables: list[Table] = []
    for user, items in groupby(rows, key=lambda row: row["user"]):
        cells = [
            [*(shown(row[name]) for name in ("item", "title") if name in row), spell(float(row["predicted"]), 3)]
            for row in items
        ]
        head = ["Item", *["Title"] * (len(cells[0]) == 3), page_of(run.facts).score_word]
        who = f"{run.facts.features[0]} {shown(user)}"
        caption, folded = (f"For {who}; the others are below.", "") if not tables else ("", who)
        tables.append(Table(head, cells, caption, numbers_from=len(head) - 1, folded=folded))
    words = "Recommendations for a few users, among items that they have not rated. Users with few ratings come first."
    return Section(title, words, tables=tables)

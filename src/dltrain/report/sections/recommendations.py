"""What some users would be recommended."""

from __future__ import annotations

import csv
from itertools import groupby

from dltrain.drawing.section import Plots, Section, Table, shown
from dltrain.drawing.wording import spell
from dltrain.runs.reader import Run


def recommendations(run: Run, plots: Plots) -> Section:
    """The first items of a few users, from those who rated little to those who rated much."""
    title, path = "Recommendations", run.folder.recommendations
    if run.facts.kind != "ratings" or not path.exists():
        return Section(title)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tables: list[Table] = []
    for user, items in groupby(rows, key=lambda row: row["user"]):
        cells = [
            [*(shown(row[name]) for name in ("item", "title") if name in row), spell(float(row["predicted"]), 3)]
            for row in items
        ]
        expected = "Score" if run.facts.task == "ranking" else "Expected"
        head = ["Item", *["Title"] * (len(cells[0]) == 3), expected]
        who = f"{run.facts.features[0]} {shown(user)}"
        caption, folded = (f"For {who}; the others are below.", "") if not tables else ("", who)
        tables.append(Table(head, cells, caption, numbers_from=len(head) - 1, folded=folded))
    words = "What a few users would be recommended of what they have not rated, those first who rated little."
    return Section(title, words, tables=tables)

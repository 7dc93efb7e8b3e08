"""What a model of language writes, and which words or items a model finds alike."""

from __future__ import annotations

from dltrain.drawing.section import Plots, Section, Table
from dltrain.runs.reader import Run


def written(run: Run, plots: Plots) -> Section:
    """What a model of the next token writes by itself, and where the vectors of tokens or items lie."""
    rows = [[epoch, text.replace("\n", " ⏎ ")] for epoch, text in run.samples]
    words = "Each begins where a document does, and is drawn at the same temperature, 0.7."
    tables = [Table(["Epoch", "Text"], rows, words, numbers_from=2)] if rows else []
    return Section("What it writes" if rows else "What it finds alike", plots=plots["words"], tables=tables)

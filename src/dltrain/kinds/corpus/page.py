"""The parts of a language model's page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from dltrain.drawing.plot import Drawn
from dltrain.drawing.section import Code, Section, Table
from dltrain.kinds.text.page import TextPage
from dltrain.runs.reader import Run


class CorpusPage(TextPage):
    """The page of a language model."""

    new: str = ""
    labelled: str = "other.txt"

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns the texts that the model wrote during its training, after the worst examples."""
        rows = [[epoch, text.replace("\n", " ⏎ ")] for epoch, text in run.samples]
        words = "Each text starts at the beginning of a document; all are drawn at the same temperature, 0.7."
        tables = [Table(["Epoch", "Text"], rows, words, numbers_from=2)] if rows else []
        title = "Generated text" if rows else "Similar tokens"
        return {"worst_examples": [Section(title, plots=plots["words"], tables=tables)]}

    def usage(self, run: Run) -> list[Code]:
        """Returns the command that continues a text."""
        command = f"dltrain predict {shlex.quote(run.place)} --prompt '...' --temperature 0.7 --steps 200"
        return [Code(command, words="Continue a text:")]

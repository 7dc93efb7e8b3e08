"""The parts of a run's page about texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dltrain.data.tokens import Vocabulary
from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import Section, listed, shown
from dltrain.drawing.wording import count
from dltrain.kinds.joined_columns import encoder_of_columns
from dltrain.kinds.page import KindPage
from dltrain.kinds.word_map import draw_word_map, shown_tokens
from dltrain.runs.reader import Run
from dltrain.types import Facts


class TextPage(KindPage):
    """The page of texts."""

    new: str = "new.txt"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.columns = encoder_of_columns(facts)
        if self.columns is not None:
            self.new = "table_of_texts.csv"

    def plots(self) -> Sequence[Plot]:
        """Returns a map of the learned vectors."""
        title = "Learned vectors: similar tokens lie close together"
        words = self.shown_names()
        return (
            Plot("words", title, "words", lambda run, text: draw_word_map(run, words, "most frequent tokens", text)),
        )

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns that map, after the worst examples."""
        return {"worst_examples": [Section("Similar tokens", plots=plots["words"])]}

    def shown_names(self) -> Sequence[str]:
        """Returns the most frequent tokens."""
        return shown_tokens(Vocabulary.of(self.facts).names)

    def describe_input(self) -> str:
        """Returns the length of a text, and the columns that join it."""
        joined = (
            ""
            if self.columns is None
            else f", and the columns {listed(list(map(shown, self.columns.names)), 10, ', ')}"
        )
        return f"up to {count(self.facts.input_shape[0], 'token')}{joined}"

    def describe_new(self) -> str:
        """Describes the command that predicts new texts."""
        return super().describe_new() if self.columns is None else "Predict a table with the texts and these columns:"

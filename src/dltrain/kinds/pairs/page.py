"""The parts of a run's page about pairs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dltrain.drawing.section import Code
from dltrain.drawing.wording import count
from dltrain.kinds.page import KindPage
from dltrain.kinds.pairs.encoder import PairsEncoder
from dltrain.kinds.word_map import shown_tokens
from dltrain.runs.reader import Run


class PairsPage(KindPage):
    """The page of pairs."""

    def shown_names(self) -> Sequence[str]:
        """Returns the most frequent tokens of both sides."""
        encoder = PairsEncoder.of(self.facts)
        return [*shown_tokens(encoder.source.words), *shown_tokens(encoder.answer.words)]

    def describe_input(self) -> str:
        """Returns the length of a source."""
        return f"a source of up to {count(self.facts.input_shape[0], 'token')}"

    def usage(self, run: Run) -> list[Code]:
        """Returns the commands that answer one source, and those of a file, also with a search."""
        place = shlex.quote(run.place)
        return [
            Code(f"dltrain predict {place} --prompt '...'", words="Answer one source:"),
            *super().usage(run),
            Code(f"dltrain predict {place} {self.new} --beams 5", words="The likeliest of several answers:"),
        ]

    def describe_new(self) -> str:
        return f"Answer the sources in the column {self.facts.preprocessing['text']}:"

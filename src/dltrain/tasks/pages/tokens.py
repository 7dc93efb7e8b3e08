"""What the page of a run says of a model of the next token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dltrain.drawing.section import Table
from dltrain.runs.reader import Example
from dltrain.tasks.pages.page import Page


class TokensPage(Page):
    """The next token at each position."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("bits_per_character", "perplexity")

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        table = super().worst_table(examples)
        caption = "The error is in bits per character; predicted is the likeliest token at each place."
        return table and table.captioned(caption)

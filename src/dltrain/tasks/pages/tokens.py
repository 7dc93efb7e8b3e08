"""The part of a page about a language model's predictions of the next token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dltrain.drawing.section import Table
from dltrain.runs.reader import Example
from dltrain.tasks.pages.page import Page


class TokensPage(Page):
    """The part of a page about predictions of the next token."""

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("bits_per_character", "perplexity")

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        table = super().worst_table(examples)
        caption = "The error is in bits per character; predicted is the likeliest token at each position."
        return table and table.captioned(caption)

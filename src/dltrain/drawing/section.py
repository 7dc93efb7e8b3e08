"""A section of a page, and its parts: words, plots, pairs, notes, tables and text to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dltrain.drawing.plot import Drawn
from dltrain.drawing.style import shorten

MAX_ROWS = 20  # of a table that is not folded
MAX_NAMES = 60
MAX_WIDTH = 60  # of a name, in Latin letters


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        head: the name of each column.
        rows: cells of each row, one a column.
        caption: what the numbers are, in a sentence.
        numbers_from: the first column of numbers, which are aligned to the right.
        strong: the column that matters most, in bold.
        folded: the words that a reader clicks to open the table; empty where it is open.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numbers_from: int = 1
    strong: int | None = None
    folded: str = ""

    def captioned(self, caption: str) -> Table:
        """Returns the same table with a caption."""
        return replace(self, caption=caption)


@dataclass(frozen=True)
class Code:
    """Text to copy, with `words` above it; `folded` as in `Table`."""

    text: str
    folded: str = ""
    words: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and the parts below it, in the order of the fields."""

    title: str
    words: str = ""
    plots: Sequence[Drawn] = ()
    pairs: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    codes: Sequence[Code] = ()

    @property
    def empty(self) -> bool:
        """Tells whether there is nothing to show below the heading."""
        return not (self.plots or self.pairs or self.notes or self.tables or self.codes)


Plots = Mapping[str, Sequence[Drawn]]  # by the section they belong to


def shown(name: str) -> str:
    """Returns the name, shortened so that it fits on a line."""
    return shorten(name, MAX_WIDTH)


def listed(names: Sequence[str], most: int = MAX_NAMES, between: str = " · ") -> str:
    """Returns the names in one line; of more than `most` the first ones, and how many more there are."""
    more = len(names) - most
    return between.join(names[:most]) + (f"{between}and {more:,} more" if more > 0 else "")

"""A plot that a page may have, and how it came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dltrain.drawing.style import Drawing, Lettering
from dltrain.runs.reader import Run

Draw = Callable[[Run, Lettering], Drawing | None]


@dataclass(frozen=True)
class Plot:
    """One plot that a run may have.

    Args:
        name: of its file, without `.png`.
        title: above it on the page.
        section: of the page: curves, predictions, examples, words, importance, weights or data.
        draw: the drawing; `None` where the run has nothing to show.
        pictures: whether it shows pictures, whose colours must stay as they are in the dark.
    """

    name: str
    title: str
    section: str
    draw: Draw
    pictures: bool = False


class Drawn(NamedTuple):
    """A plot as it came out.

    Args:
        plot: which one.
        words: what it shows.
        png: the picture; `None` where it could not be drawn.
        width: in CSS pixels.
        height: likewise.
    """

    plot: Plot
    words: str = ""
    png: bytes | None = None
    width: int = 0
    height: int = 0

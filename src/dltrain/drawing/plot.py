"""A plot that a page may show, and the file drawn from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dltrain.drawing.style import Drawing, Lettering
from dltrain.runs.reader import Run

Draw = Callable[[Run, Lettering], Drawing | None]


@dataclass(frozen=True)
class Plot:
    """A plot that a run may have.

    Args:
        name: of its file, without `.png`.
        title: above it on the page.
        section: of the page that shows it: curves, predictions, examples, words, importance, weights or data.
        draw: makes the drawing; returns `None` where the run has nothing to show.
        shows_images: whether it shows images, whose colours the page must not invert in dark mode.
    """

    name: str
    title: str
    section: str
    draw: Draw
    shows_images: bool = False


class Drawn(NamedTuple):
    """A plot after drawing.

    Args:
        plot: which one.
        words: what it shows, in a sentence.
        png: the contents of the file; `None` where it could not be drawn.
        width: in CSS pixels.
        height: in CSS pixels.
    """

    plot: Plot
    words: str = ""
    png: bytes | None = None
    width: int = 0
    height: int = 0

"""The style of all plots, and text that the fonts on this machine can draw."""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.wording import raised

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger("dltrain")

INK, SOFT, GRID, PAPER = "#1f2328", "#59636e", "#e4e7eb", "#ffffff"
COLORS = ("#2463c8", "#d9690a", "#1a8a5a", "#8a4fc4", "#c2345f", "#0e8ba3", "#8a6d1c", "#5b6675", "#b052a0", "#4d7a1f")
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.6), (1.4, 1.4), (6, 1.6, 1.4, 1.6))
# Legible on white and on black: dark mode inverts plots, but not images and the marks on them.
RIGHT, WRONG, NEUTRAL = "#1a8a4a", "#e04545", "#7a828c"
DPI = 160
DECADES = 30.0  # ratio of the largest to the smallest value, above which an axis is logarithmic
LETTER, HANDLE, LINE = 0.08, 0.65, 0.19  # inches of a legend: a letter, what stands before a name, and a line
FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Hiragino Sans",
    "Heiti SC",
    "Yu Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Unifont",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans Arabic",
    "Noto Sans Thai",
)
MISSING = "□"


class Drawing(NamedTuple):
    """A figure, and what it shows in words."""

    figure: Figure
    words: str


class Lettering:
    """Chooses fonts for the given texts, and makes texts safe to draw with them.

    Args:
        texts: every name that a plot may show.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        unusual = {char for text in map(str, texts) for char in text if char > "~" and char.isprintable()}
        self.families = ["DejaVu Sans"]
        self.missing = _undrawn(unusual, "DejaVu Sans")
        self._fall_back()
        if self.missing and _learn_new_fonts():
            self._fall_back()
        if self.missing:
            characters = "".join(sorted(self.missing)[:8])
            log.warning(
                "plots   no font on this machine has %s, drawn as %s: install Noto Sans CJK", characters, MISSING
            )

    def _fall_back(self) -> None:
        for family in FALLBACKS if self.missing else ():
            left = _undrawn(self.missing, family)
            if left < self.missing:
                self.families.append(family)
                self.missing = left

    def __call__(self, text: str, width: int = 28) -> str:
        """Returns the text on one line, at most `width` Latin letters wide, free of matplotlib's markup."""
        plain = "".join(MISSING if char in self.missing else char if char.isprintable() else " " for char in text)
        plain = shorten(" ".join(plain.split()), width).replace("$", r"\$")
        return " " + plain if plain.startswith("_") else plain  # legends hide labels that start with an underscore


def shorten(text: str, width: int) -> str:
    """Returns the text, or its beginning and end, at most `width` Latin letters wide; Chinese ones count twice."""
    if text_width(text) <= width:
        return text
    head = tail = ""
    for left, right in zip(text, reversed(text), strict=True):
        if text_width(head + left + tail) < width:
            head += left
        if text_width(head + right + tail) < width:
            tail = right + tail
        if text_width(head + tail) >= width - 1:
            break
    return head + "…" + tail


def text_width(text: str) -> int:
    """Returns the width of the text in Latin letters."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def new_figure(width: float = 5.4, height: float = 3.7) -> Figure:
    """Returns an empty figure on white; width and height are in inches."""
    return figure_class()(figsize=(width, height), dpi=DPI, facecolor=PAPER, layout="constrained")


def _no_list(_: object) -> str:
    return ""


@cache
def figure_class() -> type[Figure]:
    """Returns matplotlib's `Figure`.

    It is imported without the lists of properties that matplotlib writes into its documentation meanwhile, which take a
    third of the time.
    """
    from matplotlib import artist

    list_properties = artist.kwdoc
    artist.kwdoc = _no_list  # type: ignore[assignment]
    try:
        from matplotlib.figure import Figure
    finally:
        artist.kwdoc = list_properties
    return Figure


def new_axes(
    figure: Figure, rows: int = 1, columns: int = 1, ratios: Sequence[float] | None = None, share: bool = True
) -> list[Axes]:
    """Returns axes in the common style, row by row; with `share`, columns share their x axis and rows their y axis."""
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharex="col" if share else "none",
        sharey="row" if share else "none",
        width_ratios=ratios,
    )
    panels = [axes for row in grid for axes in row]
    for axes in panels:
        polish(axes)
    return panels


def polish(axes: Axes) -> None:
    """Removes the parts of the frame that do not help to read, and adds a grid."""
    axes.set_facecolor(PAPER)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9, labelcolor=SOFT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#c3c9d0")
        spine.set_linewidth(0.8)


def scale_wide(axes: Axes, values: NDArray[np.float64]) -> None:
    """Makes the y axis logarithmic, with a line for each power of ten, where the values span more than one and a half.

    Powers are written in letters: matplotlib's own formulas need a parser, which takes as long as another plot.
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    values = values[np.isfinite(values)]
    if not len(values) or values.min() <= 0 or values.max() / values.min() <= DECADES:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: raised(math.log10(value))))
    axes.yaxis.set_minor_locator(NullLocator())


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Labels both axes."""
    axes.set_xlabel(x, fontsize=9.5, color=SOFT)
    axes.set_ylabel(y, fontsize=9.5, color=SOFT)


def add_legend(axes: Axes, title: str | None = None) -> None:
    """Adds a legend below the axes of a figure, which grows by its height, if anything in these axes is labelled.

    Below, it never lies on data.
    """
    handles, labels = axes.get_legend_handles_labels()
    figure = axes.get_figure(root=True)
    if not labels or figure is None:
        return
    width, height = figure.get_size_inches()
    columns = max(1, min(len(labels), int((width - 0.3) / (LETTER * max(map(text_width, labels)) + HANDLE))))
    rows = -(-len(labels) // columns) + bool(title)
    figure.set_size_inches(width, height + LINE * rows)
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=columns,
        fontsize=9,
        labelcolor=INK,
        title=title,
        title_fontsize=9,
        alignment="left",
        frameon=False,
    )


def to_png(figure: Figure, families: Sequence[str], transparent: bool = False) -> bytes:
    """Returns the figure as PNG, its text in the given fonts."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text
    from PIL import Image

    if len(families) > 1:
        for text in figure.findobj(Text):
            text.set_fontfamily(list(families))
    for patch in [figure.patch, *(axes.patch for axes in figure.axes)] if transparent else ():
        patch.set_facecolor("none")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # lays out, too, for which savefig would draw twice
    image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    buffer = BytesIO()
    # Runs of one colour are nearly all that repeats: they are found in half of the time, for a file a tenth larger.
    (image if transparent else image.convert("RGB")).save(buffer, "PNG", dpi=(DPI, DPI), compress_type=Image.RLE)
    return buffer.getvalue()


def _undrawn(chars: set[str], family: str) -> set[str]:
    """Returns the characters that a font family lacks; all of them if the family is not installed."""
    if not chars or family not in _installed():
        return set(chars)
    from matplotlib import font_manager

    try:
        font = font_manager.get_font(font_manager.findfont(family, fallback_to_default=False))
    except (OSError, ValueError, RuntimeError):
        return set(chars)
    return {char for char in chars if not font.get_char_index(ord(char))}


@cache
def _installed() -> frozenset[str]:
    from matplotlib import font_manager

    return frozenset(font_manager.get_font_names())


def _learn_new_fonts() -> bool:
    """Adds fonts that were installed since matplotlib listed them; tells whether there are any."""
    from matplotlib import font_manager

    listed = {entry.fname for entry in font_manager.fontManager.ttflist}
    new = sorted(set(font_manager.findSystemFonts()) - listed)
    for path in new:
        with suppress(OSError, RuntimeError, ValueError):  # not a font after all
            font_manager.fontManager.addfont(path)
    _installed.cache_clear()
    return bool(new)

"""Images in rows and columns with words above them, all in one pair of axes, which takes a third of the time of a pair
for each image and of a layout that finds room for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dltrain.drawing.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE, GAP = 0.04, 0.09  # inches around all images, and between them
ABOVE, SPACING = 0.055, 1.15  # inches between words and the image below them, and of the height of a letter a line
POINT = 1 / 72  # inches


@dataclass(frozen=True)
class Tile:
    """An image with words above it.

    Args:
        pixels: `(H, W)` in grey or `(H, W, 3)`, from 0 to 255.
        title: of one or more lines.
        colour: of the title.
    """

    pixels: NDArray[Any]
    title: str = ""
    colour: str = INK


def draw_tiles(rows: Sequence[Sequence[Tile]], columns: int, width: float = 5.4, size: float = 9.0) -> Figure:
    """Returns a figure of images, those of a row side by side, each as large as its column allows.

    Args:
        rows: of images.
        columns: that a row has room for.
        width: of the figure in inches.
        size: of letters, in points.
    """
    room = (width - 2 * EDGE + GAP) / columns - GAP
    lines = [max(tile.title.count("\n") + bool(tile.title) for tile in row) for row in rows]
    titles = [count * size * SPACING * 1.1 * POINT + ABOVE * bool(count) for count in lines]
    sides = [[_fitted(tile.pixels, room) for tile in row] for row in rows]
    heights = [max(height for _, height in row) for row in sides]
    whole = 2 * EDGE + sum(titles) + sum(heights) + GAP * (len(rows) - 1)
    figure = new_figure(width, whole)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    top = whole - EDGE
    for row, title, height, sizes in zip(rows, titles, heights, sides, strict=True):
        top -= title
        for column, (tile, (wide, tall)) in enumerate(zip(row, sizes, strict=True)):
            middle = EDGE + column * (room + GAP) + room / 2
            at = (middle - wide / 2, middle + wide / 2, top - tall, top)
            axes.imshow(tile.pixels, extent=at, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
            if tile.title:
                axes.text(
                    middle,
                    top + ABOVE,
                    tile.title,
                    fontsize=size,
                    color=tile.colour,
                    linespacing=SPACING,
                    ha="center",
                    va="baseline",
                )
        top -= height + GAP
    axes.set(xlim=(0, width), ylim=(0, whole))
    return figure


def _fitted(pixels: NDArray[Any], room: float) -> tuple[float, float]:
    """Returns the width and the height of an image in a square of this side."""
    height, width = pixels.shape[:2]
    return room * min(1.0, width / height), room * min(1.0, height / width)

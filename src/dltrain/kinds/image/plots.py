"""Plots of the images themselves."""

from __future__ import annotations

from dltrain.drawing.style import RIGHT, WRONG, Drawing, Lettering, new_axes, new_figure
from dltrain.runs.reader import SPLIT_WORDS, Indices, Run

THUMBNAILS = 16


def draw_samples(run: Run, text: Lettering) -> Drawing | None:
    """Draws example images, the worst first, with their true and predicted class."""
    pixels = run.example_inputs
    if pixels is None or not len(pixels):
        return None
    count = min(THUMBNAILS, len(pixels))
    rows = -(-count // 4)
    figure = new_figure(5.4, 1.62 * rows)
    axes = new_axes(figure, rows=rows, columns=4)
    for one in axes:
        one.set_axis_off()
    for one, image, row in zip(axes, pixels[:count], run.examples, strict=False):
        right = row.true == row.predicted
        one.imshow(_as_matplotlib(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        title = f"{text(row.true, 14)} ✓" if right else f"{text(row.true, 14)} →\n{text(row.predicted, 14)} ✗"
        one.set_title(title, fontsize=9, color=RIGHT if right else WRONG, pad=4, linespacing=1.15)
    wrong = sum(row.true != row.predicted for row in run.examples[:count])
    return Drawing(figure, f"{count} {SPLIT_WORDS[run.shown_split]} images, the worst first; {wrong} are wrong.")


def _as_matplotlib(pixels: Indices) -> Indices:
    """Returns pixels `(C, H, W)` in the shape for imshow: `(H, W, 3)`, or `(H, W)` unless there are three channels."""
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]

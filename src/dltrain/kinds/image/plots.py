"""Plots of the images themselves."""

from __future__ import annotations

from dltrain.drawing.style import INK, RIGHT, WRONG, Drawing, Lettering, new_axes, new_figure
from dltrain.drawing.wording import spell
from dltrain.kinds.labels import form_of
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
    numbers = form_of(run.facts) == "number"
    for one, image, row in zip(axes, pixels[:count], run.examples, strict=False):
        one.imshow(_as_matplotlib(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        right = row.true == row.predicted
        cells = (_shortened(cell) if numbers else cell or "none" for cell in (row.true, row.predicted))
        true, predicted = (text(cell, 14) for cell in cells)
        title = f"{true} ✓" if right else f"{true} →\n{predicted}" + ("" if numbers else " ✗")
        colour = INK if numbers else RIGHT if right else WRONG
        one.set_title(title, fontsize=9, color=colour, pad=4, linespacing=1.15)
    what = f"{count} {SPLIT_WORDS[run.shown_split]} images"
    if numbers:
        return Drawing(figure, f"{what}, the largest errors first: true and predicted {run.facts.target}.")
    wrong = sum(row.true != row.predicted for row in run.examples[:count])
    return Drawing(figure, f"{what}, the worst first; {wrong} are wrong.")


def _shortened(cell: str) -> str:
    """Returns numbers with about four digits."""
    return ", ".join(spell(float(part)) for part in cell.split(", ") if part)


def _as_matplotlib(pixels: Indices) -> Indices:
    """Returns pixels `(C, H, W)` in the shape for imshow: `(H, W, 3)`, or `(H, W)` unless there are three channels."""
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]

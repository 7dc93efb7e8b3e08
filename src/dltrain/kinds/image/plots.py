"""Plots of the images themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dltrain.drawing.names import wrap
from dltrain.drawing.style import INK, RIGHT, SOFT, WRONG, Drawing, Lettering, new_figure, new_tiles, text_width
from dltrain.drawing.wording import spell
from dltrain.explain.explanation import MAPS
from dltrain.kinds.image.augmented import CHANGED, FILE, STORED
from dltrain.kinds.image.maps import overlaid
from dltrain.kinds.labels import form_of
from dltrain.runs.reader import SPLIT_WORDS, Example, Indices, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THUMBNAILS = 16
SHORT = 14  # letters of a name, up to which four images stand in a row
LINE = 25  # letters of a line above an image where three do


def draw_samples(run: Run, text: Lettering) -> Drawing | None:
    """Draws example images, the worst first, with their true and predicted class."""
    pixels = run.example_inputs
    if pixels is None or not len(pixels):
        return None
    numbers = form_of(run.facts) == "number"
    cells = [cell for row in run.examples for cell in (row.true, row.predicted)]
    long = not numbers and max(map(text_width, cells), default=0) > SHORT
    columns = 3 if long else 4
    count = min(THUMBNAILS // columns * columns, len(pixels))
    titles = [_title(row, numbers, long, text) for row in run.examples[:count]]
    lines = max((title.count("\n") + 1 for title in titles), default=1)
    rows = -(-count // columns)
    tall = min(1.0, pixels.shape[2] / pixels.shape[3])  # of wide images no room is left empty
    spare = 1.25 * (1 - tall)
    figure = new_figure(5.4, ((1.62 if not long else 1.75 + 0.13 * lines) - spare) * rows)
    axes = new_tiles(figure, rows, columns)
    for one, image, row, title in zip(axes, pixels[:count], run.examples, titles, strict=False):
        _show(one, image)
        right = row.true == row.predicted
        colour = INK if numbers else RIGHT if right else WRONG
        one.set_title(title, fontsize=7.5 if long else 9, color=colour, pad=4, linespacing=1.15)
    what = f"{count} {SPLIT_WORDS[run.shown_split]} images"
    if numbers:
        return Drawing(figure, f"{what}, the largest errors first: true and predicted {run.facts.target}.")
    wrong = sum(row.true != row.predicted for row in run.examples[:count])
    return Drawing(figure, f"{what}, the worst first; {wrong} are wrong.")


def draw_augmented(run: Run, text: Lettering) -> Drawing | None:
    """Draws a few training images as they are, and as the network got them in its first epochs."""
    path = run.folder.examples / FILE
    stored, changed = run.read_tensor(path, STORED), run.read_tensor(path, CHANGED)
    if stored is None or changed is None:
        return None
    count, epochs = changed.shape[:2]
    figure = new_figure(5.4, 0.95 * count + 0.2)
    axes = new_tiles(figure, count, 1 + epochs)
    for one, title in zip(axes, ["image", *(f"epoch {number + 1}" for number in range(epochs))], strict=False):
        one.set_title(title, fontsize=9, color=SOFT, pad=4)
    for row in range(count):
        for column, image in enumerate([stored[row], *changed[row]]):
            one = axes[row * (1 + epochs) + column]
            _show(one, image)
    return Drawing(
        figure, f"{count} training images, as they are stored and as the augmentation changes them in {epochs} epochs."
    )


def draw_explained(run: Run, text: Lettering) -> Drawing | None:
    """Draws the examples with the largest and the smallest errors, and below each where the model looks in it."""
    path = run.folder.examples / MAPS
    rows, places = run.read_tensor(path, "rows"), run.read_tensor(path, "places")
    if rows is None or places is None or not len(rows) or rows.max() >= len(run.examples):
        return None
    pixels = run.example_inputs
    if pixels is None:
        return None
    chosen = {"largest": list(range(0, len(rows), 2)), "smallest": list(range(1, len(rows), 2))}
    bands = {words: at for words, at in chosen.items() if at}
    columns = max(map(len, bands.values()))
    numbers = form_of(run.facts) == "number"
    long = not numbers and any(text_width(cell) > SHORT for row in run.examples for cell in (row.true, row.predicted))
    figure = new_figure(5.4 if not long else 7.2, (3.05 if not long else 4.2) * len(bands))
    axes = new_tiles(figure, 2 * len(bands), columns)
    for band, at in enumerate(bands.values()):
        for column, index in enumerate(at):
            above, below = axes[2 * band * columns + column], axes[(2 * band + 1) * columns + column]
            row = int(rows[index])
            title = _title(run.examples[row], numbers, long, text)
            above.set_title(title, fontsize=7.5 if long else 9, color=INK, pad=4, linespacing=1.15)
            _show(above, pixels[row])
            below.imshow(overlaid(pixels[row], places[index] / 255), interpolation="nearest")
    words = " and ".join(f"{len(at)} with the {words} errors" for words, at in bands.items())
    return Drawing(
        figure, f"Examples, {words}; red is what speaks for the model's answer, by the gradients of its score."
    )


def _title(row: Example, numbers: bool, long: bool, text: Lettering) -> str:
    """Returns the words above an image: true and predicted value, long names over several lines."""
    if numbers:
        true, predicted = (text(_shortened(cell), SHORT) for cell in (row.true, row.predicted))
        return f"{true} →\n{predicted}" if row.true != row.predicted else f"{true} ✓"
    width = 6 * LINE if long else SHORT
    true, predicted = (text(cell or "none", width) for cell in (row.true, row.predicted))
    if long:
        true, predicted = wrap(true, LINE), wrap(predicted, LINE)
    return f"{true} ✓" if row.true == row.predicted else f"{true} →\n{predicted} ✗"


def _shortened(cell: str) -> str:
    """Returns numbers with about four digits."""
    return ", ".join(spell(float(part)) for part in cell.split(", ") if part)


def _show(axes: Axes, pixels: Indices) -> None:
    """Shows pixels `(C, H, W)` from 0 to 255, in colour where there are three channels."""
    shown = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")

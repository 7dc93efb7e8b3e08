"""Plots of the images themselves."""

from __future__ import annotations

from dltrain.drawing.names import wrap
from dltrain.drawing.style import INK, RIGHT, SOFT, WRONG, Drawing, Lettering, text_width
from dltrain.drawing.tiles import Tile, draw_tiles
from dltrain.drawing.wording import spell
from dltrain.explain.explanation import MAPS
from dltrain.kinds.image.augmented import CHANGED, FILE, STORED
from dltrain.kinds.image.maps import overlaid
from dltrain.kinds.labels import form_of
from dltrain.runs.reader import Example, Indices, Run

THUMBNAILS = 16
SHORT = 14  # letters of a name, up to which four images stand in a row
SIDE_BY_SIDE = 4  # explained examples in a row
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
    tiles = []
    for image, row in zip(pixels[:count], run.examples, strict=False):
        right = row.true == row.predicted
        colour = INK if numbers else RIGHT if right else WRONG
        tiles.append(Tile(_shown(image), _title(row, numbers, long, text), colour))
    in_rows = [tiles[at : at + columns] for at in range(0, count, columns)]
    figure = draw_tiles(in_rows, columns, size=7.5 if long else 9)
    what = f"{count} {run.shown_words} images"
    if numbers:
        return Drawing(figure, f"{what}, the largest errors first: true and predicted {run.facts.target}.")
    wrong = sum(row.true != row.predicted for row in run.examples[:count])
    return Drawing(figure, f"{what}, the worst first; {wrong} are wrong.")


def draw_augmented(run: Run, text: Lettering) -> Drawing | None:
    """Draws a few training images as they are, and as the augmentation changes them."""
    path = run.folder.examples / FILE
    stored, changed = run.read_tensor(path, STORED), run.read_tensor(path, CHANGED)
    if stored is None or changed is None:
        return None
    count, epochs = changed.shape[:2]
    titles = ["image", *(f"drawn {number + 1}" for number in range(epochs))]
    rows = [
        [
            Tile(_shown(image), title if not row else "", SOFT)
            for image, title in zip([stored[row], *changed[row]], titles, strict=True)
        ]
        for row in range(count)
    ]
    figure = draw_tiles(rows, 1 + epochs)
    return Drawing(
        figure,
        f"{count} training images, as they are stored and as the augmentation changes them, drawn {epochs} times.",
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
    numbers = form_of(run.facts) == "number"
    long = not numbers and any(text_width(cell) > SHORT for row in run.examples for cell in (row.true, row.predicted))
    tiles: list[list[Tile]] = []
    for at in bands.values():
        shown = [(pixels[rows[index]], places[index] / 255, run.examples[int(rows[index])]) for index in at]
        tiles.append([Tile(_shown(image), _title(example, numbers, long, text)) for image, _, example in shown])
        tiles.append([Tile(overlaid(image, place)) for image, place, _ in shown])
    columns = max(SIDE_BY_SIDE, *map(len, bands.values()))
    figure = draw_tiles(tiles, columns, *((7.2, 7.5) if long else (5.4, 9)))
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


def _shown(pixels: Indices) -> Indices:
    """Returns pixels `(C, H, W)` in colour, `(H, W, 3)`, where there are three channels, else the first, `(H, W)`."""
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]

"""The confusion matrix of predicted classes, and the pairs of classes that are confused most often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dltrain.drawing.names import shorten_apart, wrap
from dltrain.drawing.style import COLORS, INK, SOFT, Drawing, Lettering, name_axes, new_axes, new_figure, text_width
from dltrain.drawing.wording import is_code
from dltrain.tasks.predicted import Floats, Indices, Predicted
from dltrain.tasks.statistics import confused_pairs, confusion_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

MAX_CLASSES = 500  # of a matrix; of more, a class would be smaller than a pixel
MAX_NUMBERED = 20  # most classes for which counts are written into the cells
MAX_LISTED = 60  # most classes of which each has its name beside the matrix
LONGEST_NAME = 16  # letters, beyond which a class stands on the lower axis by its number
SHORTEST_NAME = 2  # letters, up to which even many classes stand there by their names
WHOLE_NAME = 60  # letters, beyond which a name is shortened even where there is room
FEWEST_CLASSES = 5  # below which the matrix alone shows which classes are confused
PAGE, MOST_COLUMNS = 10.6, 40  # inches of the page, and numbers of classes that fit below a matrix on it
PAIRS, LINE_OF_PAIR = 12, 52


def without_matrix(count: int, nouns: str) -> Iterator[str]:
    """Yields a sentence where there are too many classes for a confusion matrix."""
    if count > MAX_CLASSES:
        yield (
            f"A confusion matrix of {count:,} {nouns} is not drawn, because more than {MAX_CLASSES} would be smaller "
            "than a pixel each; the page shows the pairs that are confused most often."
        )


def draw_confusion(
    names: Sequence[str], predicted: Predicted | None, text: Lettering, target: str, noun: str = "class"
) -> Drawing | None:
    """Draws counts of true by predicted class, coloured by the share of the true class; nothing for over 500 classes.

    Many classes, or long names, are numbered: whole names stand at the rows, and numbers at the columns.

    Args:
        names: of the classes.
        predicted: the predictions; `None` for nothing to draw.
        text: of names.
        target: whose classes they are.
        noun: what a class is.
    """
    count = len(names)
    if predicted is None or count > MAX_CLASSES:
        return None
    counts = confusion_counts(predicted.true, predicted.predicted, count)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows, columns, ticks = _labels([text(name, WHOLE_NAME) for name in names])
    by_number = rows != columns
    longest = max(map(text_width, rows))
    side = min(9.0, 0.42 * count) + 0.085 * longest
    upright = sum(map(text_width, columns)) < 50 or by_number
    compact = not by_number and (count <= 8 or (count <= 10 and upright))
    height = min(12.0, 0.21 * len(ticks) + 1.2) if by_number else max(5.0, side)
    figure = new_figure(height=4.2) if compact else new_figure(min(PAGE, max(6.4, side + 1)), max(4.2, height))
    (axes,) = new_axes(figure)
    axes.grid(False)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    size = 7.5 if count > MAX_NUMBERED else 9
    every = -(-len(ticks) // MOST_COLUMNS)
    axes.set_xticks(ticks[::every], columns[::every], rotation=0 if upright else 90, fontsize=size, color=INK)
    axes.set_yticks(ticks, rows, fontsize=size, color=INK)
    whose = f" {text(target, 20)}" if all(map(is_code, names)) else ""
    name_axes(axes, f"predicted{whose}" + (", by the number of the class" if by_number else ""), f"true{whose}")
    if count <= MAX_NUMBERED:
        _write_counts(axes, counts, shares)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label(f"share of the true {noun}", fontsize=9.5, color=SOFT)
        bar.ax.tick_params(length=0, labelsize=9, labelcolor=SOFT)
        bar.outline.set_visible(False)
    right = int(counts.diagonal().sum())
    return Drawing(figure, f"Confusion matrix: {right:,} of {counts.sum():,} predictions name the true {noun}.")


def draw_confused_pairs(
    names: Sequence[str], predicted: Predicted | None, text: Lettering, noun: str = "class", counted: str = "samples"
) -> Drawing | None:
    """Draws how often one class is taken for another, the most frequent pairs first; nothing for a few classes.

    Args:
        names: of the classes.
        predicted: the predictions; `None` for nothing to draw.
        text: of names.
        noun: what a class is.
        counted: what is counted, in the plural.
    """
    from matplotlib.ticker import MaxNLocator

    if predicted is None or len(names) < FEWEST_CLASSES:
        return None
    confused, wrong = confused_pairs(predicted.true, predicted.predicted, len(names))
    if not len(confused):
        return None
    totals = np.bincount(predicted.true, minlength=len(names))
    pairs, values = confused[:PAIRS].tolist(), wrong[:PAIRS].tolist()
    labels = [" →\n".join(wrap(text(names[one], 3 * LINE_OF_PAIR), LINE_OF_PAIR) for one in pair) for pair in pairs]
    heights = np.array([label.count("\n") + 2.0 for label in labels])
    longest = max(text_width(line) for label in labels for line in label.split("\n"))
    figure = new_figure(max(6.4, 3.4 + 0.075 * longest), 0.8 + 0.14 * float(heights.sum()))
    (axes,) = new_axes(figure)
    at = np.cumsum(heights) - heights / 2
    axes.barh(at, values, 1.4, color=COLORS[0])
    for place, value, (true, _) in zip(at, values, pairs, strict=True):
        axes.text(value, place, f" {value:,} of {totals[true]:,}", va="center", fontsize=8.5, color=INK)
    axes.grid(False, axis="y")
    axes.set(xlim=(0, 1.25 * max(values)), ylim=(float(heights.sum()), 0))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_yticks(at, labels, fontsize=8.5, color=INK, linespacing=1.1)
    name_axes(axes, counted, "")
    (true, other), errors = pairs[0], int(wrong.sum())
    return Drawing(
        figure,
        f"True → predicted {noun}: {sum(values):,} of {errors:,} errors are in {len(pairs)} pairs, most often "
        f"{names[true]} is taken for {names[other]}.",
    )


def _labels(names: Sequence[str]) -> tuple[list[str], list[str], range]:
    """Returns labels of rows and columns, and the classes that they are of; the same where all names are short."""
    count = len(names)
    ticks = range(0, count, -(-count // MAX_LISTED))
    longest = max(map(text_width, names))
    if (count <= MAX_NUMBERED and longest <= LONGEST_NAME) or (count <= MOST_COLUMNS and longest <= SHORTEST_NAME):
        return list(names), list(names), ticks
    whole = shorten_apart(names, WHOLE_NAME)
    return [f"{whole[index]} · {index + 1}" for index in ticks], [str(index + 1) for index in ticks], ticks


def _write_counts(axes: Axes, counts: Indices, shares: Floats) -> None:
    """Writes the count into every cell that is not 0, and below it the share of the true class if there is room."""
    roomy = len(counts) <= 10
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        share = f"\n{shares[row, column]:.0%}" if roomy else ""
        color = "white" if shares[row, column] > 0.68 else INK
        size = (8.5 if roomy else 7.5) if count < 10_000 else 6.5
        axes.text(column, row, f"{count:,}{share}", ha="center", va="center", fontsize=size, color=color)

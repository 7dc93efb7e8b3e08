"""Plots of predicted classes and labels: which are taken for which, and how well scores tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    DASHES,
    INK,
    SOFT,
    Corner,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
    text_width,
)
from dltrain.drawing.wording import is_code
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.predicted import Floats, Indices
from dltrain.tasks.scores import confusion_counts, one_against_rest, precision_recall, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NUMBERED = 20  # classes whose confusions are written out
MAX_CURVES = 10


class Line(NamedTuple):
    """A curve with the number that sums it up."""

    name: str
    x: Floats
    y: Floats
    score: float


def draw_confusion(run: Run, text: Lettering) -> Drawing | None:
    """Counts of true by predicted class, coloured by the share of the true class."""
    names = run.facts.classes
    said = run.predictions if names else None
    if said is None:
        return None
    count = len(names)
    counts = confusion_counts(said.true, said.predicted, count)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    labels = [text(name, 16) for name in names]
    longest = max(map(text_width, labels))
    side = min(9.0, 0.42 * count) + 0.085 * longest
    upright = count * longest < 50
    compact = count <= 8 or (count <= 10 and upright)
    figure = new_figure(height=4.2) if compact else new_figure(max(6.4, side + 1), max(5.0, side))
    (axes,) = new_axes(figure)
    axes.grid(False)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    shown = range(0, count, -(-count // MAX_NUMBERED))
    axes.set_xticks(shown, [labels[i] for i in shown], rotation=0 if upright else 90, fontsize=9, color=INK)
    axes.set_yticks(shown, [labels[i] for i in shown], fontsize=9, color=INK)
    whose = f" {text(run.facts.target, 20)}" if all(map(is_code, names)) else ""
    name_axes(axes, f"predicted{whose}", f"true{whose}")
    if count <= MAX_NUMBERED:
        _write_counts(axes, counts, shares)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label("share of the true class", fontsize=9.5, color=SOFT)
        bar.ax.tick_params(length=0, labelsize=9, labelcolor=SOFT)
        bar.outline.set_visible(False)
    right = int(counts.diagonal().sum())
    return Drawing(figure, f"Confusion matrix: {right:,} of {counts.sum():,} predictions name the true class.")


def draw_roc(run: Run, text: Lettering) -> Drawing | None:
    """True by false positive rate of each class or label against the rest."""
    found = {one.name: curve for one in one_against_rest(run) if (curve := roc(one.positive, one.scores)) is not None}
    if not found:
        return None
    lines = [Line(name, one.false_positive, one.true_positive, one.area) for name, one in found.items()]
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(2, 3))
    _draw_lines(axes, lines, run, text, "area", "lower right")
    name_axes(axes, "false positive rate", "true positive rate")
    return Drawing(figure, f"ROC curves on the {SPLIT_WORDS[run.shown_split]} split; {_span(lines, 'area', 'areas')}.")


def draw_precision_recall(run: Run, text: Lettering) -> Drawing | None:
    """Precision by recall of each class or label against the rest; of a single one beside its base rate."""
    each = one_against_rest(run)
    found = {one.name: curve for one in each if (curve := precision_recall(one.positive, one.scores)) is not None}
    if not found:
        return None
    lines = [Line(name, one.recall, one.precision, one.average) for name, one in found.items()]
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    base = ""
    if len(found) == 1:
        (one,) = found.values()
        axes.axhline(one.base_rate, color=SOFT, linewidth=1, dashes=(2, 3), label=f"base rate  {one.base_rate:.3f}")
        base = f"; base rate {one.base_rate:.3f}"
    _draw_lines(axes, lines, run, text, "average precision", "lower left", steps=True)
    name_axes(axes, "recall", "precision")
    said = _span(lines, "average precision", "average precisions")
    return Drawing(figure, f"Precision by recall on the {SPLIT_WORDS[run.shown_split]} split; {said}{base}.")


def _draw_lines(
    axes: Axes, lines: Sequence[Line], run: Run, text: Lettering, measure: str, corner: Corner, *, steps: bool = False
) -> None:
    """The curves of all classes or labels; of many, only the worst are in colour and named."""
    worst = sorted(range(len(lines)), key=lambda place: lines[place].score)[: 3 if len(lines) > MAX_CURVES else None]
    named = [line for place, line in enumerate(lines) if place in worst]
    for place in set(range(len(lines))) - set(worst):
        axes.plot(*_thinned(lines[place].x, lines[place].y), color="#c3c9d0", linewidth=0.7)
    for place, line in enumerate(named):
        axes.plot(
            *_thinned(line.x, line.y),
            color=COLORS[place % len(COLORS)],
            dashes=DASHES[place // 5 % len(DASHES)],
            linewidth=1.6,
            drawstyle="steps-pre" if steps else "default",
            label=f"{text(line.name, 24)}  {line.score:.3f}",
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    title = measure if len(named) == len(lines) else f"{measure}, worst of {len(lines)}"
    if len(lines) > 1 and all(map(is_code, run.facts.classes)) and run.facts.classes:
        title = f"{text(run.facts.target, 16)}: {title}"
    add_legend(axes, corner, title)


def _span(lines: Sequence[Line], one: str, several: str) -> str:
    scores = [line.score for line in lines]
    return f"{one} {scores[0]:.3f}" if len(scores) == 1 else f"{several} from {min(scores):.3f} to {max(scores):.3f}"


def _write_counts(axes: Axes, counts: Indices, shares: Floats) -> None:
    """The count in every cell that has one, and where there is room the share of the true class below it."""
    roomy = len(counts) <= 10
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        share = f"\n{shares[row, column]:.0%}" if roomy else ""
        color = "white" if shares[row, column] > 0.68 else INK
        size = (8.5 if roomy else 7.5) if count < 10_000 else 6.5
        axes.text(column, row, f"{count:,}{share}", ha="center", va="center", fontsize=size, color=color)


def _thinned(x: Floats, y: Floats, most: int = 1000) -> tuple[Floats, Floats]:
    """A curve of at most about `most` points, its ends kept."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).astype(int))
    return x[kept], y[kept]

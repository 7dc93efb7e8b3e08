"""Curves of how well scores separate each class or label from the rest: ROC, and precision by recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.style import (
    COLORS,
    DASHES,
    SOFT,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
)
from dltrain.runs.reader import Run
from dltrain.tasks.predicted import Floats
from dltrain.tasks.statistics import precision_recall, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_CURVES = 10
MOST_MEASURED = 100  # classes or labels, those with the most samples; a curve sorts all samples
LONGEST_NAME = 52  # letters in a legend as wide as the plot


class OneClass(NamedTuple):
    """A class or a label: which samples have it `(N,)`, and its predicted probabilities `(N,)`."""

    name: str
    positive: NDArray[np.bool_]
    scores: Floats


class Line(NamedTuple):
    """A curve with the number that sums it up."""

    name: str
    x: Floats
    y: Floats
    score: float


def rate_plots(classes_of: Callable[[Run], Sequence[OneClass]], title: str) -> tuple[Plot, Plot]:
    """Returns the plots of ROC curves and of precision by recall.

    Args:
        classes_of: returns the classes or labels of a run.
        title: above the names of the classes in a legend; may be empty.
    """
    return (
        Plot("roc", "ROC curves", "predictions", lambda run, text: draw_roc(run, classes_of(run), title, text)),
        Plot(
            "precision_recall",
            "Precision by recall",
            "predictions",
            lambda run, text: draw_precision_recall(run, classes_of(run), title, text),
        ),
    )


def draw_roc(run: Run, classes: Sequence[OneClass], title: str, text: Lettering) -> Drawing | None:
    """Draws the true by the false positive rate of each class or label against the rest."""
    largest, whose = _largest(classes)
    curves = {item.name: curve for item in largest if (curve := roc(item.positive, item.scores)) is not None}
    if not curves:
        return None
    lines = [Line(name, curve.false_positive, curve.true_positive, curve.area) for name, curve in curves.items()]
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(2, 3))
    _draw_lines(axes, lines, title, text, "area")
    name_axes(axes, "false positive rate", "true positive rate")
    span = _span(lines, "area", "areas")
    return Drawing(figure, f"ROC curves{whose} on the {run.shown_data}; {span}.")


def draw_precision_recall(run: Run, classes: Sequence[OneClass], title: str, text: Lettering) -> Drawing | None:
    """Draws precision by recall of each class or label against the rest; of a single one also its base rate."""
    largest, whose = _largest(classes)
    curves = {item.name: curve for item in largest if (curve := precision_recall(item.positive, item.scores))}
    if not curves:
        return None
    lines = [Line(name, curve.recall, curve.precision, curve.average) for name, curve in curves.items()]
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    base = ""
    if len(curves) == 1:
        base_rate = next(iter(curves.values())).base_rate
        axes.axhline(base_rate, color=SOFT, linewidth=1, dashes=(2, 3), label=f"base rate  {base_rate:.3f}")
        base = f"; base rate {base_rate:.3f}"
    _draw_lines(axes, lines, title, text, "average precision", steps=True)
    name_axes(axes, "recall", "precision")
    span = _span(lines, "average precision", "average precisions")
    return Drawing(figure, f"Precision by recall{whose} on the {run.shown_data}; {span}{base}.")


def _largest(classes: Sequence[OneClass]) -> tuple[Sequence[OneClass], str]:
    """Returns the classes whose curves are measured, in their order, and which of them these are, in words."""
    if len(classes) <= MOST_MEASURED:
        return classes, ""
    sizes = np.array([item.positive.sum() for item in classes])
    chosen = np.sort(np.argsort(-sizes, kind="stable")[:MOST_MEASURED])
    return [classes[index] for index in chosen], f" of the {MOST_MEASURED} largest of {len(classes):,}"


def _draw_lines(
    axes: Axes, lines: Sequence[Line], name: str, text: Lettering, measure: str, *, steps: bool = False
) -> None:
    """Draws the curves of all classes or labels; of many, only the worst are in colour and named."""
    worst = sorted(range(len(lines)), key=lambda position: lines[position].score)[
        : 3 if len(lines) > MAX_CURVES else None
    ]
    named = [line for position, line in enumerate(lines) if position in worst]
    for position in set(range(len(lines))) - set(worst):
        axes.plot(*_thinned(lines[position].x, lines[position].y), color="#c3c9d0", linewidth=0.7)
    for position, line in enumerate(named):
        axes.plot(
            *_thinned(line.x, line.y),
            color=COLORS[position % len(COLORS)],
            dashes=DASHES[position // 5 % len(DASHES)],
            linewidth=1.6,
            drawstyle="steps-pre" if steps else "default",
            label=f"{text(line.name, LONGEST_NAME)}  {line.score:.3f}",
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    title = measure if len(named) == len(lines) else f"{measure}, worst of {len(lines)}"
    if len(lines) > 1 and name:
        title = f"{text(name, 16)}: {title}"
    add_legend(axes, title)


def _span(lines: Sequence[Line], singular: str, plural: str) -> str:
    """Returns the score of a single line, or the range of several, in words."""
    scores = [line.score for line in lines]
    if len(scores) == 1:
        return f"{singular} {scores[0]:.3f}"
    return f"{plural} from {min(scores):.3f} to {max(scores):.3f}"


def _thinned(x: Floats, y: Floats, most: int = 1000) -> tuple[Floats, Floats]:
    """Returns at most `most` evenly spaced points of a curve, among them its ends."""
    index = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).astype(int))
    return x[index], y[index]

"""Plots of how well scores tell each class or label from the rest."""

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
    Corner,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
)
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.predicted import Floats
from dltrain.tasks.statistics import precision_recall, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_CURVES = 10


class OneClass(NamedTuple):
    """A class or a label: who has it `(N,)`, and how probable the model takes it to be `(N,)`."""

    name: str
    positive: NDArray[np.bool_]
    scores: Floats


class Line(NamedTuple):
    """A curve with the number that sums it up."""

    name: str
    x: Floats
    y: Floats
    score: float


def rate_plots(each: Callable[[Run], Sequence[OneClass]], title: str) -> tuple[Plot, Plot]:
    """Returns the plots of ROC curves and of precision by recall.

    Args:
        each: the classes or labels of a run.
        title: above the names of the classes in a legend; may be empty.
    """
    return (
        Plot("roc", "ROC curves", "predictions", lambda run, text: draw_roc(run, each(run), title, text)),
        Plot(
            "precision_recall",
            "Precision by recall",
            "predictions",
            lambda run, text: draw_precision_recall(run, each(run), title, text),
        ),
    )


def draw_roc(run: Run, each: Sequence[OneClass], title: str, text: Lettering) -> Drawing | None:
    """Draws the true by the false positive rate of each class or label against the rest."""
    found = {one.name: curve for one in each if (curve := roc(one.positive, one.scores)) is not None}
    if not found:
        return None
    lines = [Line(name, one.false_positive, one.true_positive, one.area) for name, one in found.items()]
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(2, 3))
    _draw_lines(axes, lines, title, text, "area", "lower right")
    name_axes(axes, "false positive rate", "true positive rate")
    return Drawing(figure, f"ROC curves on the {SPLIT_WORDS[run.shown_split]} split; {_span(lines, 'area', 'areas')}.")


def draw_precision_recall(run: Run, each: Sequence[OneClass], title: str, text: Lettering) -> Drawing | None:
    """Draws precision by recall of each class or label against the rest; of a single one beside its base rate."""
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
    _draw_lines(axes, lines, title, text, "average precision", "lower left", steps=True)
    name_axes(axes, "recall", "precision")
    said = _span(lines, "average precision", "average precisions")
    return Drawing(figure, f"Precision by recall on the {SPLIT_WORDS[run.shown_split]} split; {said}{base}.")


def _draw_lines(
    axes: Axes, lines: Sequence[Line], of: str, text: Lettering, measure: str, corner: Corner, *, steps: bool = False
) -> None:
    """Draws the curves of all classes or labels; of many, only the worst are in colour and named."""
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
    if len(lines) > 1 and of:
        title = f"{text(of, 16)}: {title}"
    add_legend(axes, corner, title)


def _span(lines: Sequence[Line], one: str, several: str) -> str:
    scores = [line.score for line in lines]
    return f"{one} {scores[0]:.3f}" if len(scores) == 1 else f"{several} from {min(scores):.3f} to {max(scores):.3f}"


def _thinned(x: Floats, y: Floats, most: int = 1000) -> tuple[Floats, Floats]:
    """A curve of at most about `most` points, its ends kept."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).astype(int))
    return x[kept], y[kept]

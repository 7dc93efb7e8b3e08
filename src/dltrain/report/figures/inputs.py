"""Plots of the samples themselves: pictures, and where samples lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    INK,
    RIGHT,
    SOFT,
    WRONG,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
)
from dltrain.drawing.wording import name_class
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.predicted import Floats, Indices
from dltrain.types import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THUMBNAILS = 16
MAX_COLORS = 9  # classes that are told apart by them


def draw_samples(run: Run, text: Lettering) -> Drawing | None:
    """Example pictures, the worst first, with their true and predicted class."""
    pixels = run.example_inputs if run.facts.kind == "image" else None
    if pixels is None or not len(pixels):
        return None
    shown = min(THUMBNAILS, len(pixels))
    rows = -(-shown // 4)
    figure = new_figure(5.4, 1.62 * rows)
    axes = new_axes(figure, rows=rows, columns=4)
    for one in axes:
        one.set_axis_off()
    for one, picture, row in zip(axes, pixels[:shown], run.examples, strict=False):
        right = row.true == row.predicted
        one.imshow(_as_picture(picture), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        title = f"{text(row.true, 14)} ✓" if right else f"{text(row.true, 14)} →\n{text(row.predicted, 14)} ✗"
        one.set_title(title, fontsize=9, color=RIGHT if right else WRONG, pad=4, linespacing=1.15)
    wrong = sum(row.true != row.predicted for row in run.examples[:shown])
    return Drawing(figure, f"{shown} {SPLIT_WORDS[run.shown_split]} pictures, the worst first; {wrong} are wrong.")


def _as_picture(pixels: Indices) -> Indices:
    """`(C, H, W)` to what imshow takes: `(H, W, 3)`, or `(H, W)` for any other number of channels."""
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]


def draw_projection(run: Run, text: Lettering) -> Drawing | None:
    """Each sample at its first two principal components, coloured by what is true of it, wrong ones marked."""
    found, axes_said = run.projection, run.result.get("projection")
    if found is None or axes_said is None:
        return None
    said = run.predictions
    if said is None or found[0].max() >= len(said.true):
        return None
    rows, points = found
    true, predicted = said.true[rows], said.predicted[rows]
    figure = new_figure(height=4.4)
    (axes,) = new_axes(figure)
    if run.facts.classes:
        _scatter_classes(axes, points, true, run.facts, text)
        wrong, label = true != predicted, "wrong"
    elif run.facts.task == "multilabel":
        axes.plot(*points.T, "o", markersize=4, markeredgewidth=0, alpha=0.6, color=COLORS[0])
        wrong, label = (true != predicted).any(axis=1), "a label wrong"
    else:
        _scatter_values(axes, points, true, run.facts, text)
        errors = (np.abs(predicted - true) / np.asarray(run.facts.target_std)).reshape(len(true), -1).mean(axis=1)
        wrong, label = errors >= max(float(np.quantile(errors, 0.9)), np.finfo(float).tiny), "largest tenth of errors"
    if wrong.any():
        marked = points[wrong]
        axes.plot(*marked.T, "x", markersize=5, markeredgewidth=1, color=INK, label=label, alpha=0.85)
    first, second = axes_said["explained"]
    name_axes(axes, f"first component, {first:.0%} of the variance", f"second component, {second:.0%}")
    add_legend(axes)
    return Drawing(
        figure,
        f"{len(rows):,} {SPLIT_WORDS[run.shown_split]} samples by the first two principal components of the "
        f"{axes_said['source']}, which hold {first + second:.0%} of the variance; crosses: {label}.",
    )


def _scatter_classes(axes: Axes, points: Floats, true: Indices, facts: Facts, text: Lettering) -> None:
    """A colour a class; of many classes the most frequent ones are told apart."""
    classes = facts.classes
    counts = np.bincount(true, minlength=len(classes))
    told = np.sort(np.argsort(-counts, kind="stable")[: MAX_COLORS if len(classes) > MAX_COLORS else None])
    rest = ~np.isin(true, told)
    if rest.any():
        axes.plot(*points[rest].T, "o", markersize=3.5, markeredgewidth=0, color="#c3c9d0", label="other classes")
    for place, index in enumerate(told.tolist()):
        name = name_class(facts, index) if len(classes) == 2 else classes[index]
        axes.plot(
            *points[true == index].T,
            "o",
            markersize=4,
            markeredgewidth=0,
            alpha=0.65,
            color=COLORS[place],
            label=text(name, 16),
        )


def _scatter_values(axes: Axes, points: Floats, true: Floats, facts: Facts, text: Lettering) -> None:
    """A colour for the target's value, the first one's where there are several."""
    values = true.reshape(len(true), -1)[:, 0]
    marks = axes.scatter(points[:, 0], points[:, 1], c=values, s=16, linewidths=0, alpha=0.8, cmap="viridis")
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(marks, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(text(facts.outputs[0] if facts.outputs else facts.target), fontsize=9.5, color=SOFT)
    bar.ax.tick_params(length=0, labelsize=9, labelcolor=SOFT)
    bar.outline.set_visible(False)

"""Plots of what the trained model says: of its predictions, its worst examples and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dltrain.report.reading import SPLIT_WORDS, Floats, Indices, Run, feature_scale
from dltrain.report.scores import coefficients, confusion_counts, roc_curves
from dltrain.report.style import (
    COLORS,
    DASHES,
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
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NUMBERED = 20  # classes whose confusions are written out
MAX_CURVES = 10
MAX_POINTS = 5000
MAX_BARS = 25
THUMBNAILS = 16


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
    name_axes(axes, "predicted", "true")
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
    """True by false positive rate of each class against the rest; of many classes, only the worst are named."""
    curves = roc_curves(run)
    if not curves:
        return None
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(2, 3))
    named = sorted(curves, key=lambda index: curves[index].area)[: 3 if len(curves) > MAX_CURVES else None]
    for index in curves.keys() - set(named):
        axes.plot(*_thinned(curves[index].false_positive, curves[index].true_positive), color="#c3c9d0", linewidth=0.7)
    for place, index in enumerate(sorted(named)):
        curve = curves[index]
        axes.plot(
            *_thinned(curve.false_positive, curve.true_positive),
            color=COLORS[place % len(COLORS)],
            dashes=DASHES[place // 5 % len(DASHES)],
            linewidth=1.6,
            label=f"{text(run.facts.classes[index], 20)}  {curve.area:.3f}",
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    name_axes(axes, "false positive rate", "true positive rate")
    title = "area" if len(named) == len(curves) else f"area, worst of {len(curves)}"
    add_legend(axes, "lower right", title)
    areas = [curve.area for curve in curves.values()]
    span = f"area {areas[0]:.3f}" if len(areas) == 1 else f"areas from {min(areas):.3f} to {max(areas):.3f}"
    return Drawing(figure, f"ROC curves on the {SPLIT_WORDS[run.shown_split]} split; {span}.")


def draw_predicted_against_true(run: Run, text: Lettering) -> Drawing | None:
    """A point a sample; a perfect prediction lies on the diagonal."""
    pairs = _finite_pairs(run)
    if pairs is None:
        return None
    true, predicted = pairs
    figure = new_figure(height=4.2)
    (axes,) = new_axes(figure)
    limits = _padded(pairs)
    axes.plot(limits, limits, color=SOFT, linewidth=1, dashes=(2, 3), label="perfect")
    _scatter(axes, true, predicted)
    axes.set(xlim=limits, ylim=limits)
    name_axes(axes, f"true {text(run.facts.target)}", f"predicted {text(run.facts.target)}")
    add_legend(axes, "upper left")
    return Drawing(figure, f"Predicted against true values of {len(true):,} samples{_thinning(len(true))}.")


def draw_residuals(run: Run, text: Lettering) -> Drawing | None:
    """What is left to explain, by prediction and as a histogram."""
    pairs = _finite_pairs(run)
    if pairs is None:
        return None
    true, predicted = pairs
    residuals = true - predicted
    figure = new_figure(height=4.2)
    left, right = new_axes(figure, columns=2, ratios=(3, 1))
    limits = _padded(residuals)
    _scatter(left, predicted, residuals)
    bins = min(50, max(10, int(2 * len(residuals) ** 0.5)))
    right.hist(residuals, bins=bins, orientation="horizontal", color=COLORS[0])
    for axes in (left, right):
        axes.axhline(0, color=SOFT, linewidth=1, dashes=(2, 3))
    left.set_ylim(limits)
    left.locator_params(axis="x", nbins=6)
    right.locator_params(axis="x", nbins=3)
    name_axes(left, f"predicted {text(run.facts.target)}", "residual: true − predicted")
    name_axes(right, "samples", "")
    return Drawing(
        figure,
        f"Residuals: mean {residuals.mean():.3g}, spread {residuals.std():.3g} (one std){_thinning(len(true))}.",
    )


def draw_fit(run: Run, text: Lettering) -> Drawing | None:
    """True and predicted target by the only feature, of the example rows."""
    facts = run.facts
    if facts.kind != "table" or facts.task != "regression" or tuple(facts.input_shape) != (1,):
        return None
    x = run.example_inputs
    if x is None or not len(x):
        return None
    (column,) = facts.preprocessing.get("columns", [{}])
    if column.get("edges"):
        x = np.interp(x[:, 0], column["scores"], column["edges"])
    else:
        scale = feature_scale(facts) or (np.zeros(1), np.ones(1))
        x = x[:, 0] * scale[1][0] + scale[0][0]
    true = np.array([float(row.true) for row in run.examples])
    predicted = np.array([float(row.predicted) for row in run.examples])
    order = np.argsort(x, kind="stable")
    figure = new_figure()
    (axes,) = new_axes(figure)
    axes.plot(x[order], true[order], "o", markersize=5, markerfacecolor="none", color=SOFT, label="true")
    axes.plot(x[order], predicted[order], ".-", markersize=4, linewidth=1.2, color=COLORS[0], label="predicted")
    name_axes(axes, text(facts.features[0] if facts.features else "x"), text(facts.target))
    add_legend(axes)
    return Drawing(figure, f"True and predicted values by the only feature, of {len(x)} rows, the worst included.")


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


def draw_coefficients(run: Run, text: Lettering) -> Drawing | None:
    """The true coefficients beside the learned ones, in raw units."""
    known = coefficients(run)
    if known is None:
        return None
    order = np.arange(len(known.names))
    if len(order) > MAX_BARS:
        order = np.sort(np.argsort(-np.abs(known.true), kind="stable")[:MAX_BARS])
    figure = new_figure(max(7.2, 0.36 * len(order) + 1.2), 3.4)
    (axes,) = new_axes(figure)
    place = np.arange(len(order))
    axes.bar(place - 0.2, known.true[order], 0.38, color="#aab2bc", label="true")
    axes.bar(place + 0.2, known.learned[order], 0.38, color=COLORS[0], label="learned")
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.grid(False, axis="x")
    labels = [text(known.names[index], 16) for index in order]
    steep = sum(map(text_width, labels)) + len(labels) > 85
    axes.set_xticks(place, labels, rotation=90 if steep else 0, fontsize=9)
    name_axes(axes, "", "coefficient")
    add_legend(axes)
    gap = float(np.abs(known.true - known.learned).max())
    return Drawing(figure, f"True and learned coefficients; they differ by {gap:.3g} at most.")


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


def _finite_pairs(run: Run) -> Floats | None:
    """True and predicted values `(2, N)` of a regression, where both are finite."""
    said = run.predictions if run.facts.task == "regression" else None
    if said is None:
        return None
    pairs = np.stack([said.true, said.predicted])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    return pairs if pairs.size else None


def _scatter(axes: Axes, x: Floats, y: Floats) -> None:
    """Points, evenly thinned out where there are more than anybody could see."""
    every = -(-len(x) // MAX_POINTS)
    alpha = 0.65 if len(x) <= 300 else 0.3 if len(x) <= 2000 else 0.15
    axes.plot(x[::every], y[::every], "o", markersize=4, markeredgewidth=0, alpha=alpha, color=COLORS[0])


def _thinning(count: int) -> str:
    return "" if count <= MAX_POINTS else f"; one point in {-(-count // MAX_POINTS)} is drawn"


def _padded(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _thinned(x: Floats, y: Floats, most: int = 1000) -> tuple[Floats, Floats]:
    """A curve of at most about `most` points, its ends kept."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).astype(int))
    return x[kept], y[kept]


def _as_picture(pixels: Indices) -> Indices:
    """`(C, H, W)` to what imshow takes: `(H, W, 3)`, or `(H, W)` for any other number of channels."""
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]

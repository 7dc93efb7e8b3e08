"""Plots of training: losses, metrics and the learning rate by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    DASHES,
    NEUTRAL,
    Drawing,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
    scale_wide,
)
from dltrain.report.answer import label
from dltrain.runs.reader import Floats, Run
from dltrain.tasks.metric_table import describe_metric, read_declared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_OTHERS = 2  # most metrics that have axes of their own because of their units
RATES, R2 = "rate", "R²"


def draw_loss(run: Run, text: Lettering) -> Drawing | None:
    """Draws the training and the validation loss by epoch."""
    names = {"train/loss": "training", "val/loss": "validation"}
    curves = {name: label for name, label in names.items() if run.has_curve(name)}
    if not curves:
        return None
    figure = new_figure()
    (axes,) = new_axes(figure)
    _draw_curves(axes, run, curves)
    scale_wide(axes, np.concatenate([run.curve(name) for name in curves]))
    name_axes(axes, "epoch", "loss")
    lowest = ", ".join(f"{label} {np.nanmin(run.curve(name)):.4g}" for name, label in curves.items())
    return Drawing(figure, f"Loss by epoch; lowest: {lowest}.")


def draw_metrics(run: Run, text: Lettering) -> Drawing | None:
    """Draws the validation metrics by epoch: rates in one pair of axes, errors and R² in others."""
    measured = dict.fromkeys(name for row in run.history[:1] for name in row if name.startswith("val/"))
    groups: list[tuple[dict[str, str], str]] = []
    for title, chosen in _groups(run, [name for name in measured if run.has_curve(name)], text):
        groups.append(({name: label(run, name) for name in chosen}, title))
    if not groups:
        return None
    figure = new_figure(height=max(3.7, 1.7 * len(groups)))
    panels = new_axes(figure, rows=len(groups))
    for axes, (curves, title) in zip(panels, groups, strict=True):
        _draw_curves(axes, run, curves, named=axes is panels[0] or len(curves) > 1)
        values = np.concatenate([run.curve(name) for name in curves])
        if title == RATES:
            axes.set_ylim(max(0.0, float(np.nanmin(values)) - 0.05), 1.02)
        elif title == R2:
            margin = 0.08 * (1 - max(-0.5, float(np.nanmin(values)))) or 0.05
            axes.set_ylim(max(-0.5, float(np.nanmin(values)) - margin), 1 + margin)
        else:
            scale_wide(axes, values)
        name_axes(axes, "epoch" if axes is panels[-1] else "", title)
    last = ", ".join(f"{label} {_last(run.curve(name)):.4g}" for curves, _ in groups for name, label in curves.items())
    return Drawing(figure, f"Validation metrics by epoch; in the last epoch: {last}.")


def _groups(run: Run, names: Sequence[str], text: Lettering) -> Iterator[tuple[str, list[str]]]:
    """Yields a title and the metrics that share axes: shares, errors in the target's unit, R², and others."""
    declared = read_declared(run.result.metrics)
    units = {name: describe_metric(name, declared).unit for name in names}
    left = [name for name in names if name not in ("val/loss", "val/r2") and units[name] != "squared target"]
    shares = [name for name in left if units[name] == "share"]
    errors = [name for name in left if units[name] == "target"]
    if shares:
        yield RATES, shares
    if errors:
        yield f"error in {text(run.facts.target, 12)}", errors
    if "val/r2" in names:
        yield R2, ["val/r2"]
    for name in [name for name in left if name not in (*shares, *errors)][:MAX_OTHERS]:
        yield label(run, name), [name]


def draw_lr(run: Run, text: Lettering) -> Drawing | None:
    """Draws the learning rate by epoch, if it changes."""
    if not run.has_curve("lr"):
        return None
    rates = run.curve("lr")
    low, high = float(np.nanmin(rates)), float(np.nanmax(rates))
    if high - low <= 1e-9 * high:
        return None
    figure = new_figure()
    (axes,) = new_axes(figure)
    _draw_curves(axes, run, {"lr": "learning rate"})
    name_axes(axes, "epoch", "learning rate")
    return Drawing(figure, f"Learning rate by epoch, between {low:.3g} and {high:.3g}.")


def _draw_curves(axes: Axes, run: Run, curves: dict[str, str], named: bool = True) -> None:
    """Draws a line for each column of the history, given its title, and marks the best epoch; with `named` a legend."""
    from matplotlib.ticker import MaxNLocator

    epochs = np.array([row["epoch"] for row in run.history])
    for position, (name, title) in enumerate(curves.items()):
        axes.plot(
            epochs,
            run.curve(name),
            color=COLORS[position % len(COLORS)],
            dashes=DASHES[position % len(DASHES)],
            linewidth=1.7,
            marker="o" if len(epochs) <= 12 else "",
            markersize=4,
            label=title if len(curves) > 1 else None,
        )
    best = run.result.best_epoch
    if best and len(epochs) > 1 and run.result.keep != "last":
        axes.axvline(best, color=NEUTRAL, linewidth=1, dashes=(2, 3), label=f"best epoch, {best}")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    if named:
        add_legend(axes)


def _last(values: Floats) -> float:
    return float(values[np.isfinite(values)][-1])

"""Plots of the training itself: what changes from epoch to epoch."""

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
)
from dltrain.report.answer import label
from dltrain.runs.reader import Floats, Run
from dltrain.tasks.metric_table import describe_metric, read_declared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_OTHERS = 2  # metrics that only some tasks have
RATES, R2 = "rate", "R²"


def draw_loss(run: Run, text: Lettering) -> Drawing | None:
    """Loss by epoch, of training and validation."""
    names = {"train/loss": "training", "val/loss": "validation"}
    shown = {name: label for name, label in names.items() if run.has_curve(name)}
    if not shown:
        return None
    figure = new_figure()
    (axes,) = new_axes(figure)
    _draw_curves(axes, run, shown)
    _scale_to_decades(axes, [run.curve(name) for name in shown])
    name_axes(axes, "epoch", "loss")
    lowest = ", ".join(f"{label} {np.nanmin(run.curve(name)):.4g}" for name, label in shown.items())
    return Drawing(figure, f"Loss by epoch; lowest: {lowest}.")


def draw_metrics(run: Run, text: Lettering) -> Drawing | None:
    """Validation metrics by epoch: rates together; errors and R² in axes of their own."""
    measured = dict.fromkeys(name for row in run.history[:1] for name in row if name.startswith("val/"))
    groups: list[tuple[dict[str, str], str]] = []
    for title, chosen in _groups(run, [name for name in measured if run.has_curve(name)], text):
        groups.append(({name: label(run, name) for name in chosen}, title))
    if not groups:
        return None
    figure = new_figure(height=max(3.7, 1.7 * len(groups)))
    every = new_axes(figure, rows=len(groups))
    for axes, (shown, title) in zip(every, groups, strict=True):
        _draw_curves(axes, run, shown, named=axes is every[0] or len(shown) > 1)
        values = np.concatenate([run.curve(name) for name in shown])
        if title == RATES:
            axes.set_ylim(max(0.0, float(np.nanmin(values)) - 0.05), 1.02)
        elif title == R2:
            margin = 0.08 * (1 - max(-0.5, float(np.nanmin(values)))) or 0.05
            axes.set_ylim(max(-0.5, float(np.nanmin(values)) - margin), 1 + margin)
        else:
            _scale_to_decades(axes, [values])
        name_axes(axes, "epoch" if axes is every[-1] else "", title)
    last = ", ".join(f"{label} {_last(run.curve(name)):.4g}" for shown, _ in groups for name, label in shown.items())
    return Drawing(figure, f"Validation metrics by epoch; in the last epoch: {last}.")


def _groups(run: Run, names: Sequence[str], text: Lettering) -> Iterator[tuple[str, list[str]]]:
    """Yields which metrics share axes, and the title of these: shares, errors in the target's unit, R², others."""
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
    """The learning rate by epoch, where it changes."""
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


def _draw_curves(axes: Axes, run: Run, shown: dict[str, str], named: bool = True) -> None:
    """A line for each column of the history, and a mark at the best epoch; all of them named in a legend."""
    from matplotlib.ticker import MaxNLocator

    epochs = np.array([row["epoch"] for row in run.history])
    for place, (name, title) in enumerate(shown.items()):
        axes.plot(
            epochs,
            run.curve(name),
            color=COLORS[place % len(COLORS)],
            dashes=DASHES[place % len(DASHES)],
            linewidth=1.7,
            marker="o" if len(epochs) <= 12 else "",
            markersize=4,
            label=title if len(shown) > 1 else None,
        )
    best = run.result.best_epoch
    if best and len(epochs) > 1 and run.result.keep != "last":
        axes.axvline(best, color=NEUTRAL, linewidth=1, dashes=(2, 3), label=f"best epoch, {best}")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    if named:
        add_legend(axes)


def _scale_to_decades(axes: Axes, curves: list[Floats]) -> None:
    """A logarithmic y axis where the values span more than a decade and a half."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    if values.min() > 0 and values.max() / values.min() > 30:
        axes.set_yscale("log")
        axes.tick_params(which="minor", length=0)


def _last(values: Floats) -> float:
    return float(values[np.isfinite(values)][-1])

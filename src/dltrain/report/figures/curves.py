"""Plots of the training itself: what changes from epoch to epoch."""

from __future__ import annotations

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
from dltrain.drawing.wording import name_metric
from dltrain.runs.reader import Run
from dltrain.tasks.predicted import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_OTHERS = 2  # metrics that only some tasks have
RATES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "ROC AUC"}
ERRORS = {"rmse": "RMSE", "mae": "MAE"}


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
    groups = [
        ({f"val/{name}": label for name, label in group.items() if run.has_curve(f"val/{name}")}, title)
        for group, title in ((RATES, "rate"), (ERRORS, f"error in {text(run.facts.target, 12)}"))
    ]
    groups.append(({"val/r2": "R²"} if run.has_curve("val/r2") else {}, "R²"))
    known = {"val/loss", "val/mse", "val/r2", *(f"val/{name}" for name in (*RATES, *ERRORS))}
    measured = (name for name in (run.history[0] if run.history else ()) if name.startswith("val/"))
    others = [name for name in measured if name not in known and run.has_curve(name)][:MAX_OTHERS]
    groups += [({name: name_metric(name[4:])}, name_metric(name[4:])) for name in others]
    groups = [group for group in groups if group[0]]
    if not groups:
        return None
    figure = new_figure(height=max(3.7, 1.7 * len(groups)))
    every = new_axes(figure, rows=len(groups))
    for axes, (shown, title) in zip(every, groups, strict=True):
        _draw_curves(axes, run, shown, named=axes is every[0] or len(shown) > 1)
        values = np.concatenate([run.curve(name) for name in shown])
        if title == "rate":
            axes.set_ylim(max(0.0, float(np.nanmin(values)) - 0.05), 1.02)
        elif title == "R²":
            margin = 0.08 * (1 - max(-0.5, float(np.nanmin(values)))) or 0.05
            axes.set_ylim(max(-0.5, float(np.nanmin(values)) - margin), 1 + margin)
        else:
            _scale_to_decades(axes, [values])
        name_axes(axes, "epoch" if axes is every[-1] else "", title)
    last = ", ".join(f"{label} {_last(run.curve(name)):.4g}" for shown, _ in groups for name, label in shown.items())
    return Drawing(figure, f"Validation metrics by epoch; in the last epoch: {last}.")


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
    for place, (name, label) in enumerate(shown.items()):
        axes.plot(
            epochs,
            run.curve(name),
            color=COLORS[place % len(COLORS)],
            dashes=DASHES[place % len(DASHES)],
            linewidth=1.7,
            marker="o" if len(epochs) <= 12 else "",
            markersize=4,
            label=label if len(shown) > 1 else None,
        )
    best = run.result.get("best_epoch")
    if best and len(epochs) > 1 and run.result.get("keep") != "last":
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

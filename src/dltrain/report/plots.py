"""Draws the plots of a run from its folder, each independently, so that one that fails costs no other."""

from __future__ import annotations

import logging

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.style import Lettering, to_png
from dltrain.kinds.kind import page_of_kind
from dltrain.report.figures import curves, inputs, weights
from dltrain.runs.reader import Run
from dltrain.storage import make_folder, write_bytes
from dltrain.tasks.registry import page_of

log = logging.getLogger("dltrain")

CURVES = (
    Plot("loss", "Loss", "curves", curves.draw_loss),
    Plot("metrics", "Validation metrics", "curves", curves.draw_metrics),
    Plot("lr", "Learning rate", "curves", curves.draw_lr),
)
EXPLANATIONS = (
    Plot("importance", "Permutation importance of columns", "importance", weights.draw_importance),
    Plot("projection", "Projection of the samples", "data", inputs.draw_projection),
)


def plots_of(run: Run) -> list[Plot]:
    """Returns every plot that the run may have: those of all runs, of its task and of its kind of data."""
    return [*CURVES, *page_of(run.facts).plots(), *page_of_kind(run.facts).plots(), *EXPLANATIONS]


def draw_plots(run: Run) -> list[Drawn]:
    """Draws every plot for which the run has something to show, and writes it to the plots folder.

    Returns:
        The plots in the order of the page, also those that could not be drawn.

    Raises:
        StorageError: a file cannot be written.
    """
    facts = run.facts
    names = [*facts.classes, *facts.features, *facts.outputs, facts.target]
    text = Lettering([*names, *page_of_kind(facts).shown_names()])
    drawn = {plot.name: _draw(plot, run, text) for plot in plots_of(run)}
    for path in run.folder.plots.glob("*.png"):
        if (item := drawn.get(path.stem)) is None or item.png is None:
            path.unlink(missing_ok=True)  # left by an earlier report
    for name, item in drawn.items():
        if item is not None and item.png is not None:
            make_folder(run.folder.plots)
            write_bytes(run.folder.plots / f"{name}.png", item.png, flushed=False)  # the page holds it, too
    return [item for item in drawn.values() if item is not None]


def _draw(plot: Plot, run: Run, text: Lettering) -> Drawn | None:
    """Draws a plot; returns `None` where there is nothing to show, and a plot without a file where it fails."""
    try:
        drawing = plot.draw(run, text)
        if drawing is None:
            return None
        png = to_png(drawing.figure, text.families, transparent=plot.shows_images)
    except Exception as error:  # whatever fails, the page of a trained run is worth having
        log.warning("plots   %s.png cannot be drawn: %s: %s", plot.name, type(error).__name__, error)
        return Drawn(plot)
    width, height = drawing.figure.get_size_inches() * 96
    return Drawn(plot, drawing.words, png, round(width), round(height))

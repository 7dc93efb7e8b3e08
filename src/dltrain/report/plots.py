"""The plots of a run, each drawn on its own from the run's folder: one that fails takes no other with it."""

from __future__ import annotations

import logging

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.style import Lettering, to_png
from dltrain.kinds.kind import page_of_kind
from dltrain.report.figures import curves, inputs, weights
from dltrain.runs.folder import make_folder, write_bytes
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of

log = logging.getLogger("dltrain")

CURVES = (
    Plot("loss", "Loss", "curves", curves.draw_loss),
    Plot("metrics", "Validation metrics", "curves", curves.draw_metrics),
    Plot("lr", "Learning rate", "curves", curves.draw_lr),
)
BEYOND = (
    Plot("importance", "What shuffling a column costs", "importance", weights.draw_importance),
    Plot("projection", "Where the samples lie", "data", inputs.draw_projection),
)


def plots_of(run: Run) -> list[Plot]:
    """Returns every plot that the run may have: those of any run, of its task and of its kind of data."""
    return [*CURVES, *page_of(run.facts).plots(), *page_of_kind(run.facts).plots(), *BEYOND]


def draw_plots(run: Run) -> list[Drawn]:
    """Draws every plot that the run has something for and writes it to its plots folder, in the order of the page.

    Raises:
        StorageError: a file cannot be written.
    """
    facts = run.facts
    names = [*facts.classes, *facts.features, *facts.outputs, facts.target]
    text = Lettering([*names, *page_of_kind(facts).shown_names()])
    drawn = {plot.name: _draw(plot, run, text) for plot in plots_of(run)}
    for path in run.folder.plots.glob("*.png"):
        if (one := drawn.get(path.stem)) is None or one.png is None:
            path.unlink(missing_ok=True)  # an older report's
    for name, one in drawn.items():
        if one is not None and one.png is not None:
            make_folder(run.folder.plots)
            write_bytes(run.folder.plots / f"{name}.png", one.png)
    return [one for one in drawn.values() if one is not None]


def _draw(plot: Plot, run: Run, text: Lettering) -> Drawn | None:
    try:
        drawing = plot.draw(run, text)
        if drawing is None:
            return None
        png = to_png(drawing.figure, text.families, transparent=plot.pictures)
    except Exception as error:  # whatever it is, the run is trained and its page is wanted
        log.warning("plots   %s.png cannot be drawn: %s: %s", plot.name, type(error).__name__, error)
        return Drawn(plot)
    width, height = drawing.figure.get_size_inches() * 96
    return Drawn(plot, drawing.words, png, round(width), round(height))

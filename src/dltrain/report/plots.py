"""The plots of a run, each drawn on its own from the run's folder: one that fails takes no other with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dltrain.drawing.style import Drawing, Lettering, to_png
from dltrain.kinds import word_map as words
from dltrain.kinds.series import plots as forecasts
from dltrain.report.figures import curves, inputs, weights
from dltrain.runs.folder import make_folder, write_bytes
from dltrain.runs.reader import Run
from dltrain.tasks.plots import classes, numbers, order
from dltrain.tasks.plots.calibration import draw_calibration

log = logging.getLogger("dltrain")


@dataclass(frozen=True)
class Plot:
    """One plot that a run may have.

    Args:
        name: of its file, without `.png`.
        title: above it on the page.
        section: of the page: curves, predictions, examples, words, importance, weights or data.
        draw: the drawing; `None` where the run has nothing to show.
        pictures: whether it shows pictures, whose colours must stay as they are in the dark.
    """

    name: str
    title: str
    section: str
    draw: Callable[[Run, Lettering], Drawing | None]
    pictures: bool = False


class Drawn(NamedTuple):
    """A plot as it came out.

    Args:
        plot: which one.
        words: what it shows.
        png: the picture; `None` where it could not be drawn.
        width: in CSS pixels.
        height: likewise.
    """

    plot: Plot
    words: str = ""
    png: bytes | None = None
    width: int = 0
    height: int = 0


PLOTS = (
    Plot("loss", "Loss", "curves", curves.draw_loss),
    Plot("metrics", "Validation metrics", "curves", curves.draw_metrics),
    Plot("lr", "Learning rate", "curves", curves.draw_lr),
    Plot("confusion", "Confusion matrix: counts, and shares of the true class", "predictions", classes.draw_confusion),
    Plot("roc", "ROC curves", "predictions", classes.draw_roc),
    Plot("precision_recall", "Precision by recall", "predictions", classes.draw_precision_recall),
    Plot("calibration", "Calibration: is it as often right as it is sure?", "predictions", draw_calibration),
    Plot("forecasts", "Forecasts", "predictions", forecasts.draw_forecasts),
    Plot("hit_rates", "Hit rate by the length of the list", "predictions", order.draw_hit_rates),
    Plot("predicted_against_true", "Predicted against true", "predictions", numbers.draw_predicted_against_true),
    Plot("residuals", "Residuals", "predictions", numbers.draw_residuals),
    Plot("fit", "Fit", "predictions", numbers.draw_fit),
    Plot("worst_forecasts", "The worst forecasts", "examples", forecasts.draw_worst_forecasts),
    Plot("samples", "Pictures", "examples", inputs.draw_samples, pictures=True),
    Plot("words", "What lies close was learned to be alike", "words", words.draw_words),
    Plot("importance", "What shuffling a column costs", "importance", weights.draw_importance),
    Plot("coefficients", "True and learned coefficients", "weights", weights.draw_coefficients),
    Plot("projection", "Where the samples lie", "data", inputs.draw_projection),
)


def draw_plots(run: Run) -> list[Drawn]:
    """Draws every plot that the run has something for and writes it to its plots folder, in the order of the page.

    Raises:
        StorageError: a file cannot be written.
    """
    facts = run.facts
    text = Lettering([*facts.classes, *facts.features, *facts.outputs, facts.target, *words.shown_words(run)])
    drawn = [_draw(plot, run, text) for plot in PLOTS]
    for plot, one in zip(PLOTS, drawn, strict=True):
        path = run.folder.plots / f"{plot.name}.png"
        if one is None or one.png is None:
            path.unlink(missing_ok=True)  # an older report's
        else:
            make_folder(path.parent)
            write_bytes(path, one.png)
    return [one for one in drawn if one is not None]


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

"""Draws the plots of a run from its folder, each independently, so that one that fails costs no other."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from mmap import mmap

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.style import Lettering, to_png
from dltrain.kinds.kind import page_of_kind
from dltrain.report.figures import curves, inputs, weights
from dltrain.runs.reader import Run
from dltrain.storage import make_folder, write_bytes
from dltrain.tasks.registry import page_of
from dltrain.workers import count_cores, done_in_order, may_fork

log = logging.getLogger("dltrain")

LEAST_PLOTS = 4  # for each process that draws them
MOST_BYTES = 2**22  # of a plot, as a worker hands it over

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
    drawn = {item.plot.name: item for item in _draw_all(plots_of(run), run, text)}
    for path in run.folder.plots.glob("*.png"):
        if (item := drawn.get(path.stem)) is None or item.png is None:
            path.unlink(missing_ok=True)  # left by an earlier report
    for name, item in drawn.items():
        if item.png is not None:
            make_folder(run.folder.plots)
            write_bytes(run.folder.plots / f"{name}.png", item.png, flushed=False)  # the page holds it, too
    return list(drawn.values())


def _draw_all(plots: Sequence[Plot], run: Run, text: Lettering) -> Iterator[Drawn]:
    """Draws plots, and leaves out those for which the run has nothing to show."""
    for plot, pickled in zip(plots, _draw_with_workers(plots, run, text), strict=True):
        try:
            drawn = pickle.loads(pickled) if pickled and pickled[0] else _draw(plot, run, text)
        except Exception as error:  # whatever fails, the page of a trained run is worth having
            log.warning(
                "plots   %s.png cannot be drawn: %s: %s; the page goes without it",
                plot.name,
                type(error).__name__,
                error,
            )
            drawn = ()
        if drawn is not None:
            yield Drawn(plot, *drawn)


def _draw_with_workers(plots: Sequence[Plot], run: Run, text: Lettering) -> Sequence[bytes | memoryview]:
    """Returns what `_draw` does of each plot, pickled, where workers help to draw; zeros or nothing of the others."""
    workers = min(count_cores() - 1, (len(plots) - 1) // LEAST_PLOTS)
    nothing: Sequence[bytes | memoryview] = [b""] * len(plots)
    if not workers or not may_fork():
        return nothing
    try:
        shared = memoryview(mmap(-1, len(plots) * MOST_BYTES))
    except OSError:
        return nothing
    rooms = [shared[at * MOST_BYTES : (at + 1) * MOST_BYTES] for at in range(len(plots))]

    def draw(at: int) -> None:
        with suppress(Exception):  # it is drawn once more, to say what fails
            pickled = pickle.dumps(_draw(plots[at], run, text))
            rooms[at][: len(pickled)] = pickled

    draw(0)  # before there are workers, which so find imported what all plots need
    for _ in done_in_order(lambda task: draw(1 + task), len(plots) - 1, workers):
        pass
    return rooms


def _draw(plot: Plot, run: Run, text: Lettering) -> tuple[str, bytes, int, int] | None:
    """Draws a plot; returns what it shows, its file, width and height, or `None` where there is nothing to show."""
    drawing = plot.draw(run, text)
    if drawing is None:
        return None
    png = to_png(drawing.figure, text.families, transparent=plot.shows_images)
    width, height = drawing.figure.get_size_inches() * 96
    return drawing.words, png, round(width), round(height)

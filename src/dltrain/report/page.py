"""Writes a run's page, one HTML file that begins with the answer and needs no other file."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections import defaultdict

from dltrain.drawing.plot import Drawn
from dltrain.drawing.section import Plots, Section
from dltrain.memory import uncollected
from dltrain.report.answer import answer, best_epoch
from dltrain.report.contents import SectionBuilder, page_sections
from dltrain.report.plots import draw_plots
from dltrain.report.templates import page_template
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run
from dltrain.storage import write_text

log = logging.getLogger("dltrain")

TEMPLATE = "page.html.jinja"


@uncollected()
def write_report(run: RunDir) -> None:
    """Draws the run's plots and its page, from its folder alone.

    Raises:
        CheckpointError: the folder holds no finished run.
        StorageError: a file cannot be written.
    """
    read = Run(run)
    write_text(run.report, render(read, draw_plots(read)))


def render(run: Run, drawn: list[Drawn]) -> str:
    """Returns the page as HTML."""
    plots = defaultdict(list)
    for item in drawn:
        plots[item.plot.section].append(item)
    sections = list(page_sections(run, plots, lambda build: _build(build, run, plots)))
    template = page_template(TEMPLATE, base64=lambda content: b64encode(content).decode("ascii"))
    claim, basis = answer(run)
    unfinished = run.state if run.state not in ("running", "done") else ""  # a run writes its page before it is done
    return template.render(
        name=run.name, claim=claim, basis=basis, best_epoch=best_epoch(run), unfinished=unfinished, sections=sections
    )


def _build(build: SectionBuilder, run: Run, plots: Plots) -> Section:
    """Returns a section; if it fails, one that says so in its place."""
    try:
        return build(run, plots)
    except Exception as error:  # a damaged file costs its section, not the page
        title = build.__name__.replace("_", " ").capitalize()
        log.warning("report  the section %r is left out: %s: %s", title, type(error).__name__, error)
        return Section(title, notes=["This section could not be written. A file of the run may be missing or damaged."])

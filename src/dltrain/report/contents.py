"""The sections of a run's page, in their order; empty ones are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dltrain.drawing.section import Plots, Section
from dltrain.kinds.kind import page_of_kind
from dltrain.report.sections.data import changed, data, reproduction
from dltrain.report.sections.limits import limits
from dltrain.report.sections.predictions import importance, predictions, worst_examples, wrong_labels
from dltrain.report.sections.profile import profile
from dltrain.report.sections.results import baselines, key_numbers, training_curves
from dltrain.report.sections.use import use
from dltrain.runs.reader import Run

SectionBuilder = Callable[[Run, Plots], Section]

SECTIONS: Sequence[SectionBuilder] = (
    key_numbers,
    baselines,
    limits,
    training_curves,
    predictions,
    worst_examples,
    wrong_labels,
    importance,
    use,
    data,
    changed,
    profile,
    reproduction,
)


def page_sections(run: Run, plots: Plots, build: Callable[[SectionBuilder], Section]) -> Iterator[Section]:
    """Yields the sections that have something to show; a kind of data says after which ones its own follow.

    Args:
        run: whose page it is.
        plots: that were drawn, by section.
        build: calls the builder of a section, and returns a section that says so if it fails.
    """

    def own_sections(run: Run, plots: Plots) -> Section:
        own.update(page_of_kind(run.facts).sections(run, plots))
        return Section("")

    own: dict[str, Sequence[Section]] = {}
    failed = build(own_sections)
    for builder in SECTIONS:
        yield from (section for section in (build(builder), *own.get(builder.__name__, ())) if not section.empty)
    if not failed.empty:
        yield failed

"""The sections of a run's page, in their order; one that has nothing to show is left out."""

from __future__ import annotations

from collections.abc import Sequence

from dltrain.drawing.section import SectionBuilder
from dltrain.report.sections.data import changed, data, reproduction
from dltrain.report.sections.limits import limits
from dltrain.report.sections.predictions import importance, learned_weights, predictions, worst_examples
from dltrain.report.sections.recommendations import recommendations
from dltrain.report.sections.results import key_numbers, plain_methods, training_curves
from dltrain.report.sections.use import use
from dltrain.report.sections.words import written

SECTIONS: Sequence[SectionBuilder] = (
    key_numbers,
    plain_methods,
    limits,
    training_curves,
    predictions,
    recommendations,
    worst_examples,
    written,
    importance,
    learned_weights,
    use,
    data,
    changed,
    reproduction,
)

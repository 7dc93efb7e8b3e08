"""The parts of a run's page about series."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import Code
from dltrain.drawing.style import Drawing, Lettering
from dltrain.drawing.wording import count
from dltrain.kinds.page import KindPage
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.plots import draw_forecasts, draw_worst_forecasts
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of


class SeriesPage(KindPage):
    """The page of a series."""

    def plots(self) -> Sequence[Plot]:
        def forecasts(run: Run, text: Lettering) -> Drawing | None:
            return draw_forecasts(run, page_of(run.facts).predicted(run), text)

        def worst(run: Run, text: Lettering) -> Drawing | None:
            return draw_worst_forecasts(run, page_of(run.facts).predicted(run), text)

        return (
            Plot("forecasts", "Forecasts", "predictions", forecasts),
            Plot("worst_forecasts", "The worst forecasts", "examples", worst),
        )

    def describe_input(self) -> str:
        steps, columns = self.facts.input_shape
        return f"windows of {count(steps, 'step')} of {count(columns, 'column')}"

    def usage(self, run: Run) -> list[Code]:
        steps = WindowEncoder.of(self.facts).horizon
        command = f"dltrain predict {shlex.quote(run.place)} --steps {steps}"
        return [Code(command, words="Forecast the next steps:"), *super().usage(run)]

    def is_split_at_random(self, data: Mapping[str, Any]) -> bool:
        return False

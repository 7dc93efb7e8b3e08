"""The parts of a run's page about series."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import Code, listed, shown
from dltrain.drawing.style import Drawing, Lettering
from dltrain.drawing.wording import count
from dltrain.kinds.page import KindPage
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.plots import draw_forecasts, draw_worst_forecasts
from dltrain.runs.reader import Run
from dltrain.tasks.pages.forecasts import Forecasts, ForecastsPage
from dltrain.tasks.registry import page_of


class SeriesPage(KindPage):
    """The page of a series, or of many."""

    def plots(self) -> Sequence[Plot]:
        def forecasts(run: Run, text: Lettering) -> Drawing | None:
            return draw_forecasts(run, _forecasts(run), text)

        def worst(run: Run, text: Lettering) -> Drawing | None:
            return draw_worst_forecasts(run, _forecasts(run), text)

        return (
            Plot("forecasts", "Forecasts", "predictions", forecasts),
            Plot("worst_forecasts", "The worst forecasts", "examples", worst),
        )

    def shown_names(self) -> Sequence[str]:
        return [state.name for state in WindowEncoder.of(self.facts).states]

    def describe_input(self) -> str:
        encoder = WindowEncoder.of(self.facts)
        of = f" of {len(encoder.states):,} series" if encoder.is_panel else ""
        words = f"windows of {count(encoder.window, 'step')} of {count(len(encoder.names), 'column')}{of}"
        beside = [*encoder.roles.covariates, *encoder.calendar.names]
        return f"{words}, with {listed(list(map(shown, beside)))}" if beside else words

    def usage(self, run: Run) -> list[Code]:
        encoder = WindowEncoder.of(self.facts)
        command = f"dltrain predict {shlex.quote(run.place)} --steps {encoder.horizon}"
        words = "Forecast the next steps:"
        if encoder.roles.known:
            command = f"dltrain predict {shlex.quote(run.place)} {self.new} --steps {encoder.horizon}"
            words = f"Forecast the next steps, for which {self.new} has rows with {listed(encoder.roles.known)}:"
        return [Code(command, words=words), *super().usage(run)]

    def limits(self, run: Run) -> Iterator[str]:
        yield from super().limits(run)
        encoder = WindowEncoder.of(self.facts)
        if encoder.axis.unit == "sessions":
            yield "Days on which the market is closed are not known ahead: a forecast is for the next weekdays."

    def is_split_at_random(self, data: Mapping[str, Any]) -> bool:
        return False


def _forecasts(run: Run) -> Forecasts | None:
    page = page_of(run.facts)
    return page.forecasts(run) if isinstance(page, ForecastsPage) else None

"""What the page of a series and of ratings shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dltrain.drawing.style import Lettering
from dltrain.kinds.series.plots import draw_worst_forecasts
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of

pytestmark = pytest.mark.usefixtures("rendered_plots")


def test_the_page_of_a_series_shows_forecasts_and_how_to_get_more(dltrain: Callable) -> None:
    called = dltrain("data=series", "data.rows=300", "data.window=24", "data.horizon=6", "trainer.epochs=3")
    assert called.code == 0
    assert (called.run.plots / "forecasts.png").exists()
    run = Run(called.run)
    drawing = draw_worst_forecasts(run, page_of(run.facts).forecasts(run), Lettering([]))
    assert drawing is not None
    starts = sorted(int(axes.get_lines()[0].get_ydata()[0] * 1000) for axes in drawing.figure.axes if axes.lines)
    assert len(set(starts)) == len(starts) > 1
    assert drawing.figure.axes[0].get_title().startswith("after 2026-")
    page = called.run.report.read_text("utf-8")
    assert "Forecasts of 6 steps each" in page
    assert "--steps 6" in page
    assert "sMAPE" in page


def test_the_page_of_ratings_recommends(dltrain: Callable) -> None:
    called = dltrain("data=ratings", "data.rows=600", "data.split=leave_last", "trainer.epochs=2")
    assert called.code == 0
    page = called.run.report.read_text("utf-8")
    assert "Recommendations for a few users, among items that they have not rated" in page
    assert "--user" in page
    assert "Hit rate@10" in page
    assert "Hit rate by the length of the list" in page
    assert "among the first ten" in page
    assert "could not be" not in page

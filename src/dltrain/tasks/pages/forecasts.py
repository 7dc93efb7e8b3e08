"""The part of a page about forecasts of one series or of many."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.section import MAX_ROWS, Table, shown
from dltrain.drawing.wording import spell
from dltrain.runs.reader import Example, Run
from dltrain.tasks.forecasting import mixes_units
from dltrain.tasks.pages.numbers import NumbersPage
from dltrain.tasks.predicted import Floats, Predicted
from dltrain.types import Facts

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Forecasts:
    """The forecasts in predictions.csv: N of H steps of C columns.

    Args:
        series: `(N,)` the series of each; empty texts where there is one.
        times: `(N, H)` the times that they are for.
        origins: `(N,)` the last time that each is based on; empty texts where it is not recorded.
        true: `(N, H, C)`.
        predicted: `(N, H, C)`.
        low: `(N, H, C)` the lower ends of intervals; `None` where there are none.
        high: `(N, H, C)` the upper ends.
    """

    series: Texts
    times: Texts
    origins: Texts
    true: Floats
    predicted: Floats
    low: Floats | None
    high: Floats | None


class ForecastsPage(NumbersPage):
    """The part of a page about forecasts, whose metrics are means over all steps."""

    headlines: ClassVar[tuple[str, ...]] = ("rmse", "mae", "mase", "smape", "r2")

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns RMSE, MAE, MASE, sMAPE and R²; without a unit where a mean would mix several."""
        names = ("mase", "rmsse", "smape", "r2") if mixes_units(self.facts) else self.headlines
        return [name for name in names if name in metrics]

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("mase", "rmsse") if mixes_units(self.facts) else ("rmse", "mae")

    @property
    def is_mean(self) -> bool:
        return False

    def explain_metrics(self) -> str:
        if not self.facts.target_naive:
            return ""
        season = self.facts.preprocessing.get("period")
        naive = "the value before" if season is None else f"the value one season of {season} steps before"
        return f"MASE and RMSSE divide errors by those of forecasting {naive} in the training part."

    def forecasts(self, run: Run) -> Forecasts | None:
        """Returns the forecasts in predictions.csv, read once for each run; `None` where there are none."""
        read: Forecasts | None = run.remember("forecasts", lambda: read_forecasts(run.folder.predictions, self.facts))
        return read

    def read(self, run: Run) -> Predicted | None:
        forecasts = self.forecasts(run)
        if forecasts is None:
            return None
        true, predicted = (part.reshape(len(part), -1) for part in (forecasts.true, forecasts.predicted))
        if true.shape[1] == 1:
            true, predicted = true[:, 0], predicted[:, 0]
        return Predicted(true, predicted, np.empty((len(true), 0)))

    def score_table(self, run: Run) -> Table | None:
        """Returns a table with a row for each series, the worst first; of one series, for each of its numbers."""
        forecasts = self.forecasts(run)
        if forecasts is None or len(names := set(forecasts.series)) < 2:
            return super().score_table(run)
        rows = []
        for name, scaled in errors_by_series(forecasts, self.facts).items():
            mine = forecasts.series == name
            true, given = forecasts.true[mine], np.isfinite(forecasts.true[mine])
            error = (forecasts.predicted[mine] - true)[given]
            covered = ""
            if forecasts.low is not None and forecasts.high is not None:
                held = (forecasts.low[mine] <= true) & (true <= forecasts.high[mine])
                covered = f"{held[given].mean():.0%}"
            sizes = (float(np.square(error).mean()) ** 0.5, float(np.abs(error).mean()))
            rows.append([shown(name), spell(scaled), *map(spell, sizes), covered or "–", f"{mine.sum():,}"])
        caption = "The series with the largest errors first. RMSE and MAE are in the unit of each."
        folded = f"Scores of all {len(names)} series" if len(names) > MAX_ROWS else ""
        return Table(["Series", "MASE", "RMSE", "MAE", "In intervals", "Forecasts"], rows, caption, folded=folded)

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        table = super().worst_table(examples)
        if table is None or "series" not in self.facts.preprocessing:
            return table
        return table.captioned("The error is the mean absolute error over the steps, divided as MASE is.")

    def confidence(self, run: Run) -> Iterator[str]:
        if not mixes_units(self.facts):
            yield from super().confidence(run)


def read_forecasts(path: Path, facts: Facts) -> Forecasts | None:
    """Reads predictions.csv, with a row for each step or, of older runs, for each window; `None` where it is missing or
    has other columns. A missing true value is NaN.

    Raises:
        ValueError: a cell is no number.
    """
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        head = next(rows, [])
        body = list(rows)
    columns = max(1, len(facts.features))
    horizon = max(1, len(facts.outputs)) // columns
    if not body:
        return None
    if "time" not in head:
        return _read_windows(head, body, facts, horizon)
    cells = {name: np.array(column, dtype=object) for name, column in zip(head, zip(*body, strict=True), strict=True)}
    names = [""] if columns == 1 else [f"_{name}" for name in facts.features]

    def numbers(form: str) -> Floats | None:
        if any(form + name not in cells for name in names):
            return None
        each = [np.where(cells[form + name] == "", "nan", cells[form + name]).astype(np.float64) for name in names]
        return np.stack(each, axis=1).reshape(-1, horizon, columns)

    true, predicted = numbers("true"), numbers("predicted")
    if true is None or predicted is None:
        return None
    nothing = np.full(len(body), "", dtype=object)
    return Forecasts(
        cells.get("series", nothing)[::horizon],
        cells["time"].reshape(-1, horizon),
        cells.get("origin", nothing)[::horizon],
        true,
        predicted,
        numbers("low"),
        numbers("high"),
    )


def _read_windows(head: Sequence[str], body: Sequence[Sequence[str]], facts: Facts, horizon: int) -> Forecasts | None:
    """Reads the table of an older run, whose ids are the last times that forecasts are based on."""
    names = [f"_{name}" for name in facts.outputs] or [""]
    places = {
        form: [head.index(form + name) for name in names if form + name in head] for form in ("true", "predicted")
    }
    if any(len(at) != len(names) for at in places.values()):
        return None
    true, predicted = (
        np.array([[float(row[at]) for at in found] for row in body]).reshape(len(body), horizon, -1)
        for found in places.values()
    )
    origins = np.array([row[0] for row in body], dtype=object)
    times = np.repeat(origins[:, None], horizon, axis=1)
    return Forecasts(np.full(len(body), "", dtype=object), times, origins, true, predicted, None, None)


def errors_by_series(forecasts: Forecasts, facts: Facts) -> dict[str, float]:
    """Returns the MASE of each series, the largest first; that of a series which training did not have is relative to
    the spread of its true values. Without any true value it is 0."""
    stored = facts.preprocessing.get("series", ())
    naive = {str(state["name"]): np.asarray(state["naive"], np.float64)[0] for state in stored}
    errors = {}
    for name in dict.fromkeys(forecasts.series.tolist()):
        mine = forecasts.series == name
        true, given = forecasts.true[mine], np.isfinite(forecasts.true[mine])
        if not given.any():
            errors[name] = 0.0
            continue
        size = naive.get(name, np.maximum(spread_of(true), np.finfo(float).tiny))
        errors[name] = float(np.abs((forecasts.predicted[mine] - true) / size)[given].mean())
    return dict(sorted(errors.items(), key=lambda pair: -pair[1]))


def spread_of(true: Floats) -> Floats:
    """Returns the standard deviation of each column `(C,)` of true values `(N, H, C)`, 0 where all are missing."""
    return np.array([column[np.isfinite(column)].std() if np.isfinite(column).any() else 0.0 for column in true.T])

"""The part of a page about predicted numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import MAX_ROWS, Table, listed, shown
from dltrain.drawing.style import SOFT
from dltrain.drawing.wording import spell
from dltrain.runs.reader import Example, Run
from dltrain.tasks.pages.page import Page
from dltrain.tasks.plots.numbers import draw_predicted_against_true, draw_residuals
from dltrain.tasks.predicted import Floats, Predicted, read_predicted
from dltrain.tasks.statistics import rmse_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering


class NumbersPage(Page):
    """The part of a page about one predicted number, or several."""

    headlines: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2")

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns RMSE, MAE and R²; of several numbers only R², which has no unit."""
        return ("r2",) if self.facts.outputs else self.headlines

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("r2",) if self.facts.outputs else ("rmse", "r2")

    @property
    def is_mean(self) -> bool:
        return len(self.facts.outputs) > 1

    def explain_metrics(self) -> str:
        if self.facts.outputs:
            return f"All but the loss are means over {len(self.facts.outputs)} outputs, each in its own unit."
        if (self.facts.target_mean, self.facts.target_std) != (0.0, 1.0):
            return f"The loss is that of the standardised target; RMSE and MAE are in the unit of {self.facts.target}."
        return ""

    def plots(self) -> Sequence[Plot]:
        return (
            Plot(
                "predicted_against_true",
                "Predicted against true",
                "predictions",
                lambda run, text: draw_predicted_against_true(self.pairs_of(run), len(self.facts.outputs), text),
            ),
            Plot(
                "residuals",
                "Residuals",
                "predictions",
                lambda run, text: draw_residuals(self.pairs_of(run), text),
            ),
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """Returns the name of each predicted number."""
        return self.facts.outputs or (self.facts.target,)

    def pairs_of(self, run: Run) -> list[tuple[str, Floats]]:
        """Returns the name of each predicted number, and its true and predicted values `(2, N)` if both are finite."""
        predicted = self.predicted(run)
        if predicted is None:
            return []
        names = self.output_names
        values = np.stack([predicted.true, predicted.predicted]).astype(np.float64).reshape(2, -1, len(names))
        columns = [(name, values[:, :, position]) for position, name in enumerate(names)]
        finite = [(name, pairs[:, np.isfinite(pairs).all(axis=0)]) for name, pairs in columns]
        return [(name, pairs) for name, pairs in finite if pairs.shape[1]]

    def read(self, run: Run) -> Predicted | None:
        return read_predicted(run.folder.predictions, self.facts.outputs, read=_number_or_gap)

    def score_table(self, run: Run) -> Table | None:
        """Returns a table with a row for each number, where there are several."""
        names = self.facts.outputs
        if not names or self.predicted(run) is None:
            return None
        rows = [[shown(name), *map(spell, _errors(pairs))] for name, pairs in self.pairs_of(run)]
        folded = f"Scores of all {len(names)} outputs" if len(names) > MAX_ROWS else ""
        return Table(["Output", "RMSE", "MAE", "R²"], rows, "Each in its own unit.", folded=folded)

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        if not examples:
            return None
        if self.facts.outputs:
            head = ["Sample", "Largest error in", "True", "Predicted", "Error"]
            rows = [
                [shown(example.text or example.id), *self._largest_error(example), example.error]
                for example in examples
            ]
            caption = (
                "The error is the mean absolute error over the outputs, in standard deviations. The output with the "
                "largest error is named, with its true and predicted value."
            )
            return Table(head, rows, caption, 2)
        rows = [
            [shown(example.text or example.id), _number(example.true), _number(example.predicted), example.error]
            for example in examples
        ]
        caption = f"The error is absolute, in the unit of {self.facts.target}."
        return Table(["Sample", "True", "Predicted", "Error"], rows, caption, 1)

    def _largest_error(self, example: Example) -> list[str]:
        """Returns name, true and predicted value of the output with the largest error in standard deviations."""
        try:
            cells = (cell.split(", ") for cell in (example.true, example.predicted))
            true, predicted = (np.array([_number_or_gap(part) for part in parts]) for parts in cells)
            at = int(np.nanargmax(np.abs(predicted - true) / np.asarray(self.facts.target_std)))
        except ValueError:
            return ["–", shown(example.true), shown(example.predicted)]
        return [shown(self.facts.outputs[at]), spell(float(true[at])), spell(float(predicted[at]))]

    def confidence(self, run: Run) -> Iterator[str]:
        pairs = self.pairs_of(run)
        if len(pairs) != 1 or len(pairs[0][1][0]) < 3:
            return
        true, predicted = pairs[0][1]
        errors = np.abs(predicted - true)
        low, high = rmse_interval(np.square(errors))
        rmse = float(np.square(errors).mean()) ** 0.5
        yield (
            f"RMSE is {spell(rmse, 3)} on these {len(true):,} {run.shown_words} samples; on all "
            f"samples like them it is between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence."
        )
        half, tenth = np.quantile(errors, (0.5, 0.9)).tolist()
        yield f"Half of the predictions are off by more than {spell(half, 3)}, a tenth by more than {spell(tenth, 3)}."

    def describe_importance(self) -> tuple[str, float]:
        if self.facts.outputs:
            return "loss of R², the mean over the outputs", 1.0
        return f"increase of RMSE, in the unit of {self.facts.target}", 1.0

    def pairs(self) -> list[tuple[str, str]]:
        names = self.facts.outputs
        return [("Outputs", listed([shown(name) for name in names]))] if names else []

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        """Draws samples coloured by the target's value, or that of the first of several outputs."""
        values = true.reshape(len(true), -1)[:, 0]
        marks = axes.scatter(points[:, 0], points[:, 1], c=values, s=16, linewidths=0, alpha=0.8, cmap="viridis")
        figure = axes.get_figure()
        assert figure is not None
        bar = figure.colorbar(marks, ax=axes, shrink=0.8, pad=0.02)
        name = self.facts.outputs[0] if self.facts.outputs else self.facts.target
        bar.set_label(text(name), fontsize=9.5, color=SOFT)
        bar.ax.tick_params(length=0, labelsize=9, labelcolor=SOFT)
        bar.outline.set_visible(False)
        errors = np.nanmean(
            (np.abs(predicted - true) / np.asarray(self.facts.target_std)).reshape(len(true), -1), axis=1
        )
        return errors >= max(float(np.quantile(errors, 0.9)), np.finfo(float).tiny), "largest 10 % of errors"


class RatingsPage(NumbersPage):
    """The part of a page about predicted ratings."""

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        return ("rmse", "mae")

    def explain_metrics(self) -> str:
        return ""


def _errors(pairs: Floats) -> tuple[float, float, float]:
    """Returns RMSE, MAE and R² of true and predicted values `(2, N)`; R² is NaN where all true values are equal."""
    true, predicted = pairs
    squared, spread = float(np.square(predicted - true).mean()), float(true.var())
    return squared**0.5, float(np.abs(predicted - true).mean()), 1 - squared / spread if spread else float("nan")


def _number_or_gap(cell: str) -> float:
    return float(cell) if cell else float("nan")


def _number(text: str, digits: int = 4) -> str:
    try:
        return spell(float(text), digits)
    except ValueError:
        return text

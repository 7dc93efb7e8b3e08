"""The protocol of a task's part of a page, with defaults for a task that has nothing special to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import Table, shown
from dltrain.runs.reader import Example, Run
from dltrain.tasks.predicted import Floats, Predicted
from dltrain.types import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dltrain.drawing.style import Lettering

MAX_EXAMPLES = 10


class Page:
    """The part of a run's page that concerns its task, made from the run's folder alone.

    Args:
        facts: of the data.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns the names of the most important metrics, the most important first."""
        return [name for name in metrics if name != "loss"][:3] or list(metrics)[:1]

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns the names of the metrics that a page begins with."""
        return list(self.headline(metrics))[:2]

    @property
    def is_mean(self) -> bool:
        """Tells whether the metrics are means over several outputs."""
        return False

    def explain_metrics(self) -> str:
        """Returns sentences that explain the metrics, where they need an explanation."""
        return ""

    def plots(self) -> Sequence[Plot]:
        """Returns the plots of predictions."""
        return ()

    def read(self, run: Run) -> Predicted | None:
        """Reads the predictions on the shown split; returns `None` where there are none in the expected form."""
        return None

    def predicted(self, run: Run) -> Predicted | None:
        """Returns what `read` returns, which is called once for each run."""
        predicted: Predicted | None = run.remember("predicted", lambda: self.read(run))
        return predicted

    def score_table(self, run: Run) -> Table | None:
        """Returns a table of the scores of each class, label or output."""
        return None

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        """Returns a table of the examples with the largest errors, the worst first."""
        rows = [
            [shown(example.text or example.id), shown(example.true), shown(example.predicted), example.error]
            for example in examples
        ]
        return Table(["Sample", "True", "Predicted", "Error"], rows, numbers_from=3) if rows else None

    def read_cell(self, cell: str) -> str:
        """Returns the name that a cell of examples.csv stands for."""
        return cell

    def confidence(self, run: Run) -> Iterator[str]:
        """Yields sentences about the uncertainty of the result, which depends on the samples that were held out."""
        yield from ()

    def limits(self, run: Run) -> Iterator[str]:
        """Yields sentences about what the model cannot do, as far as that follows from its predictions."""
        yield from ()

    def omissions(self) -> Iterator[str]:
        """Yields sentences about what the page and the run's files leave out, because it would be too much."""
        yield from ()

    def describe_importance(self) -> tuple[str, float]:
        """Returns the unit of a column's importance in words, and the factor that turns its number into that unit."""
        return "worsening of the main metric", 1.0

    def goal(self) -> str:
        """Returns in a few words what is predicted."""
        return self.facts.target

    def pairs(self) -> list[tuple[str, str]]:
        """Returns facts about the target, as pairs of a name and a text."""
        return []

    @property
    def score_word(self) -> str:
        """Returns the head of the column of numbers beside recommended items."""
        return "Expected"

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        """Draws samples at points `(n, 2)`, coloured by their true values.

        Returns:
            Which samples are to be marked as errors, `(n,)`, and the words for these in the legend.
        """
        from dltrain.drawing.style import COLORS

        axes.plot(*points.T, "o", markersize=4, markeredgewidth=0, alpha=0.6, color=COLORS[0])
        return np.zeros(len(points), dtype=bool), ""

"""What a page asks of a task, and what holds for any task that has nothing to say."""

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
    """What the page of a run says of its task, from the run's folder alone.

    Args:
        facts: of the data.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def headline(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns the metrics that say most, the one that decides first."""
        return [name for name in metrics if name != "loss"][:3] or list(metrics)[:1]

    def answer(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns the metrics that a page begins with."""
        return list(self.headline(metrics))[:2]

    @property
    def is_mean(self) -> bool:
        """Whether the metrics are means over several outputs."""
        return False

    def explain_metrics(self) -> str:
        """Returns what the metrics mean, where that does not go without saying."""
        return ""

    def plots(self) -> Sequence[Plot]:
        """Returns the plots of predictions."""
        return ()

    def read(self, run: Run) -> Predicted | None:
        """Reads what was predicted of the shown split; returns `None` where nothing was, or it is of another form."""
        return None

    def predicted(self, run: Run) -> Predicted | None:
        """Returns what `read` does, once for each run."""
        found: Predicted | None = run.remember("predicted", lambda: self.read(run))
        return found

    def score_table(self, run: Run) -> Table | None:
        """Returns the scores of each class, label or output."""
        return None

    def worst_table(self, examples: Sequence[Example]) -> Table | None:
        """Returns the examples where the model errs most, the worst first."""
        rows = [[shown(one.text or one.id), shown(one.true), shown(one.predicted), one.error] for one in examples]
        return Table(["Sample", "True", "Predicted", "Error"], rows, numbers_from=3) if rows else None

    def read_cell(self, cell: str) -> str:
        """Returns what a cell of examples.csv stands for."""
        return cell

    def confidence(self, run: Run) -> Iterator[str]:
        """Yields how far the result may be off by the chance of which samples were held out."""
        yield from ()

    def limits(self, run: Run) -> Iterator[str]:
        """Yields what the model cannot do, as far as that follows from its predictions."""
        yield from ()

    def describe_importance(self) -> tuple[str, float]:
        """Returns what the importance of a column is counted in, and by how much its number is to be multiplied."""
        return "by how much the main metric worsens", 1.0

    def goal(self) -> str:
        """Returns what is predicted, in a few words."""
        return self.facts.target

    def pairs(self) -> list[tuple[str, str]]:
        """Returns what there is to say of the target, name by name."""
        return []

    @property
    def score_word(self) -> str:
        """What the number beside a recommended item is."""
        return "Expected"

    def draw_samples(
        self, axes: Axes, points: Floats, true: NDArray[Any], predicted: NDArray[Any], text: Lettering
    ) -> tuple[NDArray[np.bool_], str]:
        """Draws samples at points `(n, 2)` by what is true of them; returns which are wrong, and in what words."""
        from dltrain.drawing.style import COLORS

        axes.plot(*points.T, "o", markersize=4, markeredgewidth=0, alpha=0.6, color=COLORS[0])
        return np.zeros(len(points), dtype=bool), ""

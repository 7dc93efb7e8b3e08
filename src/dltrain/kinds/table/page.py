"""The parts of a run's page about tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import MAX_ROWS, Section, Table, shown
from dltrain.drawing.wording import count, spell
from dltrain.kinds.page import KindPage
from dltrain.kinds.table.coefficients import coefficients
from dltrain.kinds.table.column_encoder import ColumnEncoder
from dltrain.kinds.table.encoder import columns_of
from dltrain.kinds.table.plots import draw_coefficients, draw_fit
from dltrain.runs.reader import Run


class TablePage(KindPage):
    """The page of a table."""

    def plots(self) -> Sequence[Plot]:
        return (
            Plot("fit", "Fit", "predictions", draw_fit),
            Plot("coefficients", "True and learned coefficients", "weights", draw_coefficients),
        )

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns the section of learned coefficients, after the section of importance."""
        return {"importance": [learned_weights(run, plots)]}

    def describe_input(self) -> str:
        return count(math.prod(self.facts.input_shape), "feature")

    def describe_new(self) -> str:
        facts = self.facts
        if not facts.features:
            return super().describe_new()
        names = [column.name for column in self.columns] or facts.features
        verb = "are" if facts.target == ", ".join(facts.outputs) else "is"
        few = len(names) <= 12
        needed = f"its columns {', '.join(names)}" if few else f"the {len(names):,} columns named under Data"
        return f"Predict new rows, from a table with {needed}; {facts.target} {verb} not needed:"

    @cached_property
    def columns(self) -> tuple[ColumnEncoder, ...]:
        """Returns the encoders of the columns."""
        return columns_of(self.facts)

    def column_count(self) -> int:
        return len(self.columns) or len(self.facts.features)

    def ranges(self) -> Table | None:
        rows = list(_ranges(self.columns, self.facts.bins))
        if not rows:
            return None
        return Table(["Column", "In training"], rows, self._beyond(), 2, folded="The range of each column")

    def _beyond(self) -> str:
        """Explains what happens to values that training did not have."""
        return " ".join(dict.fromkeys(column.beyond for column in self.columns if column.beyond))


def learned_weights(run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Section:
    """Returns the section of learned coefficients; empty if the true ones are unknown."""
    weights = coefficients(run)
    tables = []
    if weights is not None:
        rows = [
            [shown(name), spell(true), spell(learned), spell(learned - true)]
            for name, true, learned in zip(weights.names, weights.true.tolist(), weights.learned.tolist(), strict=True)
        ]
        caption = "In raw units: the change of the prediction when the feature increases by 1."
        folded = f"All {len(rows)} coefficients" if len(rows) > MAX_ROWS else ""
        tables.append(Table(["Feature", "True", "Learned", "Difference"], rows, caption, folded=folded))
    return Section("Learned coefficients", plots=plots["weights"], tables=tables)


def _ranges(columns: Sequence[ColumnEncoder], bins: Sequence[Sequence[float]]) -> Iterator[list[str]]:
    """Yields the name of each column, and its values in the training split."""
    first = 0
    for column in columns:
        width = len(column.features)
        of_column = [*bins[first : first + width], *[()] * width][:width]
        first += width
        if text := column.describe(of_column):
            yield [shown(column.name), text]

"""What the page of a run says of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import MAX_ROWS, Section, Table, listed, shown
from dltrain.drawing.wording import count, spell
from dltrain.kinds.page import KindPage
from dltrain.kinds.table.coefficients import coefficients
from dltrain.kinds.table.columns import CategoricalEncoder
from dltrain.kinds.table.encoder import ColumnEncoder, columns_of
from dltrain.kinds.table.numeric import NumericEncoder, StandardEncoder
from dltrain.kinds.table.plots import draw_coefficients, draw_fit
from dltrain.runs.reader import Run


class TablePage(KindPage):
    """Rows of a table."""

    def plots(self) -> Sequence[Plot]:
        return (
            Plot("fit", "Fit", "predictions", draw_fit),
            Plot("coefficients", "True and learned coefficients", "weights", draw_coefficients),
        )

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns what the weights say, where the truth is known, behind what the model rests on."""
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
        """What the training rows taught of each column."""
        return columns_of(self.facts)

    def column_count(self) -> int:
        return len(self.columns) or len(self.facts.features)

    def ranges(self) -> Table | None:
        rows = list(_ranges(self.columns, self.facts.bins))
        if not rows:
            return None
        return Table(["Column", "In training"], rows, self._beyond(), 2, folded="What it has seen of each column")

    def _beyond(self) -> str:
        """Says what becomes of values that training did not hold."""
        numbers = [column for column in self.columns if isinstance(column, NumericEncoder)]
        sentences = []
        if any(column.edges for column in numbers):
            sentences.append("Numbers beyond are taken for the nearest end.")
        if not all(column.edges for column in numbers):
            sentences.append("Beyond these ends of a number it extrapolates, and nothing here tells how well.")
        if any(isinstance(column, CategoricalEncoder) for column in self.columns):
            sentences.append("Other values of a category count as rare ones, or as none at all.")
        return " ".join(sentences)


def learned_weights(run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Section:
    """Returns the section of the learned coefficients; an empty one where the truth is not known."""
    weights = coefficients(run)
    tables = []
    if weights is not None:
        rows = [
            [shown(name), spell(true), spell(learned), spell(learned - true)]
            for name, true, learned in zip(weights.names, weights.true.tolist(), weights.learned.tolist(), strict=True)
        ]
        caption = "In raw units: what the prediction gains where the feature gains 1."
        folded = f"All {len(rows)} coefficients" if len(rows) > MAX_ROWS else ""
        tables.append(Table(["Feature", "True", "Learned", "Difference"], rows, caption, folded=folded))
    return Section("Learned coefficients", plots=plots["weights"], tables=tables)


def _ranges(columns: Sequence[ColumnEncoder], bins: Sequence[Sequence[float]]) -> Iterator[list[str]]:
    """Yields the name of each column, and what the training split held of it."""
    place = 0
    for column in columns:
        edges = bins[place] if place < len(bins) else ()
        place += len(column.features)
        if isinstance(column, CategoricalEncoder):
            yield [shown(column.name), _spell_levels(column)]
        elif text := _spell_ends(column, edges):
            yield [shown(column.name), text]


def _spell_ends(column: NumericEncoder | StandardEncoder, bins: Sequence[float]) -> str:
    """Returns the smallest and the largest number, and whether there were gaps; empty where that is not known."""
    quantiles = column.edges if isinstance(column, NumericEncoder) else ()
    ends = quantiles or [column.mean + column.std * edge for edge in bins]
    gaps = ", gaps too" if isinstance(column, NumericEncoder) and column.indicator else ""
    return f"{spell(ends[0])} to {spell(ends[-1])}{gaps}" if ends else ""


def _spell_levels(column: CategoricalEncoder) -> str:
    """Returns the categories, and whether there were rare ones and gaps."""
    rare = ", rare ones as one" if column.other else ""
    gaps = ", gaps too" if column.missing else ""
    return listed([shown(level) for level in column.levels], 12) + rare + gaps

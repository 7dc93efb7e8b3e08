"""What the page of a run says of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import MAX_ROWS, Section, Table, listed, shown
from dltrain.drawing.wording import count, spell
from dltrain.kinds.page import KindPage
from dltrain.kinds.table.coefficients import coefficients
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
        facts, columns = self.facts, self.facts.preprocessing.get("columns")
        names = [str(column["name"]) for column in columns] if columns else list(facts.features)
        if not names:
            return super().describe_new()
        verb = "are" if facts.target == ", ".join(facts.outputs) else "is"
        few = len(names) <= 12
        needed = f"its columns {', '.join(names)}" if few else f"the {len(names):,} columns named under Data"
        return f"Predict new rows, from a table with {needed}; {facts.target} {verb} not needed:"

    def column_count(self) -> int:
        return len(self.facts.preprocessing.get("columns") or self.facts.features)

    def ranges(self) -> Table | None:
        rows = list(_ranges(self.facts.preprocessing.get("columns") or (), self.facts.bins))
        if not rows:
            return None
        return Table(["Column", "In training"], rows, self._beyond(), 2, folded="What it has seen of each column")

    def _beyond(self) -> str:
        """Says what becomes of values that training did not hold."""
        columns = self.facts.preprocessing.get("columns") or ()
        held = any(column.get("edges") for column in columns)
        linear = any(column.get("kind") == "numeric" and not column.get("edges") for column in columns)
        named = any(column.get("kind") == "categorical" for column in columns)
        said = ["Numbers beyond are taken for the nearest end."] if held else []
        said += ["Beyond these ends of a number it extrapolates, and nothing here tells how well."] if linear else []
        said += ["Other values of a category count as rare ones, or as none at all."] if named else []
        return " ".join(said)


def learned_weights(run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Section:
    """Returns the section of the learned coefficients; an empty one where the truth is not known."""
    known = coefficients(run)
    tables = []
    if known is not None:
        rows = [
            [shown(name), spell(true), spell(learned), spell(learned - true)]
            for name, true, learned in zip(known.names, known.true.tolist(), known.learned.tolist(), strict=True)
        ]
        caption = "In raw units: what the prediction gains where the feature gains 1."
        folded = f"All {len(rows)} coefficients" if len(rows) > MAX_ROWS else ""
        tables.append(Table(["Feature", "True", "Learned", "Difference"], rows, caption, folded=folded))
    return Section("Learned coefficients", plots=plots["weights"], tables=tables)


def _ranges(columns: Sequence[dict[str, Any]], bins: Sequence[Sequence[float]]) -> Iterator[list[str]]:
    """Yields the name of each column, and what the training split held of it."""
    place = 0
    for column in columns:
        seen = SEEN.get(str(column.get("kind")))
        if seen is None:  # a form of column that came after this was written; where the next begins is not known
            return
        text, width = seen(column, bins[place] if place < len(bins) else ())
        place += width
        if text:
            yield [shown(str(column["name"])), text]


def _numbers(column: dict[str, Any], bins: Sequence[float]) -> tuple[str, int]:
    ends = column.get("edges") or [column["mean"] + column["std"] * edge for edge in bins]
    gaps = ", gaps too" if column["indicator"] else ""
    return (f"{spell(ends[0])} to {spell(ends[-1])}{gaps}" if ends else ""), 1 + bool(column["indicator"])


def _levels(column: dict[str, Any], bins: Sequence[float]) -> tuple[str, int]:
    width = len(column["levels"]) + bool(column["other"]) + bool(column["missing"])
    rare = ", rare ones as one" if column["other"] else ""
    gaps = ", gaps too" if column["missing"] else ""
    return listed([shown(str(level)) for level in column["levels"]], 12) + rare + gaps, width


SEEN: Mapping[str, Callable[[dict[str, Any], Sequence[float]], tuple[str, int]]] = {
    "numeric": _numbers,
    "categorical": _levels,
}

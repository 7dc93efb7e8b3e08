"""The parts of a run's page that depend on the kind of data, with defaults for any kind."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import Code, Section, Table, listed, shown
from dltrain.drawing.wording import is_code
from dltrain.runs.reader import Run
from dltrain.types import Facts


class KindPage:
    """The parts of a run's page about its kind of data, from the run's folder alone.

    Args:
        facts: the facts of the data.

    Attributes:
        new: a name for a file of new samples, in commands to paste; empty if no files are predicted.
        labelled: a name for labelled data.
    """

    new: str = "new.csv"
    labelled: str = "labelled.csv"

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def plots(self) -> Sequence[Plot]:
        """Returns the plots of this kind of data."""
        return ()

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns additional sections, by the section of every page that they follow.

        Args:
            run: the run of the page.
            plots: the drawn plots, by the section that they belong to.
        """
        return {}

    def shown_names(self) -> Sequence[str]:
        """Returns names beyond those in the facts that plots may contain, so that a font can be found for them."""
        return ()

    def describe_input(self) -> str:
        """Describes one input."""
        return " × ".join(map(str, self.facts.input_shape))

    def usage(self, run: Run) -> list[Code]:
        """Returns commands to paste that use the model."""
        if not self.new:
            return []
        return [Code(f"dltrain predict {shlex.quote(run.place)} {self.new}", words=self.describe_new())]

    def python_usage(self, run: Run) -> list[Code]:
        """Returns Python code that uses the model."""
        if not self.new:
            return []
        name = json.dumps(run.place, ensure_ascii=False)
        return [Code(f'import dltrain\n\nprint(dltrain.load({name}).predict("{self.new}"))', words="From Python:")]

    def describe_new(self) -> str:
        """Describes the command that predicts new samples."""
        return "Predict new samples:"

    def limits(self, run: Run) -> Iterator[str]:
        """Yields what the model cannot do, as far as that follows from the data."""
        classes = self.facts.classes
        if classes and not self.facts.outputs and not all(map(is_code, classes)):
            names = listed(list(map(shown, classes)), 10, ", ")
            yield f"For any input it answers with one of these {len(classes)} classes: {names}."

    def ranges(self) -> Table | None:
        """Returns the range of each column in the training split, None for none."""
        return None

    def is_split_at_random(self, data: Mapping[str, Any]) -> bool:
        """Tells, by the config of the data, whether another seed gives another split."""
        return not data.get("time") and data.get("split", "random") == "random"

    def column_count(self) -> int:
        """Returns how many columns the model was trained on."""
        return len(self.facts.features)


class UnknownPage(KindPage):
    """The page of a kind of data that is not registered, whose samples cannot be described."""

    new: str = ""

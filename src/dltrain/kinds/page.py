"""What a run's page asks of a kind of data, and what holds for any kind that has nothing to say."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from dltrain.drawing.plot import Drawn, Plot
from dltrain.drawing.section import Code, Section, Table, listed, shown
from dltrain.drawing.wording import is_code
from dltrain.runs.reader import Run
from dltrain.types import Facts


class KindPage:
    """What the page of a run says of its kind of data, from the run's folder alone.

    Args:
        facts: of the data.

    Attributes:
        new: a name for a file of new samples, in commands to paste; empty where none is predicted.
        labelled: a name for labelled data.
    """

    new: ClassVar[str] = "new.csv"
    labelled: ClassVar[str] = "labelled.csv"

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def plots(self) -> Sequence[Plot]:
        """Returns the plots of this kind of data."""
        return ()

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns sections of its own, by the section of every page behind which they stand.

        Args:
            run: whose page it is.
            plots: as they came out, by the section that they belong to.
        """
        return {}

    def shown_names(self) -> Sequence[str]:
        """Returns names beyond those in the facts that plots may show, so that a font can be found for them."""
        return ()

    def describe_input(self) -> str:
        """Returns what one input is."""
        return " × ".join(map(str, self.facts.input_shape))

    def usage(self, run: Run) -> list[Code]:
        """Returns commands that use the model, to paste."""
        if not self.new:
            return []
        return [Code(f"dltrain predict {shlex.quote(run.place)} {self.new}", words=self.describe_new())]

    def python_usage(self, run: Run) -> list[Code]:
        """Returns how to use the model from Python."""
        if not self.new:
            return []
        name = json.dumps(run.place, ensure_ascii=False)
        return [Code(f'import dltrain\n\nprint(dltrain.load({name}).predict("{self.new}"))', words="From Python:")]

    def describe_new(self) -> str:
        """Returns what the command that predicts new samples is for."""
        return "Predict new samples:"

    def limits(self, run: Run) -> Iterator[str]:
        """Yields what the model cannot do, as far as that follows from the data."""
        classes = self.facts.classes
        if classes and not all(map(is_code, classes)):
            names = listed(list(map(shown, classes)), 10, ", ")
            yield f"Whatever it is given, it answers with one of these {len(classes)} classes: {names}."

    def ranges(self) -> Table | None:
        """Returns what the training split held of each column."""
        return None

    def is_split_at_random(self, data: Mapping[str, Any]) -> bool:
        """Tells by the config of the data whether another seed gives another split."""
        return not data.get("time") and data.get("split", "random") == "random"

    def column_count(self) -> int:
        """Returns how many columns the model was trained on."""
        return len(self.facts.features)


class UnknownPage(KindPage):
    """A kind of data that is not known here: what its samples look like cannot be told."""

    new: ClassVar[str] = ""

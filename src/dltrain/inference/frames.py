"""The predictions of new samples as a table, and a summary of the remarks about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from dltrain.tasks.certainty import Certainty
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Task
from dltrain.types import Encoded, Remark

NAMED_CELLS = 3


def prediction_frame(task: Task, encoded: Encoded, predictions: Predictions, certainty: Certainty) -> pd.DataFrame:
    """Returns one row per sample: `id`, the task's columns of predictions and of their certainty, and `remarks`."""
    remarks = ["; ".join(map(str, of_sample)) for of_sample in encoded.remarks]
    predictions = task.decided(predictions, certainty)
    columns = task.columns(predictions, encoded.inputs)
    columns |= task.certainty_columns(predictions, encoded.inputs, certainty)
    return pd.DataFrame({"id": list(encoded.ids)} | columns | {"remarks": remarks})


@dataclass
class Tally:
    """Counts remarks over all samples.

    Args:
        rows: number of samples.
        odd: number of samples with a remark.
        counts: number of samples with each remark.
        cells: a few examples of each remark.
    """

    rows: int = 0
    odd: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    cells: dict[str, list[str]] = field(default_factory=dict)

    def add(self, remarks: Iterable[tuple[Remark, ...]]) -> None:
        """Adds the remarks of more samples."""
        for of_sample in remarks:
            self.rows += 1
            self.odd += bool(of_sample)
            for what, cell in of_sample:
                self.counts[what] = self.counts.get(what, 0) + 1
                examples = self.cells.setdefault(what, [])
                if cell and cell not in examples and len(examples) < NAMED_CELLS:
                    examples.append(cell)

    @property
    def sentences(self) -> list[str]:
        """Returns a sentence for each remark with the number of its samples, the most frequent first."""
        return [
            f"{what}: {'every sample' if count == self.rows else f'{count:,} of {self.rows:,} samples'}"
            + (f", such as {', '.join(self.cells[what])}" if self.cells[what] else "")
            for what, count in sorted(self.counts.items(), key=lambda item: -item[1])
        ]

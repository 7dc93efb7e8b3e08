"""What a model says of new samples, as a table, and what was odd of them, as a summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Task
from dltrain.types import Encoded, Remark

NAMED_CELLS = 3


def prediction_frame(task: Task, encoded: Encoded, predictions: Predictions) -> pd.DataFrame:
    """Returns a row a sample: `id`, the columns that the task gives its predictions, and `remarks`."""
    remarks = ["; ".join(map(str, found)) for found in encoded.remarks]
    return pd.DataFrame({"id": list(encoded.ids)} | task.columns(predictions) | {"remarks": remarks})


@dataclass
class Tally:
    """Counts oddities over all samples.

    Args:
        rows: samples seen.
        odd: samples with a remark.
        counts: samples that share each oddity.
        cells: a few values of each.
    """

    rows: int = 0
    odd: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    cells: dict[str, list[str]] = field(default_factory=dict)

    def add(self, remarks: Iterable[tuple[Remark, ...]]) -> None:
        """Counts the remarks of some more samples."""
        for found in remarks:
            self.rows += 1
            self.odd += bool(found)
            for what, cell in found:
                self.counts[what] = self.counts.get(what, 0) + 1
                shown = self.cells.setdefault(what, [])
                if cell and cell not in shown and len(shown) < NAMED_CELLS:
                    shown.append(cell)

    @property
    def sentences(self) -> list[str]:
        """Each oddity and how many samples have it, the most frequent first."""
        return [
            f"{what}: {'every sample' if count == self.rows else f'{count:,} of {self.rows:,} samples'}"
            + (f", such as {', '.join(self.cells[what])}" if self.cells[what] else "")
            for what, count in sorted(self.counts.items(), key=lambda item: -item[1])
        ]

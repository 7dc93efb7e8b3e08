"""What a model says of new samples, as a table, and what was odd of them, as a summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from dltrain.data.tokens import Vocabulary
from dltrain.tasks.task import Predictions
from dltrain.types import Encoded, Facts, Remark

NAMED_CELLS = 3


def prediction_frame(facts: Facts, encoded: Encoded, predictions: Predictions) -> pd.DataFrame:
    """A row a sample: `id`, `predicted` (a class, or a number in the target's unit), a `score_` a class, `remarks`.

    Of windows of a text `predicted` is the likeliest token behind each.
    Of several outputs or labels each has columns of its own, `predicted_NAME`, and for a label `score_NAME`.
    """
    columns: dict[str, object] = {"id": list(encoded.ids)}
    if facts.outputs:
        for index, name in enumerate(facts.outputs):
            columns[f"predicted_{name}"] = predictions.values[:, index].tolist()
            if predictions.probabilities is not None:
                columns[f"score_{name}"] = predictions.probabilities[:, index].tolist()
    elif facts.classes:
        assert predictions.probabilities is not None
        columns["predicted"] = [facts.classes[index] for index in predictions.values.tolist()]
        scores = predictions.probabilities.double().numpy()
        columns |= {f"score_{name}": scores[:, index] for index, name in enumerate(facts.classes)}
    elif facts.task == "next_token":
        known = Vocabulary.from_json(facts.preprocessing)
        columns["predicted"] = [known.spell(window) for window in predictions.values.tolist()]
    else:
        columns["predicted"] = predictions.values.flatten().tolist()
    columns["remarks"] = ["; ".join(map(str, remarks)) for remarks in encoded.remarks]
    return pd.DataFrame(columns)


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

"""The predictions of new samples as a table, and a summary of the remarks about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd
from torch import Tensor

from dltrain.data.cells import name_list
from dltrain.data.sample_files import TableFiles
from dltrain.errors import DataError
from dltrain.tasks.certainty import Certainty
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Task
from dltrain.types import Encoded, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

NAMED_CELLS = 3
NULLABLE = {"f": "Float64", "i": "Int64", "b": "boolean"}  # by the kind of a NumPy type
NO_NUMBER = Remark("the model's output is NaN or infinite")


def prediction_frame(task: Task, encoded: Encoded, predictions: Predictions, certainty: Certainty) -> pd.DataFrame:
    """Returns the predictions of new samples as the task arranges them, a row per sample or per forecast step."""
    frame = task.frame(encoded, task.decided(predictions, certainty), certainty)
    return _without(frame, encoded.unreadable) if encoded.unreadable else frame


def _without(frame: pd.DataFrame, rows: Sequence[int]) -> pd.DataFrame:
    """Returns predictions of which some rows have none; the types of their columns then allow for empty cells."""
    columns = [name for name in frame.columns if name not in ("id", "remarks")]
    types = {name: NULLABLE.get(frame[name].dtype.kind, "string") for name in columns}
    frame = frame.astype(types)
    frame.loc[list(rows), columns] = pd.NA
    return frame


def with_columns(predictions: pd.DataFrame, raw: Raw, names: Sequence[str]) -> pd.DataFrame:
    """Returns predictions with columns of the input behind `id`, as they are written there.

    Raises:
        DataError: the input is no table, or has no such column.
    """
    if not names:
        return predictions
    rows = raw.frame if isinstance(raw, TableFiles) else raw
    columns = list(map(str, rows.columns)) if isinstance(rows, pd.DataFrame) else []
    for name in names:
        if name not in columns:
            raise DataError(
                f"the input has no column {name!r} to keep",
                where="--keep",
                fix=f"name one of its columns: {name_list(columns)}" if columns else "give a table",
            )
    assert isinstance(rows, pd.DataFrame)
    if "id" not in predictions.columns or len(predictions) != len(rows):
        raise DataError(
            "a forecast has no row of the input whose columns it could keep",
            where="--keep",
            fix="leave it out, and join the forecasts with the input by their times",
        )
    kept = rows.set_axis(columns, axis="columns")[list(names)].reset_index(drop=True)
    taken = {name: f"{name}_given" for name in names if name in predictions.columns}
    return pd.concat([predictions[["id"]], kept.rename(columns=taken), predictions.drop(columns="id")], axis="columns")


def with_remarks(encoded: Encoded, predictions: Predictions) -> Encoded:
    """Returns samples with a remark more on each whose prediction is not a finite number."""
    finite = predictions.is_finite().tolist()
    remarks = [
        of_sample if sound else (*of_sample, NO_NUMBER)
        for of_sample, sound in zip(encoded.remarks, finite, strict=True)
    ]
    return replace(encoded, remarks=tuple(remarks))


def with_unlike(encoded: Encoded, unlike: Tensor, words: str) -> Encoded:
    """Returns samples with a remark more on each that is unlike those of training, but for unreadable ones.

    Args:
        encoded: the samples.
        unlike: `(N,)` whether each is.
        words: the remark.
    """
    odd = set(unlike.nonzero().flatten().tolist()) - set(encoded.unreadable)
    pairs = enumerate(encoded.remarks)
    remarks = [(*of_sample, Remark(words)) if row in odd else of_sample for row, of_sample in pairs]
    return replace(encoded, remarks=tuple(remarks))


@dataclass
class Tally:
    """Counts remarks over all samples.

    Args:
        rows: number of samples.
        odd: number of samples with a remark.
        counts: number of samples with each remark.
        cells: a few examples of each remark.
        unreadable: number of samples that could not be read.
    """

    rows: int = 0
    odd: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    cells: dict[str, list[str]] = field(default_factory=dict)
    unreadable: int = 0

    def add(self, encoded: Encoded) -> None:
        """Adds the remarks of more samples."""
        self.unreadable += len(encoded.unreadable)
        for of_sample in encoded.remarks:
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
            + (
                f" ({'; '.join(self.cells[what])}{' …' if count > len(self.cells[what]) else ''})"
                if self.cells[what]
                else ""
            )
            for what, count in sorted(self.counts.items(), key=lambda item: -item[1])
        ]

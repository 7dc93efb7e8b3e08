"""The column of a table that weighs its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, Form, name_list, nearest
from dltrain.errors import DataError
from dltrain.kinds.forms import Reading, form_from_json, form_of_numbers, form_to_json
from dltrain.types import Facts

SMALLEST, LARGEST = 1e-30, 1e30  # other than 0; sums of 32-bit weights stay finite


@dataclass(frozen=True)
class WeightReader:
    """Reads the weights of rows, of training rows and of new rows.

    Args:
        name: of the column.
        form: how its numbers are written; `None` for plain numbers.
    """

    name: str
    form: Form | None = None

    @classmethod
    def fit(cls, name: str, cells: Cells, reading: Reading) -> Self:
        """Returns the reader of a column's weights.

        Raises:
            DataError: the numbers have two readings.
        """
        numbers = form_of_numbers(name, cells, reading)
        return cls(name, None if numbers is None else numbers.form)

    @classmethod
    def of(cls, facts: Facts) -> Self | None:
        """Returns the reader that the facts describe; `None` where all rows count alike."""
        return cls(facts.weight, form_from_json(facts.preprocessing.get("weight_form"))) if facts.weight else None

    def to_json(self) -> dict[str, Any]:
        """Returns what the facts store beside the name, for their `preprocessing`."""
        return {} if self.form is None else {"weight_form": form_to_json(self.form)}

    def read(self, cells: Cells, override: str = "") -> NDArray[np.float32]:
        """Returns the weights `(N,)` of a column's cells.

        Raises:
            DataError: a cell is no finite number of at least 0; with the override that leaves the weights out.
        """
        weights = cells.read_as(self.form).as_numbers()
        bad = ~((weights == 0) | ((weights >= SMALLEST) & (weights <= LARGEST)))
        if bad.any():
            at = int(bad.argmax())
            cell = cells.spell(at)
            raise DataError(
                f"{cell} is no weight",
                where=f"row {int(cells.rows[at]) + 2}, column {self.name!r}",
                fix=f"write 0 or a number from {SMALLEST:g} to {LARGEST:g} in every row, or leave the weights out",
                override=override,
            )
        return weights.astype(np.float32)


def check_weight_name(name: str, targets: Sequence[str], columns: Sequence[str]) -> None:
    """Refuses the name of a column of weights.

    Raises:
        DataError: there is no such column, or it is a target.
    """
    if name in targets:
        raise DataError(
            f"{name!r} is both the target and data.weight",
            where="data.weight",
            fix="weigh the rows by another column, or not at all",
            override="data.weight=null",
        )
    if name not in columns:
        close = nearest(name, columns)
        raise DataError(
            f"the table has no column {name!r} of weights",
            where="data.weight",
            fix=f"name one of its columns: {name_list(columns)}",
            override=f"data.weight={close[0]}" if close else "data.weight=null",
        )


def note_weights(name: str, weights: NDArray[np.float32]) -> Iterator[str]:
    """Yields how rows are weighed, and how many are left out.

    Raises:
        DataError: every weight is 0.
    """
    counted = weights[weights > 0]
    if not len(counted):
        raise DataError(
            f"every weight in {name!r} is 0",
            where="data.weight",
            fix="give rows that count a weight above 0, or leave the weights out",
            override="data.weight=null",
        )
    yield f"weighs rows by {name}, {counted.min():g} to {counted.max():g}, in the loss and in metrics"
    if len(counted) < len(weights):
        yield f"left out {len(weights) - len(counted)} of {len(weights)} rows of weight 0"

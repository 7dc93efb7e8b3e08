"""The scale of targets that are numbers, one or several, of which some may be missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dltrain.errors import DataError
from dltrain.kinds.table.column_encoder import Floats
from dltrain.kinds.table.scale import standardisation


def scale_of_targets(y: Floats, outputs: Sequence[str]) -> tuple[float | tuple[float, ...], float | tuple[float, ...]]:
    """Returns mean and standard deviation of the targets `(N, 1)`, or of each of several `(N, K)`, of which some are
    missing."""
    if not outputs:
        return standardisation(y[:, 0])
    means, stds = zip(*(standardisation(numbers[~np.isnan(numbers)]) for numbers in y.T), strict=True)
    return tuple(means), tuple(stds)


def check_outputs(y: Floats, outputs: Sequence[str]) -> None:
    """Refuses several targets `(N, K)` of the training rows if one of them is missing in all.

    Raises:
        DataError: naming it.
    """
    empty = [name for name, numbers in zip(outputs, y.T, strict=True) if np.isnan(numbers).all()]
    if empty:
        raise DataError(
            f"no training row has a value of {empty[0]!r}",
            where="data.target",
            fix="leave it out of the targets",
            override=f"data.target=[{','.join(name for name in outputs if name not in empty)}]",
        )

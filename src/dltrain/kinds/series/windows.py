"""All windows of a series, as views of its encoded steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of a series.

    Args:
        view: `(n', L, channels)` float32, a view of the encoded series; a window's horizon shows values that `finish`
            hides.
        given: `(n',)` whether the source has the known covariates of a window's horizon.
        steps: T, of a window without its horizon.
        hidden: the channels that are not known ahead, the first ones.
        filled: `(n', T, C)` a view of the values, which are followed by as many channels that say which of them are
            missing; here, a missing one rests on those before it alone. None where nothing is missing.
    """

    view: Tensor
    given: NDArray[np.bool_]
    steps: int
    hidden: int
    filled: Tensor | None = None

    def finish(self, numbers: NDArray[np.int64]) -> Tensor:
        """Returns some windows of the view, by their numbers, without what is not known ahead."""
        chosen = take(self.view, numbers)
        ahead = self.view.shape[1] > self.steps
        if not (ahead or self.filled is not None):
            return chosen
        chosen = chosen.clone()
        if self.filled is not None:
            columns, within = self.filled.shape[2], chosen[:, : self.steps]
            _fill_ends(within[..., :columns], within[..., columns : 2 * columns], take(self.filled, numbers))
        if ahead:
            chosen[:, self.steps :, : self.hidden] = 0
        return chosen


def _fill_ends(values: Tensor, missing: Tensor, filled: Tensor) -> None:
    """Replaces missing values at the end of windows, in place: what was interpolated there rests on what follows.

    Args:
        values: `(N, T, C)`.
        missing: likewise, above 0 for missing values.
        filled: likewise, by which they are replaced.
    """
    numbers = torch.arange(1, values.shape[1] + 1)[None, :, None]
    last = ((missing == 0) * numbers).amax(dim=1, keepdim=True)  # (N, 1, C)
    values.copy_(torch.where(numbers > last, filled, values))


def unfold(rows: NDArray[Any], steps: int) -> Tensor:
    """Returns all windows of rows `(n, channels)`, `(n - steps + 1, steps, channels)`: views of them."""
    return torch.from_numpy(rows).unfold(0, steps, 1).transpose(1, 2)


def take(rows: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Returns the rows at an index, as a view without a copy if they are consecutive."""
    if not len(index):
        return rows[:0]
    first, last = int(index[0]), int(index[-1])
    return rows[first : last + 1] if last - first + 1 == len(index) else rows[torch.from_numpy(index)]

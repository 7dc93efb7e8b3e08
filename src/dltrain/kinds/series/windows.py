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
        masked: how many columns of values are followed by as many channels that say which of them are missing; 0 for
            none.
    """

    view: Tensor
    given: NDArray[np.bool_]
    steps: int
    hidden: int
    masked: int = 0

    def finish(self, chosen: Tensor) -> Tensor:
        """Returns windows of the view, without what is not known ahead."""
        ahead = self.view.shape[1] > self.steps
        if not (ahead or self.masked):
            return chosen
        chosen = chosen.clone()
        if self.masked:
            _carry_on(chosen[:, : self.steps, : self.masked], chosen[:, : self.steps, self.masked : 2 * self.masked])
        if ahead:
            chosen[:, self.steps :, : self.hidden] = 0
        return chosen


def _carry_on(values: Tensor, missing: Tensor) -> None:
    """Replaces missing values at the end of windows by the last given ones, in place: what was interpolated there rests
    on what follows.

    Args:
        values: `(N, T, C)`.
        missing: likewise, above 0 for missing values.
    """
    steps = torch.arange(values.shape[1])[None, :, None]
    last = ((missing == 0) * steps).amax(dim=1, keepdim=True).long()  # (N, 1, C)
    values.copy_(torch.where(steps > last, values.gather(1, last), values))


def unfold(rows: NDArray[Any], steps: int) -> Tensor:
    """Returns all windows of rows `(n, channels)`, `(n - steps + 1, steps, channels)`: views of them."""
    return torch.from_numpy(rows).unfold(0, steps, 1).transpose(1, 2)


def take(rows: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Returns the rows at an index, as a view without a copy if they are consecutive."""
    if not len(index):
        return rows[:0]
    first, last = int(index[0]), int(index[-1])
    return rows[first : last + 1] if last - first + 1 == len(index) else rows[torch.from_numpy(index)]

"""Gathers the results of batches in one tensor."""

from __future__ import annotations

from torch import Tensor


class Growing:
    """Rows that are added batch by batch to one tensor, which doubles when it is full.

    Small tensors that stay, made one after another among the large ones of a model's layers, would keep the memory of
    these from being used again: an evaluation would take more with each of its batches.
    """

    def __init__(self) -> None:
        self.rows: Tensor | None = None
        self.count = 0

    def add(self, part: Tensor) -> None:
        """Adds rows `(n, ...)`."""
        end = self.count + len(part)
        if self.rows is None or end > len(self.rows):
            larger = part.new_empty((max(2 * self.count, end), *part.shape[1:]))
            if self.rows is not None:
                larger[: self.count] = self.rows[: self.count]
            self.rows = larger
        self.rows[self.count : end] = part
        self.count = end

    def whole(self) -> Tensor:
        """Returns all rows `(N, ...)`; at least one batch was added."""
        assert self.rows is not None
        return self.rows[: self.count]

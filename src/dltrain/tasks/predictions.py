"""Predictions of a model or a baseline, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dltrain.data.growing import Growing


@dataclass(frozen=True)
class Predictions:
    """Predictions for some samples, on the CPU.

    Args:
        values: `(N,)` int64 class indices, or `(N, K)` numbers in the target's own unit, or `(N, K)` int64 0 and 1, or
            `(N, T)` int64 tokens, or `(N, P)` int64 characters.
        probabilities: `(N, K)` of each class or label, or `(N, P, K)` of each character at each place; `None` where
            there are none.
        losses: `(N, T)` in nats, of each target token, or of each token of a written answer; `None` of other tasks, or
            where the targets are not given.
        ranks: `(N,)` rank of the true item in the order for its user, the best is 1; `None` of other tasks.
        outputs: `(N, out_features)` of a model, which the probabilities of classes come from; `None` elsewhere.
        naive: `(N, 2, C)` mean absolute and mean squared error of the naive forecast of each sample's series, by which
            errors are divided; `None` where there is one series or none.
        ends: `(N, 2, K)` lower and upper ends of intervals in the target's own unit; `None` where the loss learns none.
        edits: `(N, 2)` int64 characters to change in a written answer to make the true one, and the latter's length;
            `None` of other tasks, or where the targets are not given.
    """

    values: Tensor
    probabilities: Tensor | None = None
    losses: Tensor | None = None
    ranks: Tensor | None = None
    outputs: Tensor | None = None
    naive: Tensor | None = None
    ends: Tensor | None = None
    edits: Tensor | None = None

    def is_finite(self) -> Tensor:
        """Tells of which samples `(N,)` every predicted value and probability is a finite number."""
        tensors = [tensor for tensor in (self.values, self.probabilities) if tensor is not None]
        return torch.stack([tensor.isfinite().reshape(len(tensor), -1).all(dim=1) for tensor in tensors]).all(dim=0)

    def of(self, chosen: Tensor) -> Predictions:
        """Returns the predictions for some of the samples, given their indices `(n,)`, without probabilities."""
        parts = (self.losses, self.ranks, self.naive, self.ends, self.edits)
        losses, ranks, naive, ends, edits = (None if part is None else part[chosen] for part in parts)
        return Predictions(self.values[chosen], None, losses, ranks, naive=naive, ends=ends, edits=edits)


class Joined:
    """Predictions of several batches, which become one."""

    def __init__(self) -> None:
        self.parts: dict[str, Growing] = {}

    def add(self, part: Predictions) -> None:
        """Adds the predictions of a batch."""
        for field in fields(part):
            if (tensor := getattr(part, field.name)) is not None:
                self.parts.setdefault(field.name, Growing()).add(tensor)

    def whole(self) -> Predictions:
        """Returns the predictions of all batches, at least one."""
        return Predictions(**{name: part.whole() for name, part in self.parts.items()})


def join(parts: Iterable[Predictions]) -> Predictions:
    """Returns the predictions of several batches as one."""
    joined = Joined()
    for part in parts:
        joined.add(part)
    return joined.whole()

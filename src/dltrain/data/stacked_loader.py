"""Loads the batches of several training splits at once, each in its own order, from data that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dltrain.data.loader import TensorLoader
from dltrain.types import Batch, Stored


class StackedLoader:
    """Yields batches `(K, B, ...)` of K loaders of the same batch sizes, each batch in the order of its own loader.

    Splits that several loaders share are on the device once.

    Args:
        loaders: the loaders, for which `why_not_stacked` gives no reason.
    """

    def __init__(self, loaders: Sequence[TensorLoader]) -> None:
        self.loaders, self.start, self.sizes = list(loaders), 0, loaders[0].sizes
        distinct = list({id(loader.split): loader for loader in loaders}.values())
        starts = torch.tensor([0, *(len(loader.target) for loader in distinct)]).cumsum(0).tolist()
        offsets = {id(loader.split): start for loader, start in zip(distinct, starts, strict=False)}
        self.offsets = [offsets[id(loader.split)] for loader in loaders]
        self.inputs = tuple(joined(parts) for parts in zip(*(loader.inputs for loader in distinct), strict=True))
        self.target = joined([loader.target for loader in distinct])
        weights = [loader.weights for loader in distinct if loader.weights is not None]
        self.weights = joined(weights) if weights else None

    def __len__(self) -> int:
        return len(self.sizes)

    def keep(self, chosen: Sequence[int]) -> None:
        """Leaves out all loaders but the chosen ones."""
        self.loaders = [self.loaders[place] for place in chosen]
        self.offsets = [self.offsets[place] for place in chosen]

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the epoch whose batches come next, from the batch `start` on."""
        self.start = start
        for loader in self.loaders:
            loader.set_epoch(epoch, start)

    def __iter__(self) -> Iterator[Batch]:
        orders = [loader.order() for loader in self.loaders]
        whole = torch.arange(sum(self.sizes), device=self.target.device)
        placed = zip(orders, self.offsets, strict=True)
        rows = torch.stack([offset + (whole if order is None else order) for order, offset in placed])  # (K, N)
        for chosen in rows.split(self.sizes, dim=1)[self.start :]:
            inputs = tuple(tensor[chosen] for tensor in self.inputs)
            weights = None if self.weights is None else self.weights[chosen]
            yield Batch(self._prepared(inputs), self.target[chosen], weights)

    def _prepared(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        prepare, shape = self.loaders[0].prepare, inputs[0].shape[:2]
        if prepare is None:
            return inputs
        return tuple(tensor.unflatten(0, shape) for tensor in prepare(tuple(tensor.flatten(0, 1) for tensor in inputs)))


def joined(parts: Sequence[Stored]) -> Tensor:
    """Returns tensors one after another, without a copy of a single one."""
    return parts[0][:] if len(parts) == 1 else torch.cat([part[:] for part in parts])


def why_not_stacked(loaders: Sequence[TensorLoader]) -> str:
    """Returns why the batches of loaders cannot be stacked, in words; empty if they can."""
    first = loaders[0]
    if any(loader.sizes != first.sizes for loader in loaders):
        return "their training splits have batches of different sizes"
    if any((loader.weights is None) != (first.weights is None) for loader in loaders):
        return "the samples of some have weights"
    if first.prepare is not None and any(loader.split is not first.split for loader in loaders):
        return "their inputs are prepared from different data"
    reasons = {
        "their inputs are read from the disk": not all(isinstance(part, Tensor) for part in first.inputs),
        "augmentation draws each batch apart": first.change or first.mix,
        "inputs are drawn for each batch apart": first.draw,
        "batches are of samples of similar length": first.lengths is not None,
        "trainer.balance draws each epoch's samples": first.balance,
        "each is an ensemble over folds": first.fold is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")

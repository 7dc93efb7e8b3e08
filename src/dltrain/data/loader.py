"""Batches of a split, from tensors on the device, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from itertools import islice

import torch

from dltrain.data.balance import balanced_order
from dltrain.data.seeding import seeded
from dltrain.errors import DataError
from dltrain.types import Batch, BatchTransform, RandomTransform, Split

STRETCH = 20  # batches within which samples are sorted by length


class TensorLoader:
    """Batches of samples that fit into the device's memory.

    Args:
        split: the samples.
        batch_size: samples a batch; the last one holds what remains.
        device: where the batches are to lie.
        prepare: turns stored inputs into the model's, a batch at a time, on the device.
        draw: what is drawn to go with a batch's stored inputs, anew in every epoch where `seed` is given.
        change: what happens to stored inputs before that, differently in every epoch; only where `seed` is given.
        seed: shuffles, differently in every epoch; `None` keeps the order of the split.
            A batch that holds the whole split is not permuted.
        bucket_by_length: whether a batch is of samples of about the same length, their second input; with `seed`.
        balance: whether an epoch shows every class equally often instead of every sample once; with `seed` alone.
        merge_single: adds a last batch of one sample to the one before, for models that normalise over the batch.
        limit: most batches an epoch.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        device: torch.device,
        *,
        prepare: BatchTransform | None = None,
        draw: RandomTransform | None = None,
        change: RandomTransform | None = None,
        seed: int | None = None,
        bucket_by_length: bool = False,
        balance: bool = False,
        merge_single: bool = False,
        limit: int | None = None,
    ) -> None:
        self.inputs = tuple(tensor.to(device) for tensor in split.inputs)
        exact = split.target.float() if device.type == "mps" and split.target.is_floating_point() else split.target
        self.target = exact.to(device)  # mps has no float64
        self.prepare = prepare
        self.draw = draw
        self.change = change
        self.seed = seed
        self.lengths = split.inputs[1] if bucket_by_length else None
        self.balance = balance
        self.epoch = 0
        self.start = 0
        self.sizes = batch_sizes(len(split), batch_size, merge_single)[:limit]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def samples(self) -> int:
        """Samples in an epoch."""
        return sum(self.sizes)

    def in_order(self) -> TensorLoader:
        """The same batches' samples in the order of the split, from the same tensors."""
        other = copy(self)
        other.seed, other.start = None, 0
        return other

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[Batch]:
        for number, chosen in islice(enumerate(self._chosen()), self.start, None):
            inputs = tuple(tensor[chosen] for tensor in self.inputs)
            if self.change is not None and self.seed is not None:
                inputs = self.change(inputs, self.seed, self.epoch, number)
            if self.draw is not None:
                inputs = self.draw(inputs, *((0, 0) if self.seed is None else (self.seed, self.epoch)), number)
            yield Batch(inputs if self.prepare is None else self.prepare(inputs), self.target[chosen])

    def _chosen(self) -> Iterator[slice | torch.Tensor]:
        """Which samples each batch of the epoch holds."""
        count = len(self.target)
        whole = self.sizes[0] == count and not self.balance
        if self.seed is None or whole:
            start = 0
            for size in self.sizes:
                yield slice(start, start + size)
                start += size
            return
        if self.balance:
            order = balanced_order(self.target.cpu(), self.seed, self.epoch)
        else:
            order = permutation(count, self.seed, self.epoch)
        if self.lengths is not None:
            order = bucket_order(order, self.lengths, self.sizes, self.seed, self.epoch)
        order = order[: self.samples].to(self.target.device)
        yield from order.split(self.sizes)


def permutation(count: int, seed: int, epoch: int) -> torch.Tensor:
    """A random order of `count` samples, `(count,)`, the same on every device for the same seed and epoch."""
    return torch.randperm(count, generator=seeded(seed, epoch))


def bucket_order(
    order: torch.Tensor, lengths: torch.Tensor, sizes: Sequence[int], seed: int, epoch: int
) -> torch.Tensor:
    """A random order in which each batch is of similar lengths: sorted within stretches of some batches, and the
    batches then shuffled.

    Args:
        order: `(N,)` samples at random.
        lengths: `(N,)` of every sample.
        sizes: of the batches; the last one stays the last, as its size may differ.
        seed: of the batches' order.
        epoch: likewise.
    """
    stretches = order.split(STRETCH * sizes[0])
    order = torch.cat([stretch[lengths[stretch].argsort(stable=True)] for stretch in stretches])
    *batches, last = order[: sum(sizes)].split(list(sizes))
    shuffled = torch.randperm(len(batches), generator=seeded(seed, epoch, 0, 1)).tolist()
    return torch.cat([*(batches[at] for at in shuffled), last])


def batch_sizes(count: int, batch_size: int, merge_single: bool = False) -> list[int]:
    """How many samples each batch of an epoch holds.

    Raises:
        DataError: with `merge_single`, where every batch would hold one sample.
    """
    whole, rest = divmod(count, batch_size)
    sizes = [batch_size] * whole + [rest] * (rest > 0)
    if merge_single and sizes[-1] == 1:
        if batch_size == 1 or count == 1:
            raise DataError(
                "a model with batch normalisation cannot learn from batches of one sample",
                where="trainer.batch_size",
                fix="give at least 2",
                override="trainer.batch_size=2",
            )
        sizes[-2:] = [sizes[-2] + 1]
    return sizes

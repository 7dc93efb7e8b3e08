"""Loads batches of a split from tensors on the device, in an order that depends on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from dltrain.data.balance import balanced_order
from dltrain.data.seeding import seeded
from dltrain.data.stored import EVERY, read_batches, take
from dltrain.errors import DataError
from dltrain.types import Batch, BatchTransform, MixTransform, RandomTransform, Split, Stored

STRETCH = 20  # number of batches whose samples are sorted by length together
MOST_BYTES = 2**24  # of a split whose samples are put into the order of an epoch, or prepared, at once


class TensorLoader:
    """Yields batches of a split, from the device's memory, or read ahead where inputs are no tensors.

    Args:
        split: the samples.
        batch_size: samples a batch; the last one holds what remains.
        device: of the batches.
        prepare: turns stored inputs into the model's, on the device: a batch at a time, or those of a small split at
            once if its `of_each_sample` is true.
        draw: adds random inputs to a batch, such as negatives; with `seed` different ones in every epoch, else always
            the same.
        change: augments a batch before that, differently in every epoch; only used with `seed`.
        mix: mixes the augmented samples of a batch, differently in every epoch; only used with `seed`.
        seed: shuffles, differently in every epoch; `None` keeps the order of the split.
            A batch that holds the whole split is not permuted.
        bucket_by_length: whether a batch holds samples of similar length, their second input; only used with `seed`.
        balance: whether an epoch shows every class equally often, not every sample once; only used with `seed`.
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
        mix: MixTransform | None = None,
        seed: int | None = None,
        bucket_by_length: bool = False,
        balance: bool = False,
        merge_single: bool = False,
        limit: int | None = None,
    ) -> None:
        self.split = split
        self.inputs = tuple(tensor.to(device) for tensor in split.inputs)
        exact = split.target.float() if device.type == "mps" and split.target.is_floating_point() else split.target
        self.target = exact.to(device)  # mps has no float64
        self.weights = None if (weights := split.weights) is None else weights.to(device)
        self.fold = None if split.fold is None else split.fold.to(device)
        self.prepare = prepare
        self.draw = draw
        self.change = change
        self.mix = mix
        self.seed = seed
        self.lengths = split.tensors[1] if bucket_by_length else None
        self.balance = balance
        self.epoch = 0
        self.start = 0
        self.sizes = batch_sizes(len(split), batch_size, merge_single)[:limit]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def samples(self) -> int:
        """Returns the number of samples in an epoch."""
        return sum(self.sizes)

    def in_order(self, draw: RandomTransform | None = None, batch_size: int | None = None) -> TensorLoader:
        """Returns a loader of the same samples that keeps the order of the split, changes nothing at random, adds what
        `draw` draws, if it is given in place of the loader's own, and gives samples no folds.

        Its batches are of another size if one is given, unless what is drawn or padded depends on the batch.
        """
        other = copy(self)
        other.draw = draw or self.draw
        other.seed, other.start, other.fold = None, 0, None
        if batch_size is not None and other.draw is None and self.lengths is None:
            other.sizes = batch_sizes(self.samples, batch_size)
        return other

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the epoch whose batches come next, from the batch `start` on."""
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[Batch]:
        count, order = len(self.inputs), self.order()
        stored: list[Stored] = [*self.inputs, self.target]
        stored += [part for part in (self.weights, self.fold) if part is not None]
        if order is not None and sum(tensor.nbytes for tensor in stored) <= MOST_BYTES:
            stored, order = [take(part, order) for part in stored], None
        elif order is not None and not all(isinstance(part, Tensor) for part in stored):
            order = order.cpu()  # what reads rows from the disk would ask a GPU for them in each batch
        prepare = self.prepare
        if prepare is not None and order is None and self._prepares_at_once():
            tensors = cast("list[Tensor]", stored[:count])
            stored[:count], prepare = prepare(tuple(part[: self.samples] for part in tensors)), None
        for number, parts in enumerate(read_batches(stored, self._batches(order)), self.start):
            inputs, target, others = tuple(parts[:count]), parts[count], parts[count + 1 :]
            mixing = None
            if self.seed is not None:
                if self.change is not None:
                    inputs = self.change(inputs, self.seed, self.epoch, number)
                if self.mix is not None:
                    inputs, mixing = self.mix(inputs, self.seed, self.epoch, number)
            if self.draw is not None:
                inputs = self.draw(inputs, *((0, 0) if self.seed is None else (self.seed, self.epoch)), number)
            weights = None if self.weights is None else others.pop(0)
            prepared = inputs if prepare is None else prepare(inputs)
            yield Batch(prepared, target, weights, mixing, others[0] if others else None)

    def _prepares_at_once(self) -> bool:
        """Tells whether all samples may be prepared before they are put into batches."""
        unchanged = self.draw is None and (self.seed is None or (self.change is None and self.mix is None))
        in_memory = all(isinstance(part, Tensor) for part in self.inputs)
        return unchanged and in_memory and getattr(self.prepare, "of_each_sample", False) and self._is_small

    @cached_property
    def _is_small(self) -> bool:
        """Returns whether all samples take little memory once they are prepared."""
        assert self.prepare is not None
        one = self.prepare(tuple(part[:1] for part in self.inputs))
        return self.samples * sum(part.nbytes for part in one) <= MOST_BYTES

    def _batches(self, order: Tensor | None) -> Iterator[slice | Tensor]:
        """Yields the positions of each batch's samples, from the first batch that is wanted on."""
        if order is None and self.sizes == [len(self.target)]:
            yield from (EVERY for _ in self.sizes[self.start :])
            return
        end = sum(self.sizes[: self.start])
        for size in self.sizes[self.start :]:
            start, end = end, end + size
            yield slice(start, end) if order is None else order[start:end]

    def order(self) -> Tensor | None:
        """Returns the positions of an epoch's samples, in their order; `None` for that of the split."""
        count = len(self.target)
        if self.seed is None or (self.sizes[0] == count and not self.balance):
            return None
        if self.balance:
            order = balanced_order(self.target.cpu(), self.seed, self.epoch)
        else:
            order = permutation(count, self.seed, self.epoch)
        if self.lengths is not None:
            order = bucket_order(order, self.lengths, self.sizes, self.seed, self.epoch)
        return order[: self.samples].to(self.target.device)


def permutation(count: int, seed: int, epoch: int) -> Tensor:
    """Returns a random order of `count` samples, `(count,)`, the same on every device for the same seed and epoch."""
    return torch.randperm(count, generator=seeded(seed, epoch))


def bucket_order(order: Tensor, lengths: Tensor, sizes: Sequence[int], seed: int, epoch: int) -> Tensor:
    """Returns a random order in which the samples of a batch have similar lengths.

    Samples are sorted within stretches of 20 batches, and then the batches are shuffled.

    Args:
        order: `(N,)` random order of the samples.
        lengths: `(N,)` length of each sample.
        sizes: of the batches; the last batch stays the last, as its size may differ.
        seed: of the order of batches, with the epoch.
        epoch: counted from 0.
    """
    stretches = order.split(STRETCH * sizes[0])
    order = torch.cat([stretch[lengths[stretch].argsort(stable=True)] for stretch in stretches])
    *batches, last = order[: sum(sizes)].split(list(sizes))
    shuffled = torch.randperm(len(batches), generator=seeded(seed, epoch, 0, 1)).tolist()
    return torch.cat([*(batches[at] for at in shuffled), last])


def batch_sizes(count: int, batch_size: int, merge_single: bool = False) -> list[int]:
    """Returns the number of samples in each batch of an epoch.

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
                fix="choose a batch size of at least 2",
                override="trainer.batch_size=2",
            )
        sizes[-2:] = [sizes[-2] + 1]
    return sizes

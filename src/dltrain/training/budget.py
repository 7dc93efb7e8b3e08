"""The default number of epochs and batch size of a kind of data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Chooses the number of epochs and the batch size by the number of training samples.

    Args:
        samples: number of samples to be shown over all epochs.
        fewest: smallest number of epochs.
        most: largest number of epochs.
        batches: number of batches to be shown over all epochs, instead of `samples`; none to go by `samples`.
        batch_sizes: pairs of a number of training samples and the batch size below it, in ascending order.
        large_batch: the batch size above the last of these numbers.
    """

    samples: int = 180_000
    fewest: int = 6
    most: int = 60
    batches: int | None = None
    batch_sizes: tuple[tuple[int, int], ...] = ((1000, 32), (5000, 64))
    large_batch: int = 256

    def epochs(self, count: int, batch_size: int) -> int:
        """Returns the number of epochs for `count` training samples in batches of `batch_size`."""
        samples = self.samples if self.batches is None else self.batches * batch_size
        return min(self.most, max(self.fewest, round(samples / count)))

    def batch_size(self, count: int) -> int:
        """Returns the number of samples a step for `count` training samples."""
        return next((size for below, size in self.batch_sizes if count < below), self.large_batch)

"""How long and in what batches a kind of data trains, where nothing is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Epochs by the number of training samples, and samples a step likewise.

    Args:
        samples: seen over all epochs.
        fewest: epochs.
        most: epochs.
        batches: shown over all epochs, in place of a number of samples; none for that.
        batch_sizes: pairs of a number of training samples and the batch size below it, in ascending order.
        large_batch: the batch size from there on.
    """

    samples: int = 180_000
    fewest: int = 6
    most: int = 60
    batches: int | None = None
    batch_sizes: tuple[tuple[int, int], ...] = ((1000, 32), (5000, 64))
    large_batch: int = 256

    def epochs(self, count: int, batch_size: int) -> int:
        """Returns the number of epochs for `count` training samples in batches of a size."""
        samples = self.samples if self.batches is None else self.batches * batch_size
        return min(self.most, max(self.fewest, round(samples / count)))

    def batch_size(self, count: int) -> int:
        """Returns the samples a step for `count` training samples."""
        return next((size for below, size in self.batch_sizes if count < below), self.large_batch)

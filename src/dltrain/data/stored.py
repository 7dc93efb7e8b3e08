"""Reads stored inputs part by part, and ahead of who needs them where they are on the disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.types import Stored

PART = 2**23  # bytes that are looked at together, four times as many as floats
AHEAD = 2  # batches that are read while one is used
EVERY = slice(None)  # all rows


@dataclass(frozen=True)
class StoredRows(ABC):
    """An input whose rows are read when they are asked for, in place of a tensor `(N, ...)`.

    Args:
        rows: the positions of the samples in what holds them.
        device: of what is read.
    """

    rows: NDArray[np.int64]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"), kw_only=True)

    @abstractmethod
    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Returns what stands at these positions `(n,)`."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any, /) -> Tensor:
        chosen = self.rows[rows.cpu().numpy() if isinstance(rows, Tensor) else rows]
        return to_device(torch.from_numpy(self.read(chosen)), self.device)

    def subset(self, rows: Sequence[int], /) -> Self:
        return replace(self, rows=self.rows[np.asarray(rows, dtype=np.int64)])

    def to(self, device: torch.device | str, /) -> Self:
        return replace(self, device=torch.device(device))

    def split(self, size: int, /) -> Iterator[Tensor]:
        return (self[start : start + size] for start in range(0, len(self), size))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a tensor on a device; copied to a GPU without waiting for what that has still to do."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def in_parts(stored: Stored, most: int = 2**62) -> Iterable[Tensor]:
    """Returns the rows of an input in their order, about 8 MiB together, and at most so many rows."""
    return stored.split(max(1, min(most, PART // max(1, stored.nbytes // max(1, len(stored))))))


def take(stored: Stored, rows: slice | Tensor) -> Tensor:
    """Returns the rows at some positions `(n,)` or in a slice."""
    if isinstance(stored, Tensor) and rows is EVERY:
        return stored
    if isinstance(stored, Tensor) and isinstance(rows, Tensor):
        return stored.index_select(0, to_device(rows, stored.device))  # for long rows ten times as fast as an index
    return stored[rows]


def read_batches(stored: Sequence[Stored], batches: Iterable[slice | Tensor]) -> Iterator[list[Tensor]]:
    """Yields what several inputs hold of the rows of each batch; a thread reads ahead where they are no tensors."""

    def read(rows: slice | Tensor) -> list[Tensor]:
        return [take(part, rows) for part in stored]

    if all(isinstance(part, Tensor) for part in stored):
        yield from map(read, batches)
        return
    waiting: deque[Future[list[Tensor]]] = deque()
    reader = ThreadPoolExecutor(1, "reads-ahead")
    try:
        for rows in batches:
            waiting.append(reader.submit(read, rows))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        reader.shutdown(wait=False, cancel_futures=True)

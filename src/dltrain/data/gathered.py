"""Gathers inputs that come part by part: in memory, or in a temporary file where they would fill it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.stored import StoredRows
from dltrain.errors import StorageError
from dltrain.memory import free_memory, spelled
from dltrain.types import Stored

SHARE = 3  # of the free memory, one of so many parts is for an input
ON_DISK = Path("/var/tmp")  # where the usual folder of temporary files may be in memory


class Gathered:
    """One input of samples, which is added part by part.

    Args:
        most: bytes that are stored in memory; `None` for a third of what is free now.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = free_memory() // SHARE if most is None else most
        self.parts: list[Tensor] = []
        self.count = self.bytes = 0
        self.file: _Unnamed | None = None

    def add(self, part: Tensor) -> None:
        """Adds the input of some samples, `(n, ...)` on the CPU.

        Raises:
            StorageError: the temporary file cannot be written.
        """
        self.parts.append(part)
        self.count += len(part)
        self.bytes += part.nbytes
        if self.bytes <= self.most:
            return
        try:
            if self.file is None:
                self.file = _Unnamed(_folder())
            for waiting in self.parts:
                self.file.write(waiting.contiguous().numpy().tobytes())
        except OSError as error:
            raise StorageError(
                f"{spelled(self.bytes)} of samples are more than a third of the free memory, and cannot be written "
                f"into {_folder()}: {error.strerror}",
                fix="set TMPDIR to a folder with more space, or give fewer samples at a time",
            ) from error
        self.parts = [part.new_empty((0, *part.shape[1:]))]

    @property
    def note(self) -> str:
        """Returns where the samples are, in words; empty if they are in memory."""
        size = spelled(self.bytes)
        return f"{self.count:,} samples, {size}, more than a third of the free memory: read from a temporary file" * (
            self.file is not None
        )

    def finish(self) -> Stored:
        """Returns the input of all samples, `(N, ...)`."""
        if self.file is None:
            return torch.cat(self.parts)
        return RowsInFile(np.arange(self.count), self.file, self.parts[0])


@dataclass(frozen=True)
class RowsInFile(StoredRows):
    """An input of samples that is read from a temporary file.

    Args:
        file: that holds all rows, one after another.
        like: a tensor `(0, ...)` of the same type and shape.
    """

    file: _Unnamed
    like: Tensor

    @property
    def dtype(self) -> torch.dtype:
        return self.like.dtype

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self), *self.like.shape[1:]))

    @property
    def nbytes(self) -> int:
        return self.shape.numel() * self.like.element_size()

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        values = np.empty((len(rows), *self.like.shape[1:]), dtype=self.like.numpy().dtype)
        size = values[:1].nbytes
        for place, row in enumerate(rows.tolist()):
            self.file.read_into(values[place : place + 1].data, row * size)
        return values


class _Unnamed:
    """A temporary file without a name, which is gone when nothing refers to it any more, however the process ends."""

    def __init__(self, folder: str) -> None:
        with tempfile.TemporaryFile(dir=folder) as opened:
            self.descriptor = os.dup(opened.fileno())

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def write(self, content: bytes) -> None:
        """Adds bytes at the end."""
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[os.write(self.descriptor, remaining) :]

    def read_into(self, room: memoryview, offset: int) -> None:
        """Fills a piece of memory with what stands from `offset` on.

        Raises:
            StorageError: the disk fails.
        """
        try:
            count = os.preadv(self.descriptor, [room], offset)
        except OSError as error:
            raise StorageError(f"cannot read a temporary file: {error.strerror}", fix="try again") from error
        if count != room.nbytes:
            raise StorageError("a temporary file has been shortened", fix="try again")


def _folder() -> str:
    """Returns the folder of temporary files, by default one that is on a disk."""
    if "TMPDIR" not in os.environ and os.access(ON_DISK, os.W_OK):
        return str(ON_DISK)
    return tempfile.gettempdir()

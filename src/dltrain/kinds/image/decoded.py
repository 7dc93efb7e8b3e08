"""Decoded images of one size: in memory, in a file of the cache, or decoded anew whenever they are needed."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.folder_tree import spell_path
from dltrain.data.splits import Indices
from dltrain.data.stored import StoredRows
from dltrain.errors import DataError, StorageError
from dltrain.kinds.image.decoding import decode_each
from dltrain.kinds.image.depth import Decoded, Pixels, Window, in_eight_bits, is_deep
from dltrain.kinds.image.pixels import Decoding, height_and_width
from dltrain.types import SplitName, Stored

AT_ONCE = 256  # images

Flags = NDArray[np.bool_]


class DecodedImages(Protocol):
    """Readable images of one size, in their order."""

    @property
    def deep(self) -> Flags:
        """Returns which images `(N,)` have more than 8 bits."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Decoded:
        """Returns an image `(H, W, C)`."""
        ...

    def divide(
        self, parts: Mapping[SplitName, Indices], window: Window | None, *, again: bool
    ) -> dict[SplitName, Stored]:
        """Returns the images of each split in 8 bits, `(N, C, H, W)`.

        Args:
            parts: their positions, in ascending order.
            window: for those of more bits.
            again: whether they may be divided once more, otherwise.
        """
        ...


class Chosen(Sequence[Decoded]):
    """Some of the images, each read when it is asked for."""

    def __init__(self, images: DecodedImages, rows: Indices) -> None:
        self.images, self.rows = images, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        return self.images[int(self.rows[at])]


class InMemory:
    """Images in memory.

    Args:
        pixels: `(N, C, H, W)`; grey images among colour ones have three equal channels.
        deeper: the images of more than 8 bits, by their positions; `pixels` holds nothing of them.
    """

    def __init__(self, pixels: Pixels, deeper: Mapping[int, Decoded]) -> None:
        self.pixels, self.deeper = pixels, deeper

    @classmethod
    def gather(cls, images: Iterable[Decoded], count: int) -> InMemory | None:
        """Returns at most `count` images; `None` if there are none."""
        pixels: Pixels | None = None
        deeper: dict[int, Decoded] = {}
        row = -1
        for row, image in enumerate(images):
            height, width, channels = image.shape
            if pixels is None:
                pixels = np.empty((count, channels, height, width), dtype=np.uint8)
            elif channels > pixels.shape[1]:
                pixels = np.repeat(pixels, channels, axis=1)
            if is_deep(image):
                deeper[row] = image
            else:
                pixels[row] = image.transpose(2, 0, 1)
        return None if pixels is None else cls(pixels[: row + 1], deeper)

    @property
    def deep(self) -> Flags:
        flags = np.zeros(len(self), dtype=bool)
        flags[list(self.deeper)] = True
        return flags

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int, /) -> Decoded:
        return self.deeper[row] if row in self.deeper else self.pixels[row].transpose(1, 2, 0)

    def divide(
        self, parts: Mapping[SplitName, Indices], window: Window | None, *, again: bool
    ) -> dict[SplitName, Stored]:
        pixels = self.pixels
        if window is not None:
            pixels = pixels.copy() if again else pixels
            for row in range(len(pixels)) if window.of_all else self.deeper:
                pixels[row] = in_eight_bits(self[row], window).transpose(2, 0, 1)
        if again:
            return {name: torch.from_numpy(pixels[at]) for name, at in parts.items()}
        held_out: dict[SplitName, Stored] = {
            name: torch.from_numpy(pixels[at]) for name, at in parts.items() if name != "train"
        }
        return {"train": torch.from_numpy(_moved_to_front(pixels, parts["train"])), **held_out}


def _moved_to_front(pixels: Pixels, rows: Indices) -> Pixels:
    """Returns images in ascending order, which replace the first ones, so that memory need not hold them twice."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        if some[-1] == start + len(some) - 1:
            continue  # they are there, since their order is ascending
        pixels[start : start + len(some)] = pixels[some]
    return pixels[: len(rows)]


class OnDisk(ABC):
    """Images that are read from the disk whenever they are needed, of `shape` channels, height and width."""

    shape: tuple[int, int, int]

    @abstractmethod
    def read(self, rows: Indices, window: Window | None, /) -> Pixels:
        """Returns images `(n, C, H, W)` in 8 bits.

        Raises:
            DataError, StorageError: they have changed, or cannot be read any more.
        """

    def divide(
        self, parts: Mapping[SplitName, Indices], window: Window | None, *, again: bool
    ) -> dict[SplitName, Stored]:
        """Returns what reads the images of each split; dividing changes nothing, so that it may be repeated."""
        return {name: StoredImages(at, self, window) for name, at in parts.items()}


@dataclass(frozen=True)
class StoredImages(StoredRows):
    """Images of a split that are read from the disk, `(N, C, H, W)` of uint8.

    Args:
        images: all images.
        window: brings them to 8 bits.
    """

    images: OnDisk
    window: Window | None
    dtype: torch.dtype = torch.uint8

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self), *self.images.shape))

    @property
    def nbytes(self) -> int:
        return self.shape.numel()

    def read(self, rows: Indices) -> Pixels:
        return self.images.read(rows, self.window)


class InFile(OnDisk):
    """Images in a file, each as planes of equal size.

    They are read, not mapped into memory, so that the file may be larger than the process may address.

    Args:
        path: the file.
        descriptor: of the open file, which stays readable if it is deleted.
        offset: where the first image begins.
        planes: room for each image, `(P, H, W)`; grey ones fill the first plane alone.
        dtype: uint8, or float32 if some images have more than 8 bits.
        channels: of each image `(N,)`, 0 of those that could not be read.
        deep: `(N,)` whether an image has more than 8 bits.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        offset: int,
        planes: tuple[int, int, int],
        dtype: np.dtype[Any],
        channels: NDArray[np.uint8],
        deep: Flags,
    ) -> None:
        self.path, self.descriptor, self.offset, self.dtype = path, descriptor, offset, dtype
        self.rows = np.flatnonzero(channels)
        self.channels, self.deep = channels[self.rows], deep[self.rows]
        self.shape = (int(self.channels.max(initial=1)), *planes[1:])
        self.stride = int(np.prod(planes)) * dtype.itemsize

    def __del__(self) -> None:
        os.close(self.descriptor)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int, /) -> Decoded:
        image = np.empty((int(self.channels[row]), *self.shape[1:]), dtype=self.dtype)
        self._read_into(image, row)
        return (image if self.deep[row] else image.astype(np.uint8)).transpose(1, 2, 0)

    def read(self, rows: Indices, window: Window | None, /) -> Pixels:
        pixels = np.empty((len(rows), *self.shape), dtype=np.uint8)
        as_stored = window is None and self.dtype == np.uint8
        for place, row in enumerate(rows.tolist()):
            if not as_stored:
                pixels[place] = in_eight_bits(self[row], window).transpose(2, 0, 1)
                continue
            planes = pixels[place, : self.channels[row]]
            self._read_into(planes, row)
            if len(planes) < self.shape[0]:
                pixels[place] = planes
        return pixels

    def _read_into(self, planes: NDArray[Any], row: int) -> None:
        at = self.offset + int(self.rows[row]) * self.stride
        try:
            count = os.preadv(self.descriptor, [planes.data], at)
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {error.strerror}", fix="delete it, and try again") from error
        if count != planes.nbytes:
            raise StorageError(f"{self.path} has been shortened", fix="delete it, and try again")


class InTheirFiles(OnDisk):
    """Images that are decoded anew whenever they are needed.

    Args:
        files: of the readable images.
        decoding: how they are decoded.
        changed: of each file its size and when it changed last, as they were when it was first read.
        channels: of each image `(N,)`.
        deep: `(N,)` whether an image has more than 8 bits.
    """

    def __init__(
        self,
        files: Sequence[Path],
        decoding: Decoding,
        changed: Sequence[tuple[int, int]],
        channels: NDArray[np.uint8],
        deep: Flags,
    ) -> None:
        self.files, self.decoding, self.changed, self.deep = files, decoding, changed, deep
        self.shape = (int(channels.max(initial=1)), *height_and_width(decoding.size))
        warnings.filterwarnings("ignore", module="PIL")  # for good, since another thread reads

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int, /) -> Decoded:
        (image,) = self._decode([row])
        return image

    def read(self, rows: Indices, window: Window | None, /) -> Pixels:
        pixels = np.empty((len(rows), *self.shape), dtype=np.uint8)
        for place, image in enumerate(self._decode(rows.tolist())):
            pixels[place] = in_eight_bits(image, window).transpose(2, 0, 1)
        return pixels

    def _decode(self, rows: Sequence[int]) -> Iterator[Decoded]:
        files = [self.files[row] for row in rows]
        for row, file, image in zip(rows, files, decode_each(files, self.decoding), strict=True):
            if isinstance(image, str) or when_changed(file) != self.changed[row]:
                reason = image if isinstance(image, str) else "it differs"
                raise DataError(f"{spell_path(file)} has changed since the run began: {reason}", fix="start again")
            yield image


def when_changed(file: Path) -> tuple[int, int]:
    """Returns a file's size and when it changed last; zeros if it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns

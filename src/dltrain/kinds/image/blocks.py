"""Decodes blocks of image files by worker processes, which write into memory that all share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from mmap import mmap
from pathlib import Path

import numpy as np

from dltrain.kinds.image.depth import Pixels, is_deep
from dltrain.kinds.image.pixels import Decoding, height_and_width
from dltrain.workers import done_in_order

BLOCK_SECONDS, MOST_FILES = 0.004, 64  # of a block, which one process decodes
SLOTS, FEWEST_SLOTS = 4, 2  # blocks a process, and in all, that are decoded before they are needed
MOST_BYTES = 2**26  # of these


class Blocks:
    """Blocks of files, of which some at a time are decoded into slots of shared memory.

    Only JPEG and PNG of up to 8 bits are decoded, whose decoders start no threads and lock nothing.

    Args:
        files: the files.
        decoding: how they are decoded.
        workers: processes that decode them, besides this one.
        seconds: that a file takes, about.

    Raises:
        OSError: there is no memory for the slots.
    """

    def __init__(self, files: Sequence[Path], decoding: Decoding, workers: int, seconds: float) -> None:
        self.files, self.decoding, self.workers = files, decoding, workers
        processes = 1 + workers
        height, width = height_and_width(decoding.size)
        shape = (decoding.channels or 3, height, width)
        image, files_each = math.prod(shape), -(-len(files) // processes)
        slots = max(FEWEST_SLOTS, min(SLOTS * processes, MOST_BYTES // image))
        fitting = min(MOST_FILES, MOST_BYTES // (slots * image), int(BLOCK_SECONDS / seconds), files_each)
        self.size = max(1, fitting)
        self.count = -(-len(files) // self.size)
        self.slots = min(self.count, slots)
        memory = np.frombuffer(mmap(-1, self.slots * self.size * (1 + image)), dtype=np.uint8)
        self.images = memory[: -self.slots * self.size].reshape(self.slots, self.size, *shape)
        self.channels = memory[-self.slots * self.size :].reshape(self.slots, self.size)  # 0 of what is left out

    def __iter__(self) -> Iterator[Pixels | None]:
        """Yields every image `(H, W, C)` in the order of the files; `None` for what is of another format or cannot be
        read."""
        for block in done_in_order(self._decode, self.count, self.workers, self.slots):
            yield from self._images_of(block)

    def _decode(self, block: int) -> None:
        """Decodes a block into its slot."""
        images, channels = self.images[block % self.slots], self.channels[block % self.slots]
        for at, file in enumerate(self._files_of(block)):
            image = None
            with suppress(Exception):  # Pillow's decoders may raise anything for a broken file
                image = self.decoding.decode_common(file)
            if image is None or is_deep(image):
                channels[at] = 0
            else:
                planes = image.transpose(2, 0, 1)
                images[at, : len(planes)] = planes
                channels[at] = len(planes)

    def _images_of(self, block: int) -> Iterator[Pixels | None]:
        images, channels = self.images[block % self.slots], self.channels[block % self.slots]
        for planes, count in zip(images[: len(self._files_of(block))], channels.tolist(), strict=False):
            yield planes[:count].copy().transpose(1, 2, 0) if count else None

    def _files_of(self, block: int) -> Sequence[Path]:
        return self.files[block * self.size : (block + 1) * self.size]

"""Decodes image files by copies of this process, which write into memory that all share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from mmap import mmap
from pathlib import Path

import numpy as np

from dltrain.copies import Copies
from dltrain.kinds.image.depth import Pixels, is_deep
from dltrain.kinds.image.pixels import Decoding, height_and_width

BLOCK_SECONDS, MOST_FILES, MOST_BYTES = 0.004, 64, 2**22  # of a block, which one process decodes
SLOTS = 4  # blocks a process that are decoded before they are needed


class Blocks:
    """Blocks of files, of which some at a time are decoded into slots of shared memory.

    Of them only JPEG and PNG of 8 bits are decoded, whose decoders start no threads and lock nothing.

    Args:
        files: the files.
        decoding: how they are decoded.
        processes: that decode them.
        seconds: that a file takes, about.
    """

    def __init__(self, files: Sequence[Path], decoding: Decoding, processes: int, seconds: float) -> None:
        self.files, self.decoding = files, decoding
        height, width = height_and_width(decoding.size)
        shape = (decoding.channels or 3, height, width)
        image = math.prod(shape)
        fitting = min(MOST_FILES, MOST_BYTES // image, int(BLOCK_SECONDS / seconds), -(-len(files) // processes))
        self.size = max(1, fitting)
        self.count = -(-len(files) // self.size)
        self.slots = min(self.count, SLOTS * processes)
        memory = np.frombuffer(mmap(-1, self.slots * self.size * (1 + image)), dtype=np.uint8)
        self.images = memory[: -self.slots * self.size].reshape(self.slots, self.size, *shape)
        self.channels = memory[-self.slots * self.size :].reshape(self.slots, self.size)  # 0 of what is left out

    def decode(self, block: int) -> None:
        """Decodes a block into its slot."""
        images, channels = self.images[block % self.slots], self.channels[block % self.slots]
        for at, file in enumerate(self._files_of(block)):
            image = None
            with suppress(Exception):  # Pillow's decoders may raise anything for a broken file
                image = self.decoding.common(file)
            if image is None or is_deep(image):
                channels[at] = 0
            else:
                planes = image.transpose(2, 0, 1)
                images[at, : len(planes)] = planes
                channels[at] = len(planes)

    def images_of(self, block: int) -> Iterator[Pixels | None]:
        """Yields the images `(H, W, C)` of a block in its slot; `None` for what is left out."""
        images, channels = self.images[block % self.slots], self.channels[block % self.slots]
        for planes, count in zip(images[: len(self._files_of(block))], channels.tolist(), strict=False):
            yield planes[:count].copy().transpose(1, 2, 0) if count else None

    def _files_of(self, block: int) -> Sequence[Path]:
        return self.files[block * self.size : (block + 1) * self.size]


def decode_shared(files: Sequence[Path], decoding: Decoding, copies: int, seconds: float) -> Iterator[Pixels | None]:
    """Yields every image `(H, W, C)` in the order of the files, decoded ahead by this process and copies of it; `None`
    for files that are neither JPEG nor PNG of 8 bits, or cannot be read.

    Args:
        files: the files.
        decoding: how they are decoded.
        copies: of this process.
        seconds: that a file takes, about.
    """
    blocks = Blocks(files, decoding, 1 + copies, seconds)
    offered = 0
    with Copies(blocks.decode, copies) as shared:
        for block in range(blocks.count):
            while offered < min(blocks.count, block + blocks.slots):
                shared.offer(offered)
                offered += 1
            shared.finish(block)
            yield from blocks.images_of(block)

"""Decodes image files to where they fit: into memory, into the cache on the disk, or anew in every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from dltrain.data.nouns import count, verb
from dltrain.errors import DataError
from dltrain.kinds.image import cache
from dltrain.kinds.image.decoded import DecodedImages, InMemory, InTheirFiles, when_changed
from dltrain.kinds.image.decoding import decode_all, decode_each, without_warnings
from dltrain.kinds.image.depth import Decoded, is_deep
from dltrain.kinds.image.pixels import Decoding, Size, has_more_bits, height_and_width
from dltrain.memory import free_memory, spelled

Storage = Literal["auto", "memory", "cache", "stream"]

SHARE = 3  # of the available memory, one of so many parts is for images
BATCH = 16  # images that a step has at least, as float32
PROPOSED = 64  # pixels per side at most; what a model makes of images needs far more than they do


@dataclass(frozen=True)
class Placed:
    """Decoded images, and where they are.

    Args:
        images: those that can be read; `None` if there are none.
        readable: their positions among the files.
        bad: files that cannot be read, and why.
        note: where the images are, in words.
    """

    images: DecodedImages | None
    readable: Sequence[int]
    bad: Sequence[tuple[Path, str]]
    note: str = ""


def decode_images(files: Sequence[Path], decoding: Decoding, storage: Storage, *, keep_bad: bool) -> Placed:
    """Decodes image files.

    Args:
        files: the files.
        decoding: how they are decoded.
        storage: where the images go; `auto` decides by their size.
        keep_bad: whether a file in the cache is worth keeping if some images cannot be read.

    Raises:
        DataError: they do not fit into memory, as they have to, or not even a batch of them does.
        StorageError: the cache cannot be written.
    """
    few = min(BATCH, len(files))
    refuse_too_large(few, decoding.size, f"a batch's {count(few, 'image')}", 4 * (decoding.channels or 3))
    height, width = height_and_width(decoding.size)
    planes = (decoding.channels or 3, height, width)
    deep = _begins_deep(files)
    size = len(files) * int(np.prod(planes)) * (5 if deep else 1)  # of deep images the decoded values, too
    on_disk = cache.size_of(len(files), planes, np.dtype(np.float32 if deep else np.uint8))
    chosen, reason = _choose(storage, size, on_disk)

    def words(number: int) -> str:
        return f"{count(number, 'image')} of {width}×{height} pixels, {spelled(size * number // len(files))}"

    if chosen == "memory":
        available = free_memory()
        if size > available:
            raise DataError(
                f"{words(len(files))} do not fit into the {spelled(available)} of free memory",
                where="data.storage",
                fix="let dltrain choose where to put them",
                override="data.storage=auto",
            )
        placed, place = _in_memory(files, decoding), ", in memory"
    elif chosen == "cache":
        images = cache.cached(files, decoding)
        read = set(images.rows.tolist())
        lost = [file for row, file in enumerate(files) if row not in read]
        bad = decode_all(lost, decoding)[1]
        if bad and not keep_bad:
            images.path.unlink(missing_ok=True)
        placed = Placed(images if len(images) else None, images.rows.tolist(), bad)
        place = f"{reason}: decoded once into {images.path}, which other runs share and which may be deleted"
    else:
        placed, place = _in_their_files(files, decoding), f"{reason}: decoded anew in every epoch"
    return replace(placed, note=words(len(placed.readable)) + place)


def _choose(storage: Storage, size: int, on_disk: int) -> tuple[Storage, str]:
    """Returns where images of so many bytes go, and why they are not in memory."""
    if storage != "auto":
        return storage, f" (data.storage={storage})"
    available = free_memory()
    if size * SHARE <= available:
        return "memory", ""
    reason = f", more than a third of the {spelled(available)} of free memory"
    if on_disk <= cache.room():
        return "cache", reason
    return "stream", f"{reason}, and the disk of {cache.cache_folder()} has no room for them"


def _in_memory(files: Sequence[Path], decoding: Decoding) -> Placed:
    readable: list[int] = []
    bad: list[tuple[Path, str]] = []

    def good() -> Iterator[Decoded]:
        for row, image in enumerate(decode_each(files, decoding)):
            if isinstance(image, str):
                bad.append((files[row], image))
            else:
                readable.append(row)
                yield image

    with without_warnings():
        images = InMemory.gather(good(), len(files))
    return Placed(images, readable, sorted(bad))


def _in_their_files(files: Sequence[Path], decoding: Decoding) -> Placed:
    changed = [when_changed(file) for file in files]
    channels, deep = np.zeros(len(files), dtype=np.uint8), np.zeros(len(files), dtype=bool)
    bad = []
    with without_warnings():
        for row, image in enumerate(decode_each(files, decoding)):
            if isinstance(image, str):
                bad.append((files[row], image))
            else:
                channels[row], deep[row] = image.shape[2], is_deep(image)
    readable = np.flatnonzero(channels)
    rows = readable.tolist()
    images = InTheirFiles(
        [files[row] for row in rows], decoding, [changed[row] for row in rows], channels[readable], deep[readable]
    )
    return Placed(images if rows else None, rows, sorted(bad))


def _begins_deep(files: Sequence[Path]) -> bool:
    """Tells whether the first of the files that can be read has more than 8 bits."""
    for file in files[:3]:
        with suppress(Exception):  # Pillow raises anything for a broken file
            return has_more_bits(file)
    return False


def refuse_too_large(number: int, size: Size, what: str = "", bytes_each: int = 3) -> None:
    """Makes sure that so many images, which must lie in memory together, fit in that size.

    Args:
        number: their number.
        size: of each.
        what: they are; by default images.
        bytes_each: of a pixel.

    Raises:
        DataError: they would fill more than a third of what is left.
    """
    height, width = height_and_width(size)
    needed, available = number * bytes_each * height * width, free_memory()
    if needed * SHARE > available:
        smaller = int(math.sqrt(available / SHARE / needed) * min(height, width))
        raise DataError(
            f"{what or count(number, 'image')} of {width}×{height} pixels {verb(number, 'needs', 'need')} "
            f"{spelled(needed)}, more than a third of the {spelled(available)} of free memory",
            where="data.size",
            fix="choose a smaller size",
            override=f"data.size={min(PROPOSED, max(8, smaller))}",
        )

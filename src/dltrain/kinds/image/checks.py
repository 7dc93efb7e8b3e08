"""Checks of images: copies and ids across splits, and images that show nothing or are tiny, with their files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dltrain.data.nouns import count, verb
from dltrain.kinds.checks import Finding
from dltrain.kinds.copies import Copies, name_some
from dltrain.kinds.image.duplicates import Alike, find_copies
from dltrain.kinds.image.plain import header_of
from dltrain.kinds.shared_ids import SharedIds
from dltrain.types import SPLITS, Data, SplitName

CHANGED = "in another size or compression"
DARK = 8  # of 255, up to which all pixels of a black image are
SMALL_FILE = 16_384  # bytes, up to which a file may hold a tiny image; more where four bytes a pixel need more
MOST_OPENED = 5_000  # small files whose size in pixels is looked at
ENLARGED = 4  # times, from which on an image is tiny
WITH_FRAMES, MOST_COUNTED = frozenset([".gif", ".tif", ".tiff", ".webp"]), 1_000  # files whose frames are counted

Files = Sequence[tuple[str, Path]]  # with the names of their images


@dataclass(frozen=True)
class ImageFiles:
    """Where images came from.

    Args:
        of: the files of each split's images, in their order.
        ids: columns that name who or what several images show.
    """

    of: Mapping[SplitName, Sequence[Path]]
    ids: SharedIds | None = None


def check_images(data: Data) -> Iterator[Finding]:
    """Yields findings about copies of images, about those that show nothing, tiny ones, and files of several."""
    names = [name for name in SPLITS if name in data.splits]
    splits = [data.splits[name] for name in names]
    pixels = [split.inputs[0] for split in splits]
    ids = [name for split in splits for name in split.ids]
    split_of = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    copies = find_copies(pixels, np.flatnonzero(split_of > 0))
    partial = ""
    if 0 < copies.compared < len(ids) - copies.flat.sum():
        partial = f"; near copies were looked for among {copies.compared:,} of the images"
    alike = Copies(
        data, copies.group, copies.exact, "image", CHANGED, lambda rows: " = ".join(ids[row] for row in rows), partial
    )
    yield from alike.find()
    if isinstance(data.raw, ImageFiles) and data.raw.ids is not None:
        yield from data.raw.ids.check()
    yield from _blank(copies, ids)
    if isinstance(data.raw, ImageFiles):
        files = [pair for name in names for pair in zip(data.splits[name].ids, data.raw.of[name], strict=True)]
        yield from _tiny(files, *data.facts.input_shape[1:])
        yield from _with_frames(files)


def _blank(copies: Alike, ids: Sequence[str]) -> Iterator[Finding]:
    """Yields images that show nothing: all black, or of one colour."""
    flat = np.flatnonzero(copies.flat)
    dark = copies.brightest[flat] <= DARK
    for rows, words in ((flat[dark], "all black"), (flat[~dark], "of one colour")):
        if len(rows):
            images = f"{count(len(rows), 'image')} {verb(len(rows), 'is', 'are')}"
            yield Finding(
                "warning", f"{images} {words}: {name_some([ids[row] for row in rows])}", "remove or replace them"
            )


def _tiny(files: Files, height: int, width: int) -> Iterator[Finding]:
    """Yields images that are enlarged more than fourfold to height and width, unless most of them are."""
    limit = SMALL_FILE + 4 * height * width // ENLARGED**2
    small = [(name, file) for name, file in files if _bytes(file) <= limit][:MOST_OPENED]
    sizes = [(name, size) for name, file in small if (size := _size(file)) is not None]
    tiny = [f"{name} ({w}×{h})" for name, (w, h) in sizes if ENLARGED * min(w, h) < min(width, height)]
    if tiny and len(tiny) < len(files) / 2:
        images = f"{count(len(tiny), 'image')} {verb(len(tiny), 'is', 'are')}"
        what = f"{images} tiny beside {width}×{height} pixels: {name_some(tiny)}"
        yield Finding("note", what, "enlarged, they show hardly anything; replace or remove them")


def _with_frames(files: Files) -> Iterator[Finding]:
    """Yields files that hold several images, such as pages or frames."""
    opened = [(name, file) for name, file in files if file.suffix.lower() in WITH_FRAMES][:MOST_COUNTED]
    several = [name for name, file in opened if _frames(file) > 1]
    if several:
        hold = f"{count(len(several), 'file')} {verb(len(several), 'holds', 'hold')}"
        among = f" of {len(opened):,} that were looked at" if len(opened) == MOST_COUNTED else ""
        what = f"{hold} several images{among}, of which the first is used: {name_some(several)}"
        yield Finding("note", what, "if the others count, too, save each as a file of its own")


def _frames(file: Path) -> int:
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")
            return int(getattr(image, "n_frames", 1))
    except Exception:  # Pillow raises anything
        return 1


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return SMALL_FILE


def _size(file: Path) -> tuple[int, int] | None:
    """Returns width and height of an image file, without decoding it."""
    try:
        if (plain := header_of(file)) is not None:
            return plain.width, plain.height
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")
            return image.size
    except Exception:  # Pillow raises anything; that it can be read was seen when it was loaded
        return None

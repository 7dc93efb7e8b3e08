"""Checks of images: copies within and across splits, and images that show nothing or are tiny, with their files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dltrain.kinds.checks import Finding
from dltrain.kinds.image.duplicates import Copies, Rows, find_copies
from dltrain.kinds.labels import TargetReader
from dltrain.types import SPLITS, Data, SplitName

NAMED = 5  # files, or groups of files, in a finding
DARK = 8  # of 255, up to which all pixels of a black image are
SMALL_FILE = 16_384  # bytes, up to which a file may hold a tiny image; more where four bytes a pixel need more
MOST_OPENED = 5_000  # small files whose size in pixels is looked at
ENLARGED = 4  # times, from which on an image is tiny

Names = NDArray[np.object_]


@dataclass(frozen=True)
class ImageFiles:
    """The files of each split's images, in their order."""

    of: Mapping[SplitName, Sequence[Path]]


def check_images(data: Data) -> Iterator[Finding]:
    """Yields findings about copies of images, about images that show nothing, and about tiny ones."""
    names = [name for name in SPLITS if name in data.splits]
    splits = [data.splits[name] for name in names]
    pixels = [split.inputs[0] for split in splits]
    ids = [name for split in splits for name in split.ids]
    split_of = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    copies = find_copies(pixels, np.flatnonzero(split_of > 0))
    partial = ""
    if 0 < copies.compared < len(ids) - copies.flat.sum():
        partial = f"; near copies were looked for among {copies.compared:,} of the images"
    groups = _groups(copies)
    if data.facts.classes:
        reader = TargetReader.of(data.facts)
        target = np.array([reader.spell(one) for split in splits for one in split.target.numpy()], dtype=object)
        yield from _conflicts(data, groups, target, ids)
    yield from _across(names, groups, split_of, copies, ids, partial)
    yield from _within(groups, split_of, ids, partial)
    yield from _blank(copies, ids)
    yield from _tiny(data, names)


def _groups(copies: Copies) -> list[Rows]:
    """Returns the images of each group of copies."""
    order = np.argsort(copies.group, kind="stable")
    _, starts, sizes = np.unique(copies.group[order], return_index=True, return_counts=True)
    return [order[start : start + size] for start, size in zip(starts, sizes, strict=True) if size > 1]


def _conflicts(data: Data, groups: Sequence[Rows], target: Names, ids: Sequence[str]) -> Iterator[Finding]:
    unlike = [group for group in groups if len(set(target[group].tolist())) > 1]
    if not unlike:
        return
    pairs = [" = ".join(f"{ids[row]} ({target[row]})" for row in _one_each(group, target)) for group in unlike]
    count = "1 image has a copy" if len(unlike) == 1 else f"{len(unlike):,} images have copies"
    what = f"{count} with another {data.facts.target}: {_named(pairs)}"
    yield Finding("warning", what, "at most one of these labels is right")


def _one_each(group: Rows, target: Names) -> Rows:
    """Returns the first image of each class in a group."""
    _, first = np.unique(target[group], return_index=True)
    return group[np.sort(first)]


def _across(
    names: Sequence[SplitName], groups: Sequence[Rows], split_of: Rows, copies: Copies, ids: Sequence[str], partial: str
) -> Iterator[Finding]:
    """Yields the images of each held-out split that have a copy in train, or in the split before."""
    for number in range(1, len(names)):
        for earlier in range(number):
            pairs = [
                (row, group[split_of[group] == earlier])
                for group in groups
                for row in group[split_of[group] == number]
                if (split_of[group] == earlier).any()
            ]
            if not pairs:
                continue
            near = sum(copies.exact[row] not in copies.exact[others] for row, others in pairs)
            total = int((split_of == number).sum())
            words = [f"{ids[row]} = {ids[others[0]]}" for row, others in pairs]
            changed = f", {near:,} of them in another size or compression" if near else ""
            yield Finding(
                "warning",
                f"{len(pairs):,} of {total:,} images in {names[number]} are also in {names[earlier]}{changed}: "
                f"{_named(words)}{partial}",
                "metrics are too good by them; remove them from one of the two",
            )


def _within(groups: Sequence[Rows], split_of: Rows, ids: Sequence[str], partial: str) -> Iterator[Finding]:
    """Yields groups of copies among the training images."""
    own = [members for group in groups if len(members := group[split_of[group] == 0]) > 1]
    if own:
        extra = sum(len(group) - 1 for group in own)
        words = [" = ".join([*(ids[row] for row in group[:3]), *["..."] * (len(group) > 3)]) for group in own]
        copies = "image in train is a copy" if extra == 1 else "images in train are copies"
        what = f"{extra:,} {copies} of others there: {_named(words)}{partial}"
        yield Finding("note", what, "each counts again in training; keep one of each")


def _blank(copies: Copies, ids: Sequence[str]) -> Iterator[Finding]:
    """Yields images that show nothing: all black, or of one colour."""
    flat = np.flatnonzero(copies.flat)
    dark = copies.brightest[flat] <= DARK
    for rows, words in ((flat[dark], "all black"), (flat[~dark], "of one colour")):
        if len(rows):
            images = "1 image is" if len(rows) == 1 else f"{len(rows):,} images are"
            yield Finding(
                "warning", f"{images} {words}: {_named([ids[row] for row in rows])}", "remove or replace them"
            )


def _tiny(data: Data, names: Sequence[SplitName]) -> Iterator[Finding]:
    """Yields images that are enlarged more than fourfold, unless most of them are."""
    if not isinstance(data.raw, ImageFiles):
        return
    height, width = data.facts.input_shape[1:]
    pairs = [pair for name in names for pair in zip(data.splits[name].ids, data.raw.of[name], strict=True)]
    limit = SMALL_FILE + 4 * height * width // ENLARGED**2
    small = [(name, file) for name, file in pairs if _bytes(file) <= limit][:MOST_OPENED]
    sizes = [(name, size) for name, file in small if (size := _size(file)) is not None]
    tiny = [f"{name} ({w}×{h})" for name, (w, h) in sizes if ENLARGED * min(w, h) < min(width, height)]
    if tiny and len(tiny) < len(pairs) / 2:
        images = "1 image is" if len(tiny) == 1 else f"{len(tiny):,} images are"
        what = f"{images} tiny beside {width}×{height} pixels: {_named(tiny)}"
        yield Finding("note", what, "enlarged, they show hardly anything; replace or remove them")


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return SMALL_FILE


def _size(file: Path) -> tuple[int, int] | None:
    """Returns width and height of an image file, without decoding it."""
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")
            return image.size
    except Exception:  # Pillow raises anything; that it can be read was seen when it was loaded
        return None


def _named(words: Sequence[str]) -> str:
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED:,} more" if len(words) > NAMED else "")

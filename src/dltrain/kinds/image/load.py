"""Folders of pictures, a folder a class: found, decoded to one size and split."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.class_folders import Sought, find_splits, refuse_bad, spell_path
from dltrain.data.samples.animals import draw_animals
from dltrain.data.splits import Fraction, split_indices
from dltrain.errors import DataError, StorageError
from dltrain.kinds.image.pixels import Channels, Normalize, Pixels, Resize, channel_statistics, decode_all, stacked
from dltrain.types import Data, Facts, Range, Split, SplitName

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"])
PICTURES = Sought("pictures", SUFFIXES, "class/*.jpg")

Size = Annotated[int, Range(8)]


def animals(
    *,
    path: str = "data/animals",
    size: Size = 64,
    resize: Resize = "crop",
    channels: Channels = None,
    mirror: bool = True,
    on_bad: Literal["error", "skip"] = "error",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.15,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Pictures of animals, a folder a class; where `data/animals` is missing, eight kinds of animals are drawn there.

    Args:
        path: the folder.
        size: width and height that pictures are brought to, in pixels.
        resize: `crop` scales the shorter side and cuts around the centre, `pad` puts black beside, `stretch` distorts.
        channels: 1 for grey, 3 for colour, none to see by the pictures.
        mirror: whether a picture keeps its class when mirrored, left to right; then training may do so.
        on_bad: whether a picture that cannot be read stops the run or is left out.
        val_fraction: share of the validation split, where no folder is one.
        test_fraction: share of the test split, where no folder is one.
        seed: of the split.

    Raises:
        DataError: there are no pictures, or some cannot be read.
        StorageError: they cannot be drawn there.
    """
    folder = Path(path)
    notes: tuple[str, ...] = ()
    if path == "data/animals" and not folder.exists():
        try:
            draw_animals(folder)
        except OSError as error:
            raise StorageError(f"cannot draw pictures into {folder}: {error.strerror}", where="data.path") from error
        notes = (f"{path} was not there: drew 480 pictures of eight animals",)
    return _load(folder, size, resize, channels, mirror, on_bad, val_fraction, test_fraction, seed, notes)


def images(
    *,
    path: str,
    size: Size = 64,
    resize: Resize = "crop",
    channels: Channels = None,
    mirror: bool = True,
    on_bad: Literal["error", "skip"] = "error",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.15,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Any folder of pictures: `class/*.jpg`, or `train|val|valid|validation|test/class/*.jpg`.

    A folder with `train` and `val` alone is tested on `val`, and validated on a part of `train`.

    Args:
        path: the folder.
        size: width and height that pictures are brought to, in pixels.
        resize: `crop` scales the shorter side and cuts around the centre, `pad` puts black beside, `stretch` distorts.
        channels: 1 for grey, 3 for colour, none to see by the pictures.
        mirror: whether a picture keeps its class when mirrored, left to right; then training may do so.
        on_bad: whether a picture that cannot be read stops the run or is left out.
        val_fraction: share of the validation split, where no folder is one.
        test_fraction: share of the test split, where no folder is one.
        seed: of the split.

    Raises:
        DataError: there are no pictures, or some cannot be read.
    """
    return _load(Path(path), size, resize, channels, mirror, on_bad, val_fraction, test_fraction, seed, ())


def image_data(
    pixels: Pixels,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    parts: dict[SplitName, NDArray[np.int64]],
    ids: Sequence[str],
    *,
    target: str = "class",
    mirror: bool = True,
    resize: Resize = "crop",
    notes: Sequence[str] = (),
) -> Data:
    """Data from pixels `(N, C, H, W)` and class indices `(N,)`, normalised by the training split."""
    train = pixels[parts["train"]]
    mean, std = channel_statistics(train)
    facts = Facts(
        kind="image",
        task="classification",
        input_shape=pixels.shape[1:],
        target=target,
        classes=tuple(classes),
        class_counts=tuple(np.bincount(labels[parts["train"]], minlength=len(classes)).tolist()),
        preprocessing={
            "mean": mean,
            "std": std,
            "size": list(pixels.shape[2:]),
            "channels": pixels.shape[1],
            "resize": resize,
        },
    )
    splits = {
        name: Split(
            (torch.from_numpy(pixels[index]),), torch.from_numpy(labels[index]), tuple(ids[row] for row in index)
        )
        for name, index in parts.items()
    }
    return Data(facts, splits, Normalize(mean, std), mirror, tuple(notes))


def _load(
    folder: Path,
    size: int,
    resize: Resize,
    channels: Channels,
    mirror: bool,
    on_bad: str,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    notes: Sequence[str],
) -> Data:
    found = find_splits(folder, PICTURES)
    classes = tuple(sorted(set(found["train"].labels)))
    files = [path for part in found.values() for path in part.files]
    _refuse_too_many(len(files), size)
    decoded, bad = decode_all(files, size, channels, resize)
    if on_bad == "error":
        refuse_bad(bad, len(files), folder, "pictures")
    kept = [index for index, pixels in enumerate(decoded) if pixels is not None]
    index_of = {label: index for index, label in enumerate(classes)}
    all_labels = np.array([index_of[label] for part in found.values() for label in part.labels], dtype=np.int64)
    owner = np.array([name for name, part in found.items() for _ in part.files])[kept]
    labels = all_labels[kept]
    parts = {name: np.flatnonzero(owner == name) for name in found}
    empty = [
        classes[index] for index in np.flatnonzero(np.bincount(labels[parts["train"]], minlength=len(classes)) == 0)
    ]
    if empty:
        raise DataError(
            f"no picture of the class {spell_path(empty[0])} can be read", where=str(folder), fix="mend some"
        )
    if gone := [name for name, part in parts.items() if len(part) == 0]:
        raise DataError(f"no picture of the {gone[0]} split can be read", where=str(folder), fix="mend some")
    pixels = stacked([picture for picture in decoded if picture is not None])
    train = parts["train"]
    cut = split_indices(
        len(train),
        val_fraction=0.0 if "val" in found else val_fraction,
        test_fraction=0.0 if "test" in found else test_fraction,
        seed=seed,
        strata=labels[train],
    )
    parts |= {name: train[index] for name, index in cut.items()}

    ignored = sum(part.ignored for part in found.values())
    said = [
        *notes,
        *([f"left out {len(bad)} pictures that cannot be read, such as {spell_path(bad[0][0].name)}"] if bad else []),
        *([f"ignored {ignored} files that are no pictures"] if ignored else []),
    ]
    ids = [spell_path(files[index].relative_to(folder)) for index in kept]
    return image_data(
        pixels, labels, [spell_path(name) for name in classes], parts, ids, mirror=mirror, resize=resize, notes=said
    )


def _refuse_too_many(count: int, size: int) -> None:
    needed = count * 3 * size * size
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    if needed > memory // 3:
        raise DataError(
            f"{count:,} pictures of {size}×{size} pixels need {needed >> 30} GiB, more than a third of the memory",
            where="data.size",
            fix="make them smaller",
            override=f"data.size={max(8, math.isqrt(memory // 3 // (count * 3)))}",
        )

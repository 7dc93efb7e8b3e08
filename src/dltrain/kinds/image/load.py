"""Loads folders of images, one folder per class: decodes, resizes, splits and encodes them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.config.validation import spelled
from dltrain.data.class_folders import ClassFiles, FileType, find_splits, refuse_bad, spell_path
from dltrain.data.samples.animals import draw_animals
from dltrain.data.splits import Fraction, Indices, split_indices
from dltrain.errors import ConfigError, DataError, StorageError
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.pixels import SUFFIXES, Channels, Pixels, Resize, decode_all, read_resize, stack
from dltrain.kinds.labels import TASKS, index_classes
from dltrain.types import Data, Facts, Range, Split, SplitName

IMAGES = FileType("images", SUFFIXES, "class/*.jpg")

SIDE = 64  # pixels, by default

Side = Annotated[int, Range(8)]
ResizeOption = Literal["crop", "pad", "stretch"] | Mapping[str, Any]
OnBad = Literal["error", "skip"]


@dataclass(frozen=True)
class FolderSettings:
    """The settings for a folder of images; see `images`.

    Args:
        size: width and height after resizing, in pixels.
        resize: how images are resized.
        channels: 1 for grey, 3 for colour, None to decide by the images.
        mirror: whether an image keeps its class when mirrored.
        on_bad: what happens to images that cannot be read.
        val_fraction: fraction of the validation split, if it has no folder.
        test_fraction: fraction of the test split, if it has no folder.
        seed: of the split.
    """

    size: int
    resize: Resize
    channels: Channels
    mirror: bool
    on_bad: OnBad
    val_fraction: float
    test_fraction: float
    seed: int


def animals(
    *,
    path: str = "data/animals",
    size: Side | None = None,
    resize: ResizeOption | None = None,
    channels: Channels = None,
    mirror: bool = True,
    on_bad: OnBad = "error",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.15,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads images of animals, one folder per class; draws eight kinds of animals if `data/animals` is missing.

    Args:
        path: the folder.
        size: width and height that images are brought to, in pixels; none for 64, or what a model's weights ask for.
        resize: `crop` scales the shorter side and cuts around the centre, `pad` puts black beside, `stretch` distorts;
            `share` and `filter` as in `CentreCrop`; none for `crop`, or what a model's weights ask for.
        channels: 1 for grey, 3 for colour, none to see by the images.
        mirror: whether an image keeps its class when mirrored, left to right; then training may do so.
        on_bad: whether an image that cannot be read stops the run or is left out.
        val_fraction: share of the validation split, where no folder is one.
        test_fraction: share of the test split, where no folder is one.
        seed: of the split.

    Raises:
        DataError: there are no images, or some cannot be read.
        StorageError: the drawn images cannot be written.
    """
    folder = Path(path)
    notes: tuple[str, ...] = ()
    if path == "data/animals" and not folder.exists():
        try:
            draw_animals(folder)
        except OSError as error:
            raise StorageError(f"cannot write images into {folder}: {error.strerror}", where="data.path") from error
        notes = (f"{path} did not exist: drew 480 images of eight animals",)
    way = resize_from_config(resize)
    settings = FolderSettings(size or SIDE, way, channels, mirror, on_bad, val_fraction, test_fraction, seed)
    return _load_folder(folder, settings, notes)


def images(
    *,
    path: str,
    size: Side | None = None,
    resize: ResizeOption | None = None,
    channels: Channels = None,
    mirror: bool = True,
    on_bad: OnBad = "error",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.15,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads any folder of images: `class/*.jpg`, or `train|val|valid|validation|test/class/*.jpg`.

    With only `train` and `val`, `val` is the test split, and a part of `train` the validation split.

    Args:
        path: the folder.
        size: width and height that images are brought to, in pixels; none for 64, or what a model's weights ask for.
        resize: `crop` scales the shorter side and cuts around the centre, `pad` puts black beside, `stretch` distorts;
            `share` and `filter` as in `CentreCrop`; none for `crop`, or what a model's weights ask for.
        channels: 1 for grey, 3 for colour, none to see by the images.
        mirror: whether an image keeps its class when mirrored, left to right; then training may do so.
        on_bad: whether an image that cannot be read stops the run or is left out.
        val_fraction: share of the validation split, where no folder is one.
        test_fraction: share of the test split, where no folder is one.
        seed: of the split.

    Raises:
        DataError: there are no images, or some cannot be read.
    """
    way = resize_from_config(resize)
    settings = FolderSettings(size or SIDE, way, channels, mirror, on_bad, val_fraction, test_fraction, seed)
    return _load_folder(Path(path), settings)


def resize_from_config(value: ResizeOption | None) -> Resize:
    """Returns the way to resize that `data.resize` asks for.

    Raises:
        ConfigError: there is no such way.
    """
    try:
        return read_resize(value or "crop")
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{spelled(value)} says no way to resize: {error}",
            where="data.resize",
            fix="give crop, pad, stretch, or {share: 0.875, filter: bicubic}",
            override="data.resize=crop",
        ) from None


def image_data(
    pixels: Pixels,
    labels: Indices,
    classes: Sequence[str],
    parts: Mapping[SplitName, Indices],
    ids: Sequence[str],
    *,
    target: str = "class",
    mirror: bool = True,
    resize: Resize = "crop",
    notes: Sequence[str] = (),
) -> Data:
    """Returns data of images of one size, with the statistics of the training split.

    Args:
        pixels: `(N, C, H, W)`.
        labels: class indices `(N,)`.
        classes: class names in the order of their indices.
        parts: positions of the images of each split.
        ids: the name of each image.
        target: the name of the target.
        mirror: whether an image keeps its class when mirrored, left to right.
        resize: how new images are resized.
        notes: what was inferred or left out.
    """
    train = parts["train"]
    encoder = ImageEncoder.fit(pixels[train], classes, resize=resize)
    facts = Facts(
        kind="image",
        task=TASKS["class"],
        input_shape=(encoder.channels, encoder.height, encoder.width),
        target=target,
        classes=encoder.classes,
        class_counts=tuple(np.bincount(labels[train], minlength=len(classes)).tolist()),
        preprocessing=encoder.to_json() | {"mirror": mirror},
    )
    splits = {
        name: Split((torch.from_numpy(pixels[at]),), torch.from_numpy(labels[at]), tuple(ids[row] for row in at))
        for name, at in parts.items()
    }
    return Data(facts, splits, encoder.prepare, mirror, tuple(notes))


@dataclass(frozen=True)
class _Images:
    """The images that could be read.

    Args:
        pixels: `(N, C, H, W)`.
        labels: class indices `(N,)`.
        classes: class names in the order of their indices.
        splits: `(N,)` the split of each image's folder.
        files: the paths.
        notes: what was left out.
    """

    pixels: Pixels
    labels: Indices
    classes: tuple[str, ...]
    splits: NDArray[np.str_]
    files: list[Path]
    notes: list[str]


def _load_folder(folder: Path, settings: FolderSettings, notes: Sequence[str] = ()) -> Data:
    folders = find_splits(folder, IMAGES)
    images = _decode(folder, folders, settings)
    return image_data(
        images.pixels,
        images.labels,
        images.classes,
        _split(folder, images, list(folders), settings),
        [spell_path(path.relative_to(folder)) for path in images.files],
        mirror=settings.mirror,
        resize=settings.resize,
        notes=[*notes, *images.notes],
    )


def _decode(folder: Path, folders: Mapping[SplitName, ClassFiles], settings: FolderSettings) -> _Images:
    """Returns every image, or with `on_bad=skip` all that can be read.

    Raises:
        DataError: an image cannot be read and must not be skipped, or the images do not fit into memory.
    """
    files = [path for part in folders.values() for path in part.files]
    _refuse_too_many(len(files), settings.size)
    images, bad = decode_all(files, settings.size, settings.channels, settings.resize)
    if settings.on_bad == "error":
        refuse_bad(bad, len(files), folder, IMAGES.noun)
    ignored = sum(part.ignored for part in folders.values())
    notes = [f"left out {len(bad)} images that cannot be read, such as {spell_path(bad[0][0].name)}"] if bad else []
    notes += [f"ignored {ignored} files that are not images"] if ignored else []
    readable = [index for index, image in enumerate(images) if image is not None]
    if not readable:
        raise DataError("no image can be read", where=str(folder), fix="replace them")
    classes = sorted(set(folders["train"].labels))
    return _Images(
        stack([image for image in images if image is not None]),
        index_classes(classes, [label for part in folders.values() for label in part.labels])[readable],
        tuple(map(spell_path, classes)),
        np.array([name for name, part in folders.items() for _ in part.files])[readable],
        [files[index] for index in readable],
        notes,
    )


def _split(
    folder: Path, images: _Images, folders: Sequence[SplitName], settings: FolderSettings
) -> dict[SplitName, Indices]:
    """Returns the positions of the images of each split, which has a folder of its own or is cut from train.

    Raises:
        DataError: no image of a class or of a split can be read.
    """
    parts = {name: np.flatnonzero(images.splits == name) for name in folders}
    train = parts["train"]
    counts = np.bincount(images.labels[train], minlength=len(images.classes))
    if not counts.all():
        name = images.classes[int(counts.argmin())]
        raise DataError(f"no image of the class {name} can be read", where=str(folder), fix="replace some")
    if empty := [name for name, part in parts.items() if len(part) == 0]:
        raise DataError(f"no image of the {empty[0]} split can be read", where=str(folder), fix="replace some")
    cut = split_indices(
        len(train),
        val_fraction=0.0 if "val" in folders else settings.val_fraction,
        test_fraction=0.0 if "test" in folders else settings.test_fraction,
        seed=settings.seed,
        strata=images.labels[train],
    )
    return parts | {name: train[at] for name, at in cut.items()}


def _refuse_too_many(count: int, size: int) -> None:
    needed = count * 3 * size * size
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    if needed > memory // 3:
        raise DataError(
            f"{count:,} images of {size}×{size} pixels need {needed >> 30} GiB, more than a third of the memory",
            where="data.size",
            fix="choose a smaller size",
            override=f"data.size={max(8, math.isqrt(memory // 3 // (count * 3)))}",
        )

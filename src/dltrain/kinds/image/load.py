"""Loads images: finds their targets, decodes them, resizes, splits and encodes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.archives import is_archive, unpack
from dltrain.data.class_folders import note_bad, refuse_bad
from dltrain.data.folder_layout import FoldersMean, NoClassFolders
from dltrain.data.folder_tree import spell_path
from dltrain.data.folds import Divided, FoldOption, Folds, FoldsOption, by_fold
from dltrain.data.samples.animals import draw_animals
from dltrain.data.splits import Fraction, Indices
from dltrain.errors import DataError, StorageError
from dltrain.kinds.image.arrays import from_arrays, holds_arrays
from dltrain.kinds.image.checks import ImageFiles
from dltrain.kinds.image.decoded import Chosen, DecodedImages, InMemory
from dltrain.kinds.image.depth import Pixels, Window, fit_window
from dltrain.kinds.image.digests import TRAINED, digests
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.file_names import NAMES, from_names, propose_names
from dltrain.kinds.image.files import IMAGES
from dltrain.kinds.image.label_rows import LabelColumns
from dltrain.kinds.image.labelled import Labelled, from_folders
from dltrain.kinds.image.labels_table import TABLES, from_table, note_unused_tables, propose_labels
from dltrain.kinds.image.pixels import Channels, Decoding, Resize, resize_array
from dltrain.kinds.image.placement import Storage, decode_images, refuse_too_large
from dltrain.kinds.image.settings import (
    OnBad,
    ResizeOption,
    Settings,
    Side,
    resize_from_config,
    size_from_config,
)
from dltrain.kinds.joined_columns import UsedColumns
from dltrain.kinds.labels import TASKS, TargetReader
from dltrain.kinds.shared_ids import SharedIds
from dltrain.kinds.table.rows import split_rows
from dltrain.kinds.target_scale import scale_of_targets
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName, Stored

FEWEST_OF_KNOWN = 0.1  # of the held-out images, which show somebody or something that training images show too
CIFAR = "cifar-10-batches-py"  # the folder of its archive


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
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads images of animals, one folder per class; draws eight kinds of animals if `data/animals` is missing.

    Args:
        path: the folder.
        size: width and height that images are brought to, in pixels; none for 64, or what a model's weights ask for.
        resize: `crop` scales the shorter side and cuts around the centre, `pad` puts black beside, `stretch` distorts;
            `share` and `filter` as in `CentreCrop`; none for `crop`, for `stretch` or `pad` where that would cut off
            more than half of most images, or for what a model's weights ask for.
        channels: 1 for grey, 3 for colour, none to see by the images.
        mirror: whether an image keeps its class when mirrored, left to right; then training may do so.
        on_bad: whether an image that cannot be read stops the run or is left out.
        val_fraction: share of the validation split, where no folder is one.
        test_fraction: share of the test split, where no folder is one.
        folds: the number of folds of all images that are not for testing, each with a model that has not learned from
            it; `auto` is 5 below 10,000 images; None for none.
        fold: the fold that alone is the validation split, counted from 0; None for an ensemble of all folds.
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
    settings = Settings(size, way, channels, mirror, on_bad, val_fraction, test_fraction, seed, folds=folds, fold=fold)
    return load_labelled(from_folders(folder, "auto", "auto"), settings, notes)


def images(
    *,
    path: str,
    labels: str | None = None,
    image: str | None = None,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    use: Sequence[str] = (),
    task: str = "auto",
    size: Side | Sequence[Side] | None = None,
    resize: ResizeOption | None = None,
    channels: Channels = None,
    window: Sequence[float] | None = None,
    mirror: bool = True,
    on_bad: OnBad = "error",
    folders: FoldersMean = "auto",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.15,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    storage: Storage = "auto",
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads any folder of images: a folder a class, in splits or not, a table that names images and their targets, or
    targets in the names of files.

    The folder is `class/*.jpg` or `train|val|test/class/*.jpg`, in the usual spellings of splits, or a zip file of it.
    With only `train` and `val`, `val` is the test split, and a part of `train` the validation split. Arrays with their
    labels are read, too: .npz as of MedMNIST and Keras, .npy, and idx files as of MNIST.

    Args:
        path: the folder, or the table itself if it lies in it.
        labels: a table with a row for each image, in the folder or elsewhere; `names` for the names of the files; None
            for classes by folder.
        image: the table's column of files, with or without folder and suffix; None to find it.
        target: the table's column to predict, or several: classes, numbers, labels, or strings; of names their `name`
            without suffix, `prefix` before the last number, `part1`, `part2` ...; None to find it.
        group: a column of the table, or a part of the names; images with equal values stay in one split.
        use: columns of the table that join the images in the model.
        task: `auto` decides by the target's values.
        size: width and height that images are brought to, in pixels, or [width, height]; none for 64, or what a model's
            weights ask for; of strings the images' own, up to 64 high.
        resize: `crop` scales the shorter side and cuts around the centre, `pad` puts black beside, `stretch` distorts;
            `share` and `filter` as in `CentreCrop`; none for `crop`, for `stretch` or `pad` where that would cut off
            more than half of most images, or for what a model's weights ask for; of strings `stretch`.
        channels: 1 for grey, 3 for colour, none to see by the images.
        window: the values that become black and white, [low, high]; None for 0 and 255, or, if the images have more
            than 8 bits, a range that is fitted to the training images.
        mirror: whether an image keeps its target when mirrored, left to right; then training may do so.
        on_bad: whether an image that cannot be read, or a row without an image, stops the run or is left out.
        folders: whether the outermost folders are `classes` or `splits`; `auto` decides by their names and contents.
        val_fraction: share of the validation split, where no folder is one.
        test_fraction: share of the test split, where no folder is one.
        folds: the number of folds of all images that are not for testing, each with a model that has not learned from
            it; `auto` is 5 below 10,000 images; None for none.
        fold: the fold that alone is the validation split, counted from 0; None for an ensemble of all folds.
        storage: where decoded images are: in `memory`, in a `cache` on the disk that runs share, or nowhere, so that
            they are decoded in every epoch (`stream`); `auto` decides by their size and the free memory.
        seed: of the split.

    Raises:
        DataError: there are no images, or some cannot be read, or the table does not name them.
    """
    way = resize_from_config(resize)
    side = size_from_config(size)
    settings = Settings(
        side, way, channels, mirror, on_bad, val_fraction, test_fraction, seed, window, group, folds, fold, storage
    )
    place = Path(path).expanduser()
    if place.is_file() and holds_arrays(place):
        return _load_arrays(place, labels, task, settings)
    if labels is None and place.is_file() and place.suffix.lower() in TABLES:
        place, labels = place.parent, place.name
    folder, notes = _unpacked(place)
    if labels is not None:
        columns = LabelColumns(image, target, group, [use] if isinstance(use, str) else list(map(str, use)))
        if labels == NAMES and not any((place / NAMES).is_file() for place in (Path(), folder)):
            return load_labelled(from_names(folder, columns, task), settings, notes)
        return load_labelled(from_table(folder, labels, columns, task, skip=on_bad == "skip"), settings, notes)
    for key, value in (("image", image), ("target", target), ("group", group), ("use", list(use))):
        if value:
            raise DataError(
                f"data.{key} is a column of a table, and there is none",
                where=f"data.{key}",
                fix="give the table, data.labels=FILE, or leave it out",
                override=f"data.{key}={'[]' if key == 'use' else 'null'}",
            )
    try:
        labelled = from_folders(folder, folders, task)
    except NoClassFolders as error:
        if holds_arrays(folder):
            return _load_arrays(folder, None, task, settings)
        _refuse_pickles(folder)
        proposed = propose_labels(folder, error)
        raise (propose_names(folder, error) if proposed is error else proposed) from None
    labelled = replace(labelled, notes=[*labelled.notes, *note_unused_tables(labelled)])
    return load_labelled(labelled, settings, notes)


def _refuse_pickles(folder: Path) -> None:
    """Refuses the batches of CIFAR-10 as Python has them.

    Raises:
        DataError: they are in the folder or below it.
    """
    for place in (folder, folder / CIFAR):
        if (place / "data_batch_1").is_file():
            root = spell_path(place.absolute().parent)
            raise DataError(
                "data_batch_1 is a pickle, which could run code when it is read",
                where=spell_path(place),
                fix=f"read the whole set of {CIFAR} through torchvision, which knows its digests: data=cifar10 "
                f"data.root={root}",
            )


def _unpacked(path: Path) -> tuple[Path, list[str]]:
    """Returns the folder of images, a zip file's content if it is one, and a note on that."""
    if is_archive(path):
        return unpack(path), [f"unpacked {path.name} into a temporary folder"]
    return path, []


def image_data(
    pixels: Pixels,
    labels: Indices,
    classes: Sequence[str],
    parts: Mapping[SplitName, Indices] | Divided,
    ids: Sequence[str],
    *,
    target: str = "class",
    mirror: bool = True,
    resize: Resize = "crop",
    notes: Sequence[str] = (),
) -> Data:
    """Returns data of images of one size and their classes, with the statistics of the training split.

    Args:
        pixels: `(N, C, H, W)`.
        labels: class indices `(N,)`.
        classes: class names in the order of their indices.
        parts: the images of each split.
        ids: the name of each image.
        target: the name of the target.
        mirror: whether an image keeps its class when mirrored, left to right.
        resize: how new images are resized.
        notes: what was inferred or left out.
    """
    reader = TargetReader(target, TASKS["class"], classes=tuple(classes))
    divided = parts if isinstance(parts, Divided) else Divided(dict(parts))
    of_splits: dict[SplitName, Stored] = {name: torch.from_numpy(pixels[at]) for name, at in divided.parts.items()}
    data = encoded_data(of_splits, labels, reader, divided, ids, mirror=mirror, resize=resize)
    return replace(data, notes=tuple(notes))


def encoded_data(
    pixels: Mapping[SplitName, Stored],
    y: NDArray[Any],
    reader: TargetReader,
    divided: Divided,
    ids: Sequence[str],
    *,
    mirror: bool,
    resize: Resize,
    window: Window | None = None,
    used: UsedColumns | None = None,
    file_column: str | None = None,
    name_part: str | None = None,
    seed: int = 0,
) -> Data:
    """Returns data of images of one size, with the statistics of the training split.

    Args:
        pixels: the images of each split, `(N, C, H, W)`.
        y: the targets, as in `Split`.
        reader: reads the targets of new images.
        divided: the images of each split.
        ids: the name of each image.
        mirror: whether an image keeps its target when mirrored, left to right.
        resize: how new images are resized.
        window: the range of values that became the pixels, if the images have more than 8 bits.
        used: columns that join the images.
        file_column: the column of a table that named the images.
        name_part: the part of the names of files that is the target.
        seed: of the folds for the means of their levels.
    """
    parts = divided.parts
    train = parts["train"]
    encoder, trained = _fit_and_digest(pixels["train"], reader, resize, window)
    encoder = replace(encoder, file_column=file_column, name_part=name_part)
    columns: dict[SplitName, NDArray[np.float32]] = {}
    if used is not None:
        of_columns, columns = used.encode(reader, y, parts, seed)
        encoder = replace(encoder, columns=of_columns)
    count = len(reader.classes)
    counts = tuple(np.bincount(y[train].ravel(), minlength=count).tolist()) if count else ()
    numbers = reader.form == "number"
    mirror = mirror and reader.form != "string"  # mirrored, it is read from its end
    mean, std = scale_of_targets(y[train], reader.outputs) if numbers else (0.0, 1.0)
    facts = Facts(
        kind="image",
        task=reader.task,
        input_shape=(encoder.channels, encoder.height, encoder.width),
        target=reader.name,
        outputs=reader.outputs,
        classes=reader.classes,
        class_counts=counts,
        target_mean=mean,
        target_std=std,
        folds=divided.models,
        samples=len(train),
        preprocessing=encoder.to_json() | {"mirror": mirror},
    )
    splits = {
        name: Split(
            (pixels[name], *([torch.from_numpy(columns[name])] if columns else [])),
            torch.from_numpy(y[at]),
            tuple(ids[row] for row in at),
            fold=divided.of_split(name),
        )
        for name, at in parts.items()
    }
    return Data(facts, splits, encoder.prepare, mirror, kept={TRAINED: trained})


def _fit_and_digest(
    pixels: Stored, reader: TargetReader, resize: Resize, window: Window | None
) -> tuple[ImageEncoder, Tensor]:
    """Returns the encoder that is fitted to training images, and their digests."""
    fit = partial(ImageEncoder.fit, pixels, reader, resize=resize, window=window)
    if not isinstance(pixels, Tensor):
        return fit(), digests(pixels)
    with ThreadPoolExecutor(1) as pool:  # counting levels and hashing hardly need Python
        digesting = pool.submit(digests, pixels)
        return fit(), digesting.result()


def load_labelled(labelled: Labelled, settings: Settings, notes: Sequence[str] = ()) -> Data:
    """Decodes, splits and encodes images.

    Raises:
        DataError: an image cannot be read and must not be skipped, or the images do not fit into memory.
    """
    files, skip = labelled.files, settings.on_bad == "skip"
    size, resize, whole = settings.shaped(labelled)
    placed = decode_images(files, Decoding(size, settings.channels, resize), settings.storage, keep_bad=skip)
    bad = placed.bad
    if not skip:
        refuse_bad(bad, len(files), labelled.folder, IMAGES)
    skipped = [note_bad(bad, labelled.folder, IMAGES)] if bad else []
    if placed.images is None:
        raise DataError("no image can be read", where=str(labelled.folder), fix="replace them")
    labelled = labelled.take(placed.readable)
    every_note = [*notes, *labelled.every_note, *whole, *skipped, placed.note]
    return _by_fold(labelled, placed.images, settings, resize, every_note)


def _load_arrays(path: Path, labels: str | None, task: str, settings: Settings) -> Data:
    """Resizes, splits and encodes images in arrays.

    Raises:
        DataError: the arrays do not belong together, or do not fit into memory.
    """
    labelled, arrays = from_arrays(path, labels, task)
    size, resize, shape_notes = settings.shaped(labelled, [(image.shape[0], image.shape[1]) for image in arrays])
    refuse_too_large(len(arrays), size)
    notes = [*labelled.notes, *shape_notes]
    height, width = arrays[0].shape[:2]
    if isinstance(size, int) and max(height, width) < size:
        notes.append(f"enlarged to {size} pixels; data.size={max(height, width)} trains faster")
    images = InMemory.gather((resize_array(image, size, settings.channels, resize) for image in arrays), len(arrays))
    assert images is not None
    return _by_fold(labelled, images, settings, resize, notes)


def _by_fold(
    labelled: Labelled, images: DecodedImages, settings: Settings, resize: Resize, notes: Sequence[str]
) -> Data:
    """Splits and encodes images of one size, for one fold of several and for any other that is wanted later."""
    return by_fold(lambda fold: _finish(labelled, images, replace(settings, fold=fold), resize, notes), settings.fold)


def _finish(
    labelled: Labelled, images: DecodedImages, settings: Settings, resize: Resize, notes: Sequence[str]
) -> Data:
    """Splits and encodes images of one size."""
    divided = _split(labelled, settings)
    parts = divided.parts
    train = parts["train"]
    deep = Chosen(images, train[images.deep[train]])
    window, window_notes = fit_window(deep, len(train) - len(deep), settings.window)
    data = encoded_data(
        images.divide(parts, window, again=settings.fold is not None),
        labelled.y,
        labelled.reader,
        divided,
        labelled.names,
        mirror=settings.mirror,
        resize=resize,
        window=window,
        used=labelled.used,
        file_column=labelled.file_column,
        name_part=labelled.name_part,
        seed=settings.seed,
    )
    mirrored = settings.mirror and labelled.reader.form == "number"
    mirror_notes = ["training may mirror images; data.mirror=false if that changes the numbers"] if mirrored else []
    files = {name: [labelled.files[row] for row in at] for name, at in parts.items()} if labelled.files else {}
    at_random = {name: at for name, at in parts.items() if name not in labelled.given}
    ids = SharedIds(labelled.ids, at_random, FEWEST_OF_KNOWN) if settings.group is None else None
    raw = ImageFiles(files, ids) if files else None
    return replace(data, notes=(*notes, *window_notes, *divided.notes, *mirror_notes), raw=raw)


def _split(labelled: Labelled, settings: Settings) -> Divided:
    """Returns the positions of the images of each split, which has files of its own or is cut from train.

    Raises:
        DataError: no image of a class or of a split can be read.
    """
    where = str(labelled.folder)
    wanted: tuple[SplitName, ...] = ("train", *labelled.given)
    for name in wanted:
        if not (labelled.splits == SPLITS.index(name)).any():
            raise DataError(f"no image of the {name} split can be read", where=where, fix="replace some")
    if labelled.reader.classes:
        counts = np.bincount(labelled.y[labelled.splits == 0].ravel(), minlength=len(labelled.reader.classes))
        if not counts.all():
            rarest = labelled.reader.classes[int(counts.argmin())]
            whose = "with the character" if labelled.reader.form == "string" else "of the class"
            raise DataError(f"no image {whose} {rarest} can be read", where=where, fix="replace some")
    folds = Folds.read(
        settings.folds,
        settings.fold,
        len(labelled.names),
        given=labelled.given,
        where="a validation split of its own",
    )
    return split_rows(
        labelled.rows(),
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
        stratify=labelled.reader.form == "class",
        group=settings.group,
        time=None,
        given=labelled.given,
        folds=folds,
        classes=labelled.reader.classes,
    )

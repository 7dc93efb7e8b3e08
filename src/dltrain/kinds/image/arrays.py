"""Images in arrays: npz files as MedMNIST's and Keras's, npy files, and idx files as MNIST's, each with its labels."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import name_list
from dltrain.data.folder_tree import spell_path
from dltrain.data.split_names import split_of
from dltrain.errors import DataError
from dltrain.kinds.image.depth import Decoded
from dltrain.kinds.image.labelled import Labelled
from dltrain.kinds.labels import TASKS, TargetReader
from dltrain.kinds.target import infer_task
from dltrain.types import SPLITS, SplitName

Array = NDArray[Any]

IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
IDX_NAME = re.compile(r"idx\d", re.IGNORECASE)
SUFFIXES = (".npz", ".npy")
DEEPEST = 3  # folders in which files are looked for
TRIED = 3  # folders, and files in each, whose arrays are looked at
MOST_CLASSES = 1000


class Part(NamedTuple):
    """The images and labels of a split."""

    images: Array
    labels: Array


def holds_arrays(path: Path) -> bool:
    """Tells whether a path is a file of arrays, or a folder with such files and without others of their kind."""
    return bool(_files_of(path))


def from_arrays(path: Path, labels: str | None, task: str) -> tuple[Labelled, list[Decoded]]:
    """Returns the images of a file of arrays, or of a folder of such files, with their targets.

    Args:
        path: the file or folder.
        labels: the file of the labels; None if they lie beside the images.
        task: the task; `auto` decides by the labels.

    Raises:
        DataError: a file is damaged, or it is not certain which arrays belong together.
    """
    files = _files_of(path)
    _refuse_single_images(path, files)
    if labels is not None:
        beside = path.parent / labels
        files = [*files, Path(labels).expanduser() if Path(labels).expanduser().exists() else beside]
    arrays = {name: array for file in files for name, array in _read(file).items()}
    parts = _pair(arrays, path)
    given = tuple(name for name in SPLITS if name in parts and name != "train")
    if given == ("val",):
        parts, given = {"train": parts["train"], "test": parts["val"]}, ("test",)
    reader, y, reason = _targets([part.labels for part in parts.values()], task)
    images = [image for part in parts.values() for image in as_images(part.images, path)]
    height, width = images[0].shape[:2]
    sizes = ", ".join(f"{name} {len(part.images):,}" for name, part in parts.items())
    labelled = Labelled(
        path if path.is_dir() else path.parent,
        [],
        [f"{name}/{row}" for name, part in parts.items() for row in range(len(part.images))],
        reader,
        y,
        np.array([SPLITS.index(name) for name, part in parts.items() for _ in range(len(part.images))]),
        given,
        notes=[f"{width}×{height} pixels in arrays: {sizes}", f"{reader.task}, because {reason}"],
    )
    return labelled, images


def new_images(path: Path) -> tuple[Array, str] | None:
    """Returns the images of a file of arrays, `(N, H, W, C)`, and a note if there are others; `None` for other files.

    They are the only ones, or those of the test split.

    Raises:
        DataError: it is damaged, or it is not certain which images are meant.
    """
    if not path.is_file() or not _may_hold_arrays(path):
        return None
    images = {name: array for name, array in _read(path).items() if array.ndim >= 3}
    of_test = {name: array for name, array in images.items() if _split_of(name) == "test"}
    chosen = of_test if len(images) > 1 else images
    if len(chosen) != 1:
        raise DataError(
            f"{path} holds {len(images)} arrays of images: {name_list(images, 10)}", fix="save the new ones alone"
        )
    ((name, array),) = chosen.items()
    others = name_list(other for other in images if other != name)
    return np.stack(as_images(array, path)), f"of {path}, {name} is read, and not {others}" if others else ""


def _files_of(path: Path) -> list[Path]:
    """Returns the file, or the files in a folder or a little deeper, if they hold arrays."""
    if path.is_file():
        return [path] if _may_hold_arrays(path) else []
    patterns = ["/".join(["*"] * depth) for depth in range(1, DEEPEST + 1)]
    for pattern in patterns:
        files = sorted(file for file in path.glob(pattern) if file.is_file() and _may_hold_arrays(file))
        if files:
            unpacked = {file.name for file in files}
            return [file for file in files if file.suffix != ".gz" or file.stem not in unpacked]
    return []


def _refuse_single_images(path: Path, files: Sequence[Path]) -> None:
    """Refuses folders whose files hold an image each.

    Raises:
        DataError: there are several such folders.
    """
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    tried = list(folders.values())[:TRIED]
    if len(tried) < 2 or not all(_hold_an_image_each(inside[:TRIED]) for inside in tried):
        return
    names = name_list((spell_path(folder.name) for folder in folders), 5)
    suffix = files[0].suffix.lower()
    raise DataError(
        f"the folders {names} hold {len(files):,} {suffix} files with an image each, which dltrain does not read",
        where="data.path",
        fix="save the images as .png or .tif files in these folders, or all of them in one file, "
        "np.savez('images.npz', images=..., labels=...), and give data.path=images.npz",
    )


def _hold_an_image_each(files: Sequence[Path]) -> bool:
    """Tells whether each of some files holds a single array, of the shape of one image."""
    arrays = [list(_read(file).values()) for file in files]
    shapes = [held[0].shape for held in arrays if len(held) == 1]
    colours = (1, 3, 4)
    single = [len(shape) == 2 or (len(shape) == 3 and {shape[0], shape[2]} & set(colours)) for shape in shapes]
    return len(shapes) == len(files) > 1 and all(single) and len({len(shape) for shape in shapes}) == 1


def _may_hold_arrays(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or bool(IDX_NAME.search(path.name))


def _read(path: Path) -> dict[str, Array]:
    """Returns the arrays of a file by their names.

    Raises:
        DataError: it is damaged, or would run code.
    """
    try:
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as packed:
                return {name: packed[name] for name in packed.files}
        if path.suffix.lower() == ".npy":
            return {path.stem: np.load(path, allow_pickle=False)}
        return {path.name: _read_idx(path)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}", where="data.path", fix="save its arrays again") from None


def _read_idx(path: Path) -> Array:
    """Returns the array of an idx file, compressed or not."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise ValueError("it does not begin as an idx file does")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4).tolist()
    return np.frombuffer(content, IDX_TYPES[content[2]], int(np.prod(shape)), 4 + 4 * axes).reshape(shape)


def _pair(arrays: Mapping[str, Array], path: Path) -> dict[SplitName, Part]:
    """Returns images and labels of each split, by the arrays' names and shapes.

    Raises:
        DataError: a split has several images or labels, or none.
    """
    images: dict[SplitName, list[str]] = {}
    labels: dict[SplitName, list[str]] = {}
    for name, array in arrays.items():
        side = images if array.ndim >= 3 else labels
        if array.ndim:
            side.setdefault(_split_of(name), []).append(name)
    parts: dict[SplitName, Part] = {}
    for split in SPLITS:
        if split not in images:
            continue
        of_images = images[split]
        fitting = [name for name in labels.get(split, []) if len(arrays[name]) == len(arrays[of_images[0]])]
        if len(of_images) > 1 or len(fitting) != 1:
            spelled = name_list((f"{name} {'×'.join(map(str, array.shape))}" for name, array in arrays.items()), 10)
            raise DataError(
                f"{path} holds {spelled}: which are the images and labels of the {split} split?",
                where="data.path",
                fix="give one array of images and one of labels for each split, such as train_images and train_labels",
            )
        parts[split] = Part(arrays[of_images[0]], arrays[fitting[0]])
    if "train" not in parts:
        raise DataError(
            f"{path} holds no images for training: {name_list(arrays, 10)}",
            where="data.path",
            fix="name their arrays train_images and train_labels",
        )
    return parts


def _split_of(name: str) -> SplitName:
    """Returns the split that an array's name says; t10k is MNIST's test split."""
    named = split_of(name)
    if name.lower().startswith("t10k"):
        return "test"
    return "train" if named is None or named.use == "unlabelled" else named.use


def _targets(labels: Sequence[Array], task: str) -> tuple[TargetReader, Array, str]:
    """Returns the reader of the labels of all splits, the targets as in `Split`, and the reason for the task."""
    whole = np.concatenate([part.reshape(len(part), -1) for part in labels])
    values, how, single = whole[:, 0], "the labels are", whole.shape[1] == 1
    if not single and set(np.unique(whole).tolist()) == {0, 1} and (whole.sum(axis=1) == 1).all():
        values, how, single = whole.argmax(axis=1), "each image has one of the labels", True
    if single and task in ("auto", TASKS["class"]):
        classes, y = np.unique(values, return_inverse=True)
        kind = classes.dtype.kind
        without_gaps = kind in "iub" and np.array_equal(classes, np.arange(len(classes)) + classes[0])
        if (without_gaps or kind in "US" or task != "auto") and 1 < len(classes) <= MOST_CLASSES:
            names = [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in classes]
            reader = TargetReader("label", TASKS["class"], classes=tuple(names))
            return reader, y.astype(np.int64), f"{how} {name_list(names, 10)}"
    names = ["label"] if whole.shape[1] == 1 else [f"label_{column}" for column in range(whole.shape[1])]
    frame = pd.DataFrame(whole, columns=names)
    goal = infer_task(frame.map(lambda value: str(int(value)) if value == int(value) else str(value)), task)
    return goal.reader, goal.y, goal.reason


def as_images(images: Array, path: Path | None = None) -> list[Decoded]:
    """Returns each image as `(H, W, C)`, uint8 or float32, of `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`.

    Raises:
        DataError: the array has another shape.
    """
    if images.ndim == 3:
        images = images[..., None]
    elif images.ndim == 4 and images.shape[3] not in (1, 3, 4) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4) or images.dtype.kind not in "uifb":
        raise DataError(
            f"{path or 'it'} holds {'×'.join(map(str, images.shape))} values of type {images.dtype}: no images",
            where="data.path" if path else "",
            fix="give (N, H, W), (N, H, W, 3) or (N, 3, H, W) of numbers",
        )
    if images.dtype == bool:
        images = images.astype(np.uint8) * 255
    return list(images[..., :3] if images.dtype == np.uint8 else images[..., :3].astype(np.float32))

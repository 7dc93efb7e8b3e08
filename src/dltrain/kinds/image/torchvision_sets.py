"""Well-known image data sets of torchvision, read from a folder or downloaded there."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets

from dltrain.data.folds import FoldOption, Folds, FoldsOption, by_fold, split_samples
from dltrain.data.splits import Fraction, split_indices
from dltrain.errors import DataError
from dltrain.kinds.image.depth import Pixels
from dltrain.kinds.image.load import image_data
from dltrain.types import Data, Range

log = logging.getLogger("dltrain")

SECONDS_WITHOUT_AN_ANSWER = 15.0

SOURCES: dict[str, Callable[..., Any]] = {
    "mnist": datasets.MNIST,
    "fashion_mnist": datasets.FashionMNIST,
    "cifar10": datasets.CIFAR10,
}
FOLDERS = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw", "cifar10": "cifar-10-batches-py"}
FILES = {
    "mnist": "{train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, unpacked or as .gz",
    "fashion_mnist": "{train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, unpacked or as .gz",
    "cifar10": "data_batch_1 to 5, test_batch and batches.meta, as cifar-10-python.tar.gz contains them",
}


def torchvision_images(
    *,
    name: Literal["mnist", "fashion_mnist", "cifar10"],
    root: str = "data",
    rows: Annotated[int, Range(100)] | None = None,
    mirror: bool = False,
    val_fraction: Fraction = 0.1,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Returns one of torchvision's sets of small images, with its own test split.

    Args:
        name: the name of the set.
        root: torchvision's folder; missing files are downloaded.
        rows: the number of images of its training split, for a quick try; None for all.
        mirror: whether training may show images mirrored, left to right.
        val_fraction: fraction of its training split that is the validation split.
        folds: the number of folds of its training split; None for none.
        fold: the fold that alone is the validation split, counted from 0; None for a model of each fold.
        seed: of the choice of rows and of the validation split.

    Raises:
        DataError: the set is not in the folder and cannot be downloaded.
    """
    (pixels, labels, classes), (test_pixels, test_labels, _) = _fetch(name, Path(root))
    chosen = np.arange(len(labels))
    notes = []
    if rows is not None and rows < len(labels):
        share = 1 - rows / len(labels)
        chosen = split_indices(len(labels), val_fraction=0.0, test_fraction=share, seed=seed, strata=labels)["train"]
        notes = [f"took {len(chosen):,} of {len(labels):,} training images: data.rows={rows}"]
    every = np.concatenate([pixels[chosen], test_pixels])
    targets = np.concatenate([labels[chosen], test_labels])
    ids = [*(f"train/{row}" for row in chosen), *(f"test/{row}" for row in range(len(test_labels)))]

    def divide(fold: int | None) -> Data:
        divided = split_samples(
            len(chosen),
            Folds.read(folds, fold, len(chosen)),
            val_fraction=val_fraction,
            test_fraction=0.0,
            seed=seed,
            strata=labels[chosen],
            classes=classes,
        )
        divided.parts["test"] = np.arange(len(test_labels)) + len(chosen)
        return image_data(every, targets, classes, divided, ids, mirror=mirror, notes=[*notes, *divided.notes])

    return by_fold(divide, fold)


Part = tuple[Pixels, NDArray[np.int64], tuple[str, ...]]


def _fetch(name: str, root: Path) -> tuple[Part, Part]:
    """Returns training and test split, downloaded if they are missing.

    Raises:
        DataError: they cannot be downloaded, or a file is damaged; incomplete downloads are removed.
    """
    with contextlib.suppress(Exception):  # missing or incomplete, which torchvision reports in many ways
        return _read(name, root, train=True), _read(name, root, train=False)
    folder = root / FOLDERS[name]
    damaged = folder.exists() and any(folder.iterdir())
    before = {root, *root.rglob("*")} if root.exists() else set()
    # torchvision prints progress, has no timeout, and leaves half a file if the network fails.
    log.info("load    %s into %s", name, root)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_WITHOUT_AN_ANSWER)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            SOURCES[name](str(root), train=True, download=True)
        return _read(name, root, train=True), _read(name, root, train=False)
    except BaseException as error:
        _remove_new(root, before)
        if not isinstance(error, Exception):
            raise
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise DataError(
            f"{name} is {'incomplete' if damaged else 'not'} in {folder}, and cannot be downloaded ({reason[0]})",
            where="data.root",
            fix=f"put its files there ({FILES[name]}), or give another root",
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _read(name: str, root: Path, *, train: bool) -> Part:
    """Returns a split as `(N, C, H, W)`, `(N,)` and the names of the classes."""
    source = SOURCES[name](str(root), train=train, download=False)
    pixels = np.asarray(source.data)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    classes = tuple(str(label).split(" - ")[0] for label in source.classes)
    return np.ascontiguousarray(pixels), np.asarray(source.targets, dtype=np.int64), classes


def _remove_new(root: Path, before: set[Path]) -> None:
    """Deletes everything in the folder that is not in `before`."""
    if root not in before:
        shutil.rmtree(root, ignore_errors=True)
        return
    for path in sorted(root.rglob("*"), reverse=True):
        if path not in before:
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()

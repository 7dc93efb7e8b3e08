"""The encoder of images: brings files and arrays to the size, channels and scale of the training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dltrain.errors import DataError
from dltrain.kinds.image.files import SUFFIXES
from dltrain.kinds.image.pixels import (
    Channels,
    Normalize,
    Pixels,
    Resize,
    as_pixels,
    channel_statistics,
    decode_all,
    stack,
)
from dltrain.kinds.labels import index_classes, labels_of_files
from dltrain.types import Encoded, Facts

if TYPE_CHECKING:
    from dltrain.types import Raw

NAMED_BAD = 10


@dataclass(frozen=True)
class ImageEncoder:
    """Brings image files or arrays of pixels to the size and channels of the training images.

    Args:
        height: the height of an encoded image, in pixels.
        width: the width of an encoded image, in pixels.
        channels: 1 for grey, 3 for colour.
        resize: how images are resized.
        prepare: standardises encoded images with the training images' statistics.
        classes: class names in the order of their indices.
    """

    height: int
    width: int
    channels: int
    resize: Resize
    prepare: Normalize
    classes: tuple[str, ...]
    suffixes: frozenset[str] = SUFFIXES
    takes_rows: bool = False
    apart: bool = True

    @classmethod
    def fit(cls, pixels: Pixels, classes: Sequence[str], *, resize: Resize = "crop") -> ImageEncoder:
        """Returns an encoder fitted to the training images.

        Args:
            pixels: `(N, C, H, W)`, resized already.
            classes: class names in the order of their indices.
            resize: how they were resized.
        """
        channels, height, width = pixels.shape[1:]
        return cls(height, width, channels, resize, Normalize(*channel_statistics(pixels)), tuple(classes))

    @classmethod
    def of(cls, facts: Facts) -> ImageEncoder:
        """Returns the encoder that the facts describe.

        Raises:
            DataError: the facts do not say how images were prepared.
        """
        stored: Any = facts.preprocessing
        try:
            height, width = map(int, stored["size"])
            normalize = Normalize(tuple(map(float, stored["mean"])), tuple(map(float, stored["std"])))
            return cls(height, width, int(stored["channels"]), stored.get("resize", "crop"), normalize, facts.classes)
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how images were prepared", fix="train again") from None

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads: lists, strings and numbers only."""
        return {
            "mean": list(self.prepare.mean),
            "std": list(self.prepare.std),
            "size": [self.height, self.width],
            "channels": self.channels,
            "resize": self.resize,
        }

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes files, or an array `(N, H, W)` or `(N, H, W, C)` of uint8.

        Raises:
            DataError: the input is not images, or some cannot be decoded.
        """
        if isinstance(raw, np.ndarray):
            return self._encode_array(raw)
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise DataError(
                f"the model was trained on images, and this is a {type(raw).__name__}",
                fix="give paths of image files, or an array (N, H, W, C) of uint8",
            )
        files = [Path(path) for path in raw]
        absent = next((path for path in files if not path.is_file()), None)
        if absent is not None:
            raise DataError(f"there is no image {absent}", fix="give the paths of image files")
        images, bad = decode_all(files, (self.height, self.width), cast(Channels, self.channels), self.resize)
        if bad:
            named = "; ".join(f"{path} ({reason})" for path, reason in bad[:NAMED_BAD])
            raise DataError(
                f"{len(bad)} of {len(files)} images cannot be read: {named}" + ("; ..." if bad[NAMED_BAD:] else ""),
                fix="replace or remove them",
            )
        pixels = stack([image for image in images if image is not None])
        return Encoded((torch.from_numpy(pixels),), tuple(map(str, raw)), ((),) * len(files))

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the class of each file `(N,)`, from the name of its folder.

        Raises:
            DataError: the input is not files, or a folder does not have the name of a class.
        """
        if isinstance(raw, np.ndarray | pd.DataFrame):
            raise DataError("an array has no labels", fix="give files, in a folder for each class")
        return torch.from_numpy(index_classes(self.classes, labels_of_files(self.classes, raw)))

    def _encode_array(self, arrays: NDArray[np.uint8]) -> Encoded:
        if arrays.dtype != np.uint8 or arrays.ndim not in (3, 4) or arrays.shape[3:] not in ((), (1,), (3,)):
            raise DataError(
                f"an array of shape {arrays.shape} and type {arrays.dtype} does not contain images",
                fix="give (N, H, W) or (N, H, W, 3) of uint8, from 0 to 255",
            )
        grey = arrays.ndim == 3 or arrays.shape[3] == 1
        images = [Image.fromarray(array[..., 0] if array.ndim == 3 and grey else array) for array in arrays]
        size, channels = (self.height, self.width), cast(Channels, self.channels)
        pixels = stack([as_pixels(image, size, channels, self.resize) for image in images])
        return Encoded((torch.from_numpy(pixels),), tuple(map(str, range(len(pixels)))), ((),) * len(pixels))

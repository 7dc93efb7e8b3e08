"""The encoder of images: brings files and arrays to the size, channels and scale of the training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import name_list
from dltrain.data.nouns import verb
from dltrain.data.sample_files import FolderFiles, TableFiles, names_of
from dltrain.errors import DataError
from dltrain.kinds.image.arrays import as_images, new_images
from dltrain.kinds.image.decoding import decode_all
from dltrain.kinds.image.depth import FULL, Decoded, Window, in_eight_bits, is_deep
from dltrain.kinds.image.file_names import labels_by_name
from dltrain.kinds.image.files import IMAGES, SUFFIXES, is_image
from dltrain.kinds.image.pixels import (
    Channels,
    Decoding,
    Normalize,
    Resize,
    channel_statistics,
    has_more_bits,
    read_resize,
    resize_array,
    stack,
)
from dltrain.kinds.joined_columns import STORED, encoder_of_columns
from dltrain.kinds.labels import TargetReader, target_of_files
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.types import Encoded, Facts, Remark, Stored

if TYPE_CHECKING:
    from dltrain.types import Raw


NAMED_BAD = 10  # files that a refusal names
ENCODED_BYTES = 2**26  # of files that are encoded together


@dataclass(frozen=True)
class ImageEncoder:
    """Brings image files or arrays of pixels to the size and channels of the training images.

    Args:
        height: the height of an encoded image, in pixels.
        width: the width of an encoded image, in pixels.
        channels: 1 for grey, 3 for colour.
        resize: how images are resized.
        prepare: standardises encoded images with the training images' statistics.
        reader: reads the targets of a table that names files.
        window: the range of values of images of more than 8 bits; `None` if the training images had 8.
        columns: encodes the columns of a table that join the images; `None` if none do.
        file_column: the column of a table that named the training images; `None` without a table.
        name_part: the part of the names of the training images that was their target; `None` for another one.
        scales_depth: whether deeper images are scaled by the range of 16 bits, as runs of older versions do.
    """

    height: int
    width: int
    channels: int
    resize: Resize
    prepare: Normalize
    reader: TargetReader
    window: Window | None = None
    columns: TableEncoder | None = None
    file_column: str | None = None
    name_part: str | None = None
    scales_depth: bool = False
    suffixes: frozenset[str] = SUFFIXES
    takes_rows: bool = False
    apart: bool = True

    @classmethod
    def fit(
        cls, pixels: Stored, reader: TargetReader, *, resize: Resize = "crop", window: Window | None = None
    ) -> ImageEncoder:
        """Returns an encoder fitted to the training images.

        Args:
            pixels: `(N, C, H, W)`, resized already.
            reader: reads the targets of new images.
            resize: how they were resized.
            window: the range of their values, if they have more than 8 bits.
        """
        channels, height, width = pixels.shape[1:]
        return cls(height, width, channels, resize, Normalize(*channel_statistics(pixels)), reader, window)

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
            resize = read_resize(stored.get("resize", "crop"))
            channels, window = int(stored["channels"]), Window.of(stored)
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how images were prepared", fix="train again") from None
        reader, old = TargetReader.of(facts), "window" not in stored
        columns = encoder_of_columns(facts)
        named, part = stored.get("file_column"), stored.get("name_part")
        return cls(height, width, channels, resize, normalize, reader, window, columns, named, part, scales_depth=old)

    @property
    def classes(self) -> tuple[str, ...]:
        """Returns the class names in the order of their indices."""
        return self.reader.classes

    @property
    def at_once(self) -> int:
        """Returns how many files are encoded together, about 64 MiB."""
        return max(1, ENCODED_BYTES // (self.channels * self.height * self.width))

    @property
    def other_columns(self) -> frozenset[str]:
        """Returns the columns of a table that cannot name its images: what is predicted, and what joins the images."""
        return frozenset([*self.reader.outputs, self.reader.name, *(self.columns.names if self.columns else ())])

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads: lists, strings and numbers only."""
        return {
            "mean": list(self.prepare.mean),
            "std": list(self.prepare.std),
            "size": [self.height, self.width],
            "channels": self.channels,
            "resize": self.resize if isinstance(self.resize, str) else asdict(self.resize),
            **({"window": None} if self.window is None else self.window.to_json()),
            **self.reader.forms_to_json(),
            **({} if self.columns is None else {STORED: self.columns.to_json()}),
            **({} if self.file_column is None else {"file_column": self.file_column}),
            **({} if self.name_part is None else {"name_part": self.name_part}),
        }

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes files, or an array `(N, H, W)` or `(N, H, W, C)` of uint8; a file that cannot be read has a remark.

        Raises:
            DataError: the input is not images, or none of some single files can be read.
        """
        if self.columns is not None:
            return self._encode_with_columns(raw, self.columns)
        return self._encode_images(raw)

    def _encode_with_columns(self, raw: Raw, columns: TableEncoder) -> Encoded:
        if not isinstance(raw, TableFiles):
            raise DataError(
                f"the model also takes {name_list(columns.names)} of each image",
                fix="give a table that names the images and has these columns",
            )
        images, others = self._encode_images(raw), columns.encode(raw.frame)
        remarks = tuple((*of_image, *of_row) for of_image, of_row in zip(images.remarks, others.remarks, strict=True))
        return replace(images, inputs=(*images.inputs, *others.inputs), remarks=remarks)

    def _encode_images(self, raw: Raw) -> Encoded:
        if isinstance(raw, np.ndarray):
            return self._encode_array(raw)
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise DataError(
                f"the model was trained on images, and this is a {type(raw).__name__}",
                fix="give paths of image files, or an array (N, H, W, C) of uint8",
            )
        files = [Path(path) for path in raw]
        decoding = Decoding(self._size, self._channels, self.resize, keep_depth=self.window is not None)
        images, bad = decode_all(files, decoding)
        reasons = dict(bad)
        for index, image in enumerate(images):
            if image is not None and (reason := self._depth_refused(image, files[index])):
                reasons[files[index]], images[index] = reason, None
        if len(reasons) == len(files) and not isinstance(raw, FolderFiles | TableFiles):
            named = "; ".join(f"{file} ({reasons[file]})" for file in files[:NAMED_BAD])
            raise DataError(
                f"{verb(len(files), 'the image', f'all {len(files):,} images')} cannot be read: {named}",
                fix="give other files",
            )
        blank = np.zeros((self.height, self.width, self.channels), dtype=np.uint8)
        pixels = stack([blank if image is None else in_eight_bits(image, self.window) for image in images])
        return Encoded(
            (torch.from_numpy(pixels),),
            names_of(raw),
            tuple(
                (Remark("the image cannot be read", reasons[file]),) if file in reasons else self._beyond(image)
                for file, image in zip(files, images, strict=True)
            ),
            tuple(index for index, file in enumerate(files) if file in reasons),
        )

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the targets of files: from the table that names them, their names, or those of their folders.

        Raises:
            DataError: the input is not files, or a folder does not have the name of a class.
        """
        if isinstance(raw, np.ndarray | pd.DataFrame):
            raise DataError("an array has no labels", fix="give files, in a folder for each class")
        if isinstance(raw, TableFiles) and set(raw.frame.columns) & {self.reader.name, *self.reader.outputs}:
            return self.reader.targets(raw.frame)
        if isinstance(raw, TableFiles) and (column := self._column_of_classes(raw)):
            return self.reader.targets(raw.frame.rename(columns={column: self.reader.name}))
        if self.name_part is not None:
            return self.reader.targets(labels_by_name(raw, self.name_part, self.reader.name))
        if isinstance(raw, TableFiles) and (self.file_column is not None or self.reader.form != "class"):
            return self.reader.targets(raw.frame)  # which refuses the table, since training had its targets from one
        if self.reader.form != "class":
            raise DataError(
                f"folders of images do not say {self.reader.name}",
                where="data.path",
                fix="give a table with these columns that names the images, as data.path or data.labels",
            )
        return target_of_files(self.classes, raw, IMAGES)

    def _column_of_classes(self, raw: TableFiles) -> str:
        """Returns the only column that holds classes alone, if training found them in folders; else nothing."""
        if self.reader.form != "class" or self.file_column is not None or self.name_part is not None:
            return ""
        cells = {name: set(raw.frame[name].dropna().astype(str)) for name in raw.frame.columns}
        held = [name for name in cells if cells[name] and cells[name] <= set(self.classes)]
        return str(held[0]) if len(held) == 1 else ""

    def recognises(self, path: Path) -> bool:
        """Tells whether a file is an image, by its content."""
        return is_image(path)

    @property
    def _size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def _channels(self) -> Channels:
        return cast(Channels, self.channels)

    def _beyond(self, image: Decoded | None) -> tuple[Remark, ...]:
        """Returns a remark on an image of which nothing is left in the range of values of the training images."""
        if image is None or self.window is None or not self.window.loses(image):
            return ()
        cell = f"from {image.min():g} to {image.max():g}"
        return (Remark(f"no value lies between {self.window.low:g} and {self.window.high:g}", cell),)

    def _depth_refused(self, image: Decoded, path: Path | None = None) -> str:
        """Returns why an image of another depth than the training images cannot be used; empty if it can."""
        if self.window is None:
            deep = path is not None and not self.scales_depth and has_more_bits(path)
            return "it has more than the 8 bits that the training images had" if deep else ""
        full = (self.window.low, self.window.high) == FULL
        return "" if full or self.window.applies_to(image) else "it has 8 bits, and the training images had more"

    def read_arrays(self, path: Path) -> tuple[NDArray[Any], str] | None:
        """Returns the images of a file of arrays `(N, H, W, C)`, and a note on others in it; `None` for other files."""
        return new_images(path)

    def _encode_array(self, arrays: NDArray[Any]) -> Encoded:
        images = as_images(arrays) if arrays.ndim in (3, 4) else []
        if not images or (self.window is None and is_deep(images[0])):
            raise DataError(
                f"an array of shape {arrays.shape} and type {arrays.dtype} does not contain images as in training",
                fix="give (N, H, W) or (N, H, W, 3) of uint8, from 0 to 255"
                if self.window is None
                else "give (N, H, W) or (N, H, W, 3) in the unit of the training images",
            )
        if reason := self._depth_refused(images[0]):
            raise DataError(f"the array cannot be used: {reason}", fix="give the values before they became 8 bits")
        resized = [resize_array(image, self._size, self._channels, self.resize) for image in images]
        pixels = stack([in_eight_bits(image, self.window) for image in resized])
        return Encoded(
            (torch.from_numpy(pixels),), tuple(map(str, range(len(pixels)))), tuple(map(self._beyond, resized))
        )

"""New pictures, as a model that was trained on others takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dltrain.errors import DataError
from dltrain.kinds.image.load import SUFFIXES
from dltrain.kinds.image.pixels import Channels, Normalize, Resize, as_pixels, decode_all, stacked
from dltrain.kinds.labels import target_of_files
from dltrain.types import Encoded, Facts

if TYPE_CHECKING:
    from dltrain.types import Raw

NAMED_BAD = 10


@dataclass(frozen=True)
class PictureEncoder:
    """Brings picture files, or arrays of pixels, to the size and channels of the training pictures."""

    facts: Facts
    size: int
    channels: Channels
    resize: Resize
    prepare: Normalize
    suffixes: frozenset[str] = SUFFIXES
    takes_rows: bool = False
    apart: bool = True

    @classmethod
    def of(cls, facts: Facts) -> PictureEncoder:
        """The encoder that the facts describe.

        Raises:
            DataError: they do not say how pictures were prepared.
        """
        said = facts.preprocessing
        try:
            size, channels = int(said["size"][0]), cast(Channels, int(said["channels"]))
            normalize = Normalize(tuple(map(float, said["mean"])), tuple(map(float, said["std"])))
        except (KeyError, TypeError, ValueError, IndexError):
            raise DataError("facts.json does not say how pictures were prepared", fix="train again") from None
        return cls(facts, size, channels, said.get("resize", "crop"), normalize)

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes files, or an array `(N, H, W)` or `(N, H, W, C)` of uint8.

        Raises:
            DataError: they are no pictures, or some cannot be decoded.
        """
        if isinstance(raw, np.ndarray):
            return self._encode_array(raw)
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise DataError(
                f"{type(raw).__name__} where pictures are due: the model was trained on pictures",
                fix="give paths of picture files, or an array (N, H, W, C) of uint8",
            )
        files = [Path(path) for path in raw]
        absent = next((path for path in files if not path.is_file()), None)
        if absent is not None:
            raise DataError(f"there is no picture {absent}", fix="give the paths of picture files")
        decoded, bad = decode_all(files, self.size, self.channels, self.resize)
        if bad:
            named = "; ".join(f"{path} ({reason})" for path, reason in bad[:NAMED_BAD])
            raise DataError(
                f"{len(bad)} of {len(files)} pictures cannot be read: {named}" + ("; ..." if bad[NAMED_BAD:] else ""),
                fix="mend or remove them",
            )
        pixels = stacked([picture for picture in decoded if picture is not None])
        return Encoded((torch.from_numpy(pixels),), tuple(map(str, raw)), ((),) * len(files))

    def targets(self, raw: Raw, /) -> Tensor:
        """The class of each file by its folder.

        Raises:
            DataError: these are no files, or a folder is not named as a class.
        """
        if isinstance(raw, np.ndarray | pd.DataFrame):
            raise DataError(
                "an array does not say what its pictures show", fix="give files, in a folder for each class"
            )
        return target_of_files(self.facts, [Path(path) for path in raw])

    def _encode_array(self, pictures: NDArray[np.uint8]) -> Encoded:
        if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or pictures.shape[3:] not in ((), (1,), (3,)):
            raise DataError(
                f"an array of shape {pictures.shape} and type {pictures.dtype} is no pictures",
                fix="give (N, H, W) or (N, H, W, 3) of uint8, from 0 to 255",
            )
        grey = pictures.ndim == 3 or pictures.shape[3] == 1
        images = [Image.fromarray(picture[..., 0] if picture.ndim == 3 and grey else picture) for picture in pictures]
        pixels = stacked([as_pixels(image, self.size, self.channels, self.resize) for image in images])
        return Encoded((torch.from_numpy(pixels),), tuple(map(str, range(len(pixels)))), ((),) * len(pixels))

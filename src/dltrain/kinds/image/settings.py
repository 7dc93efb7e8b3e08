"""How images are prepared and split, as a config says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dltrain.config.validation import spelled
from dltrain.errors import ConfigError
from dltrain.kinds.image.labelled import Labelled
from dltrain.kinds.image.pixels import Channels, Resize, Size, read_resize
from dltrain.kinds.image.placement import Storage
from dltrain.kinds.image.shapes import sizes_of, usual_way
from dltrain.kinds.image.whole import shape_of_strings
from dltrain.types import Range

SIDE = 64  # pixels, by default

Side = Annotated[int, Range(8, 65_535)]  # pixels; a JPEG file has no more
ResizeOption = Literal["crop", "pad", "stretch"] | Mapping[str, Any]
OnBad = Literal["error", "skip"]


@dataclass(frozen=True)
class Settings:
    """How images are prepared and split; see `images`.

    Args:
        size: after resizing; None for the usual one, of strings the one that shows whole images.
        resize: how images are resized; None for the way that suits their shapes, of strings `stretch`, which cuts
            nothing off.
        channels: 1 for grey, 3 for colour, None to decide by the images.
        mirror: whether an image keeps its target when mirrored.
        on_bad: what happens to images that cannot be read.
        val_fraction: fraction of the validation split, if it has no folder.
        test_fraction: fraction of the test split, if it has no folder.
        seed: of the split.
        window: the range of values of images of more than 8 bits; None to fit it.
        group: the column whose equal values stay in one split.
        folds: as in `Folds.read`.
        fold: as in `Folds.read`.
        storage: where decoded images are.
    """

    size: Size | None
    resize: Resize | None
    channels: Channels
    mirror: bool
    on_bad: OnBad
    val_fraction: float
    test_fraction: float
    seed: int
    window: Sequence[float] | None = None
    group: str | None = None
    folds: int | str | None = None
    fold: int | None = None
    storage: Storage = "auto"

    def shaped(self, labelled: Labelled, arrays: Sequence[tuple[int, int]] = ()) -> tuple[Size, Resize, Sequence[str]]:
        """Returns the size of images, how they are resized, and notes on that: strings are read in whole images.

        Args:
            labelled: the images.
            arrays: height and width of those that are in arrays.
        """
        if labelled.reader.form == "string":
            return shape_of_strings(labelled.files, self.size, self.resize)
        size = self.size or SIDE
        return size, *usual_way(arrays or sizes_of(labelled.files), size, self.resize)


def size_from_config(value: int | Sequence[int] | None) -> Size | None:
    """Returns the size that `data.size` asks for: one side, or height and width.

    Raises:
        ConfigError: it is a list of another length than two.
    """
    if value is None or isinstance(value, int):
        return value
    if len(value) != 2:
        raise ConfigError(
            f"data.size has {len(value)} numbers",
            where="data.size",
            fix="give one side, or [width,height]",
            override=f"data.size={value[0] if value else SIDE}",
        )
    width, height = value
    return height, width


def resize_from_config(value: ResizeOption | None) -> Resize | None:
    """Returns the way to resize that `data.resize` asks for; None for the usual one.

    Raises:
        ConfigError: there is no such way.
    """
    try:
        return None if value is None else read_resize(value)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{spelled(value)} says no way to resize: {error}",
            where="data.resize",
            fix="give crop, pad, stretch, or {share: 0.875, filter: bicubic}",
            override="data.resize=crop",
        ) from None

"""The size of images that must stay whole, because a string in them is read."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from dltrain.kinds.image.pixels import CentreCrop, Resize, Size

HIGHEST, WIDEST = 64, 256  # pixels, by default
LOOKED_AT = 200  # files whose size is looked at
ALIKE = 1.1  # ratio of two shapes, up to which cutting loses next to nothing


def shape_of_strings(
    files: Sequence[Path], size: Size | None, resize: Resize | None
) -> tuple[Size, Resize, Sequence[str]]:
    """Returns the size of images in which strings are read, how they are resized, and notes on that.

    Args:
        files: the images; none for images in arrays.
        size: that was asked for; `None` for the most frequent one of the images, up to 64 pixels high.
        resize: that was asked for; `None` for `stretch`, which cuts nothing off.
    """
    usual = usual_size(files)
    height, width = usual or (HIGHEST, HIGHEST)
    notes = []
    if size is None:
        scale = min(1.0, HIGHEST / height, WIDEST / width)
        size = max(8, round(height * scale)), max(8, round(width * scale))
        notes.append(f"strings are read in whole images, brought to {size[1]}×{size[0]} pixels")
    high, wide = size if isinstance(size, tuple) else (size, size)
    change = (width / height) / (wide / high)
    cuts = resize == "crop" or isinstance(resize, CentreCrop)
    if usual is not None and cuts and max(change, 1 / change) > ALIKE:
        notes.append(
            f"images of {width}×{height} pixels are cut to the shape of {wide}×{high}, and with them their strings; "
            "data.resize=stretch shows all of them"
        )
    return size, resize or "stretch", notes


def usual_size(files: Sequence[Path]) -> tuple[int, int] | None:
    """Returns the most frequent height and width among some of the files; `None` if none can be read."""
    sizes: Counter[tuple[int, int]] = Counter()
    for file in files[:: max(1, len(files) // LOOKED_AT)]:
        try:
            with warnings.catch_warnings(), Image.open(file) as image:
                warnings.simplefilter("ignore")
                sizes[image.height, image.width] += 1
        except Exception:  # Pillow raises anything; a file that cannot be read is named when it is decoded
            continue
    return sizes.most_common(1)[0][0] if sizes else None

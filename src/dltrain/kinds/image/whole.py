"""The size of images that must stay whole, because a string in them is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dltrain.kinds.image.pixels import CentreCrop, Resize, Size
from dltrain.kinds.image.shapes import sizes_of

HIGHEST, WIDEST = 64, 256  # pixels, by default
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
    sizes = Counter(sizes_of(files)).most_common(1)
    height, width = sizes[0][0] if sizes else (HIGHEST, HIGHEST)
    notes = []
    if size is None:
        scale = min(1.0, HIGHEST / height, WIDEST / width)
        size = max(8, round(height * scale)), max(8, round(width * scale))
        notes.append(f"strings are read in whole images, brought to {size[1]}×{size[0]} pixels")
    high, wide = size if isinstance(size, tuple) else (size, size)
    change = (width / height) / (wide / high)
    cuts = resize == "crop" or isinstance(resize, CentreCrop)
    if sizes and cuts and max(change, 1 / change) > ALIKE:
        notes.append(
            f"images of {width}×{height} pixels are cut to the shape of {wide}×{high}, and with them their strings; "
            "data.resize=stretch shows all of them"
        )
    return size, resize or "stretch", notes

"""The shapes of image files, and the way to resize them that suits most of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from PIL import ExifTags, Image

from dltrain.kinds.image.pixels import Resize, Size, height_and_width
from dltrain.kinds.image.plain import header_of

LOOKED_AT = 200  # files whose size is looked at
LEAST_KEPT = 0.5  # share of an image's area that cropping must keep, in the median
ONE_WAY = 0.9  # share of the elongated images that must be wide, or high, for stretching to distort all alike


def sizes_of(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Returns height and width of some of the files, as they are seen upright; unreadable ones are left out."""
    sizes = []
    for file in files[:: max(1, len(files) // LOOKED_AT)]:
        try:
            if (plain := header_of(file)) is not None:
                sizes.append((plain.height, plain.width))
                continue
            with warnings.catch_warnings(), Image.open(file) as image:
                warnings.simplefilter("ignore")
                turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
                sizes.append((image.width, image.height) if turned else (image.height, image.width))
        except Exception:  # Pillow raises anything; a file that cannot be read is named when it is decoded
            continue
    return sizes


def usual_way(sizes: Sequence[tuple[int, int]], size: Size, wanted: Resize | None) -> tuple[Resize, Sequence[str]]:
    """Returns the way to resize images, and a note where it is not the usual one or cuts much off.

    `crop` is the usual one. Where it would keep less than half of most images, `stretch`, which distorts images of one
    shape alike; where some are wide and others are high, `pad`, which keeps their shapes.

    Args:
        sizes: height and width of images.
        size: after resizing.
        wanted: the way that was asked for; `None` to choose.
    """
    high, wide = height_and_width(size)
    ratios = [(width / height) / (wide / high) for height, width in sizes]
    kept = median([min(ratio, 1 / ratio) for ratio in ratios] or [1.0])
    if kept >= LEAST_KEPT:
        return wanted or "crop", ()
    cut = f"cropping to {wide}×{high} would cut off {1 - kept:.0%} of a typical image"
    if wanted is not None:
        cuts = wanted not in ("pad", "stretch")
        return wanted, [f"{cut}; data.resize=stretch shows all of them"] if cuts else []
    elongated = [ratio > 1 for ratio in ratios if min(ratio, 1 / ratio) < LEAST_KEPT]
    alike = max(sum(elongated), len(elongated) - sum(elongated)) >= ONE_WAY * len(elongated)
    if alike:
        return "stretch", [f"{cut}: they are stretched instead, all alike; data.resize=pad keeps their shape"]
    return "pad", [f"{cut}: they are padded with black instead, since some are wide and others are high"]

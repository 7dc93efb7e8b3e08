"""The handwritten digits of scikit-learn."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from PIL import Image

from dltrain.data.folds import FoldOption, Folds, FoldsOption, by_fold, split_samples
from dltrain.data.splits import Fraction
from dltrain.kinds.image.load import image_data
from dltrain.kinds.image.pixels import resize_image
from dltrain.kinds.image.placement import refuse_too_large
from dltrain.types import Data, Range


def digits(
    *,
    size: Annotated[int, Range(8)] = 8,
    channels: Literal[1, 3] = 1,
    mirror: bool = False,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.2,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Returns 1,797 handwritten digits of 8×8 pixels, enlarged to `size`.

    Args:
        size: width and height, in pixels.
        channels: 1 for grey, 3 for three equal channels.
        mirror: whether training may show digits mirrored, left to right.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        folds: the number of folds of all images that are not for testing; None for none.
        fold: the fold that alone is the validation split, counted from 0; None for a model of each fold.
        seed: of the split.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = (bunch.images * (255 / 16)).round().astype(np.uint8)  # (N, 8, 8)
    refuse_too_large(len(pixels), size)
    if size != 8:
        # As the encoder does with new digits.
        pixels = np.stack([np.asarray(resize_image(Image.fromarray(image), size, "stretch")) for image in pixels])
    labels = bunch.target.astype(np.int64)
    classes = [str(digit) for digit in range(10)]

    def divide(fold: int | None) -> Data:
        divided = split_samples(
            len(labels),
            Folds.read(folds, fold, len(labels)),
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            seed=seed,
            strata=labels,
            classes=classes,
        )
        return image_data(
            np.repeat(pixels[:, None], channels, axis=1),
            labels,
            classes,
            divided,
            [str(row) for row in range(len(labels))],
            target="digit",
            mirror=mirror,
            notes=divided.notes,
        )

    return by_fold(divide, fold)

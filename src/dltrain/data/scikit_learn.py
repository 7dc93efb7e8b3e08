"""The small data sets that scikit-learn carries: tables, and pictures of digits."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from PIL import Image

from dltrain.data.images import image_data
from dltrain.data.numbers import Numeric
from dltrain.data.splits import Fraction, split_indices
from dltrain.data.table import table
from dltrain.types import Data, Range

Seed = Annotated[int, Range(0)]


def toy_table(
    *,
    name: Literal["iris", "wine", "breast_cancer", "diabetes"],
    numeric: Numeric = "quantile",
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Seed = 0,
) -> Data:
    """One of scikit-learn's tables, as any other table is treated.

    Args:
        name: which one.
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        scale_target: whether the loss sees a regression's target standardised.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        seed: of the split.
    """
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.data.copy()
    classes = getattr(bunch, "target_names", None)
    target = {"iris": "species", "wine": "cultivar", "breast_cancer": "diagnosis", "diabetes": "progression"}[name]
    frame[target] = bunch.target if classes is None else [str(classes[label]) for label in bunch.target]
    return table(
        frame,
        target=target,
        numeric=numeric,
        scale_target=scale_target,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )


def digits(
    *,
    size: Annotated[int, Range(8)] = 8,
    channels: Literal[1, 3] = 1,
    mirror: bool = False,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.2,
    seed: Seed = 0,
) -> Data:
    """1,797 handwritten digits of 8×8 pixels, enlarged where `size` asks for it.

    Args:
        size: width and height, in pixels.
        channels: 1 for grey, 3 for the same in colour.
        mirror: whether training may show digits mirrored, left to right.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        seed: of the split.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = (bunch.images * (255 / 16)).round().astype(np.uint8)  # (N, 8, 8)
    if size != 8:
        pictures = [Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC) for picture in pixels]
        pixels = np.stack([np.asarray(picture) for picture in pictures])
    labels = bunch.target.astype(np.int64)
    parts = split_indices(len(labels), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed, strata=labels)
    return image_data(
        np.repeat(pixels[:, None], channels, axis=1),
        labels,
        [str(digit) for digit in range(10)],
        parts,
        [str(row) for row in range(len(labels))],
        target="digit",
        mirror=mirror,
    )

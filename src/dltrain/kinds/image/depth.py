"""Images of more than 8 bits: the range of values that becomes 0 to 255, fitted to the training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.errors import DataError

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Decoded = Pixels | Floats  # float32 in the image's own unit if it has more than 8 bits

SHARES = (0.005, 0.995)  # the quantiles of the training images' values that the range is made of
MARGIN = 0.25  # of the distance between them, on both sides, as far as there are values
MOST_VALUES = 10_000_000
FULL = (0.0, 65535.0)  # the range of 16 bits


@dataclass(frozen=True)
class Window:
    """A range of values that becomes 0 to 255; values beyond it are cut.

    Args:
        low: becomes 0.
        high: becomes 255.
        of_all: whether it is for images of 8 bits, too.
    """

    low: float
    high: float
    of_all: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Window | None:
        """Returns the window that facts describe, `None` if the training images had 8 bits.

        Raises:
            KeyError, TypeError, ValueError: they do not.
        """
        if stored.get("window") is None:
            return None
        low, high = map(float, stored["window"])
        return cls(low, high, bool(stored.get("window_of_all")))

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads."""
        return {"window": [self.low, self.high], "window_of_all": self.of_all}

    def applies_to(self, image: Decoded) -> bool:
        """Tells whether the window is for an image of this depth."""
        return self.of_all or is_deep(image)

    def loses(self, image: Decoded) -> bool:
        """Tells whether all values of an image are cut, so that nothing is left of it."""
        return self.applies_to(image) and not ((image >= self.low) & (image <= self.high)).any()

    def __call__(self, image: Decoded) -> Pixels:
        """Returns an image in 8 bits; values that are no numbers become 0."""
        scaled = (image.astype(np.float32) - self.low) * (255 / (self.high - self.low))
        return np.nan_to_num(scaled, nan=0.0).clip(0, 255).round().astype(np.uint8)


def in_eight_bits(image: Decoded, window: Window | None) -> Pixels:
    """Returns an image in 8 bits, through the window if it is for images of this depth."""
    return window(image) if window is not None and window.applies_to(image) else image.astype(np.uint8)


def is_deep(image: Decoded) -> bool:
    """Tells whether an image has more than 8 bits."""
    return image.dtype != np.uint8


def fit_window(deep: Sequence[Decoded], shallow: int, given: Sequence[float] | None) -> tuple[Window | None, list[str]]:
    """Returns the window of training images and notes; `None` if all have 8 bits and none is given.

    Args:
        deep: the images of more than 8 bits, `(H, W, C)` each.
        shallow: the number of the others.
        given: low and high, which overrule the images.

    Raises:
        DataError: images of 8 bits are among deeper ones whose range is not that of 16 bits, or what is given is no
            range.
    """
    if given is not None:
        low, high = check_window(given)
        return Window(low, high, of_all=True), [f"values from {low:g} to {high:g} become 0 to 255 (data.window)"]
    if not deep:
        return None, []
    window = _fit(deep)
    if shallow:
        if not FULL[1] / 2 < window.high <= FULL[1]:
            raise DataError(
                f"{shallow:,} training images have 8 bits, and {len(deep):,} have more, with values from "
                f"{window.low:g} to {window.high:g}: no scale is known for both",
                where="data.window",
                fix="convert them to one depth, or give the values that become black and white in all of them",
                override=f"data.window=[{window.low:g},{window.high:g}]",
            )
        window = Window(*FULL)
    share = f"{len(deep):,} of {len(deep) + shallow:,} training images" if shallow else "the images"
    return window, [
        f"{share} have more than 8 bits: values from {window.low:g} to {window.high:g} become 0 to 255, by the "
        "training images (data.window sets another range)"
    ]


def check_window(given: Sequence[float]) -> tuple[float, float]:
    """Returns low and high.

    Raises:
        DataError: these are not two ascending numbers.
    """
    values = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if len(values) != 2 or not all(np.isfinite(value) for value in values) or values[0] >= values[1]:
        raise DataError(
            f"{given!r} is no range of values",
            where="data.window",
            fix="give the values that become black and white, such as [0,4095]",
            override="data.window=null",
        )
    return float(values[0]), float(values[1])


def _fit(images: Sequence[Decoded]) -> Window:
    """Returns the range between quantiles of the values, with a margin, and within all values."""
    step = max(1, sum(image.size for image in images) // MOST_VALUES)
    values = np.concatenate([image.ravel()[::step] for image in images]).astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Window(0.0, 1.0)
    low, high = np.quantile(values, SHARES).tolist()
    margin = MARGIN * (high - low)
    low, high = max(float(values.min()), low - margin), min(float(values.max()), high + margin)
    return Window(low, high if high > low else low + 1)

"""Images with the places that a model's answer rests on."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dltrain.kinds.image.depth import Pixels
from dltrain.storage import make_folder, write_bytes

COLOUR = np.array([230, 30, 60], dtype=np.float64)  # where a place speaks for the answer
STRENGTH = 0.65
SMALLEST = 224  # pixels per side of a written image; smaller ones are enlarged


def overlaid(pixels: Pixels, places: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Returns an image `(C, H, W)` in grey, coloured by how much each place `(H, W)` speaks for the answer, as
    `(H, W, 3)`."""
    grey = np.asarray(pixels, dtype=np.float64).mean(axis=0)[..., None]
    share = STRENGTH * places[..., None]
    return (grey * (1 - share) + COLOUR * share).round().astype(np.uint8)


def write_overlay(path: Path, pixels: Pixels, places: NDArray[np.float64]) -> None:
    """Writes an image and, to its right, the same with the places, as PNG.

    Raises:
        StorageError: it cannot be written.
    """
    plain = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels[:3]
    both = np.concatenate([plain.transpose(1, 2, 0), overlaid(pixels, places)], axis=1).astype(np.uint8)
    times = max(1, -(-SMALLEST // both.shape[0]))
    make_folder(path.parent, parents=True)
    image = Image.fromarray(both).resize((both.shape[1] * times, both.shape[0] * times), Image.Resampling.NEAREST)
    content = BytesIO()
    image.save(content, "PNG")
    write_bytes(path, content.getvalue())

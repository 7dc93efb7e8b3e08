"""Reads image files as pixels: decoded, upright, of one size and eight bits; and standardises them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

Pixels = NDArray[np.uint8]
Channels = Literal[1, 3] | None
Resize = Literal["crop", "pad", "stretch"]
Size = int | tuple[int, int]  # in pixels: the side of a square, or height and width


@dataclass(frozen=True)
class Normalize:
    """Standardises pixels from 0 to 255, channel by channel.

    Args:
        mean: the mean of each channel of the training split, on a scale from 0 to 1.
        std: the standard deviation, likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns standardised float32 `(B, C, H, W)` for uint8 pixels."""
        (pixels,) = inputs
        scale, shift = _scale_and_shift(self.mean, self.std, pixels.device)
        return (pixels * scale - shift,)


@lru_cache
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns scale and shift, `(1, C, 1, 1)` each, cached on the device so that a batch needs no copy."""
    shape = (1, -1, 1, 1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(shape)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=device).view(shape)
    return scale, shift


def channel_statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel of `(N, C, H, W)`, on a scale from 0 to 1.

    The standard deviation of a constant channel is 1.
    """
    counts = np.stack([np.bincount(pixels[:, channel].ravel(), minlength=256) for channel in range(pixels.shape[1])])
    levels = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0))
    return tuple(mean.tolist()), tuple(np.where(std < 1e-6, 1, std).tolist())


def read_image(path: Path, size: Size, channels: Channels, resize: Resize = "crop") -> Pixels:
    """Returns an image as `(H, W, C)` uint8, upright, on white if it is transparent, the first of several frames.

    Args:
        path: the image's file.
        size: the size after resizing.
        channels: 1 for grey, 3 for colour, None to decide by the image.
        resize: how it is resized, as in `resize_image`.

    Raises:
        OSError, ValueError, SyntaxError: the image cannot be decoded.
    """
    with Image.open(path) as image:
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels are too many")
        height, width = _height_and_width(size)
        image.draft(None, (2 * width, 2 * height))
        return as_pixels(ImageOps.exif_transpose(image), size, channels, resize)


def as_pixels(image: Image.Image, size: Size, channels: Channels, resize: Resize = "crop") -> Pixels:
    """Returns the pixels of an opened, upright image, as `read_image` does."""
    image = _convert_to_eight_bits(image)
    grey = channels == 1 or (channels is None and image.mode in ("L", "LA", "1"))
    if "A" in image.getbands() or "transparency" in image.info:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    pixels = np.asarray(resize_image(image.convert("L" if grey else "RGB"), size, resize), dtype=np.uint8)
    return pixels[:, :, None] if grey else pixels


def resize_image(image: Image.Image, size: Size, resize: Resize) -> Image.Image:
    """Returns the image in that size.

    `crop` scales it until it covers the size and cuts out the centre, `pad` scales it until it fits and fills up with
    black, `stretch` scales both sides without keeping the proportions.
    """
    height, width = _height_and_width(size)
    if resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    if resize == "pad":
        return ImageOps.pad(image, (width, height), Image.Resampling.BILINEAR)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _height_and_width(size: Size) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def decode_all(
    files: Iterable[Path], size: Size, channels: Channels, resize: Resize = "crop"
) -> tuple[list[Pixels | None], list[tuple[Path, str]]]:
    """Returns every image as `read_image` does, `None` if it cannot be read, and the reasons of those."""
    bad: list[tuple[Path, str]] = []

    def decode(path: Path) -> Pixels | None:
        try:
            return read_image(path, size, channels, resize)
        except Exception as error:  # Pillow's decoders may raise anything for a broken file
            reason = "it is empty" if path.stat().st_size == 0 else str(error).replace(str(path), "").strip(" '\"")
            bad.append((path, reason.splitlines()[0] if reason else type(error).__name__))
            return None

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # about odd metadata, and about sizes, which are checked above
        decoded = list(pool.map(decode, files))
    return decoded, sorted(bad)


def _convert_to_eight_bits(image: Image.Image) -> Image.Image:
    """Returns the image with 8 bits per channel; images of 16 and 32 bits are scaled, not clipped."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = max(float(values.max()), 1.0 if image.mode == "F" else 65535.0)
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    return image


def stack(images: Sequence[Pixels]) -> Pixels:
    """Returns `(N, C, H, W)` of images `(H, W, C)`; grey ones among colour ones get three equal channels."""
    channels = max(image.shape[2] for image in images)
    expanded = [image if image.shape[2] == channels else np.repeat(image, channels, axis=2) for image in images]
    return np.ascontiguousarray(np.stack(expanded).transpose(0, 3, 1, 2))

"""Picture files to pixels: decoded, upright, of one size and eight bits, and then standardised."""

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


@dataclass(frozen=True)
class Normalize:
    """Pixels from 0 to 255 to standardised ones, channel by channel.

    Args:
        mean: of each channel of the training split, on a scale from 0 to 1.
        std: likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """`(B, C, H, W)` uint8 to float32."""
        (pixels,) = inputs
        scale, shift = _scale_and_shift(self.mean, self.std, pixels.device)
        return (pixels * scale - shift,)


@lru_cache
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """`(1, C, 1, 1)` each; kept on the device, so that a batch costs no copy."""
    shape = (1, -1, 1, 1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(shape)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=device).view(shape)
    return scale, shift


def channel_statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of `(N, C, H, W)`, on a scale from 0 to 1; a flat channel's is 1."""
    counts = np.stack([np.bincount(pixels[:, channel].ravel(), minlength=256) for channel in range(pixels.shape[1])])
    levels = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0))
    return tuple(mean.tolist()), tuple(np.where(std < 1e-6, 1, std).tolist())


def read_picture(path: Path, size: int, channels: Channels, resize: Resize = "crop") -> Pixels:
    """A picture as `(H, W, C)` uint8, upright, over white where it is transparent, its first frame where it moves.

    Args:
        path: its file.
        size: the height and width to bring it to.
        channels: 1 for grey, 3 for colour, none to see by the picture.
        resize: how, as `fitted` says.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be decoded.
    """
    with Image.open(path) as image:
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels are too many")
        image.draft(None, (size * 2, size * 2))
        return as_pixels(ImageOps.exif_transpose(image), size, channels, resize)


def as_pixels(image: Image.Image, size: int, channels: Channels, resize: Resize = "crop") -> Pixels:
    """As `read_picture`, of a picture that is open and upright."""
    picture = _eight_bits(image)
    grey = channels == 1 or (channels is None and picture.mode in ("L", "LA", "1"))
    if "A" in picture.getbands() or "transparency" in picture.info:
        over = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    pixels = np.asarray(fitted(picture.convert("L" if grey else "RGB"), size, resize), dtype=np.uint8)
    return pixels[:, :, None] if grey else pixels


def fitted(picture: Image.Image, size: int, resize: Resize) -> Image.Image:
    """The picture as a square of that size.

    `crop` scales the shorter side and cuts around the centre, `pad` scales the longer side and puts black beside it,
    `stretch` scales both sides, whatever becomes of the proportions.
    """
    square = (size, size)
    if resize == "crop":
        return ImageOps.fit(picture, square, Image.Resampling.BILINEAR)
    if resize == "pad":
        return ImageOps.pad(picture, square, Image.Resampling.BILINEAR)
    return picture.resize(square, Image.Resampling.BILINEAR)


def decode_all(
    files: Iterable[Path], size: int, channels: Channels, resize: Resize = "crop"
) -> tuple[list[Pixels | None], list[tuple[Path, str]]]:
    """Every picture or `None`, and why those could not be read."""
    bad: list[tuple[Path, str]] = []

    def decode(path: Path) -> Pixels | None:
        try:
            return read_picture(path, size, channels, resize)
        except Exception as error:  # Pillow's decoders raise whatever a broken file makes them raise
            reason = "it is empty" if path.stat().st_size == 0 else str(error).replace(str(path), "").strip(" '\"")
            bad.append((path, reason.splitlines()[0] if reason else type(error).__name__))
            return None

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # of odd metadata, and of sizes, which are checked above
        decoded = list(pool.map(decode, files))
    return decoded, sorted(bad)


def _eight_bits(image: Image.Image) -> Image.Image:
    """The picture with 8 bits a channel; those of 16 and 32 bits are scaled, not clipped."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = max(float(values.max()), 1.0 if image.mode == "F" else 65535.0)
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    return image


def stacked(pictures: Sequence[Pixels]) -> Pixels:
    """`(N, C, H, W)`; grey pictures among colour ones get three equal channels."""
    channels = max(picture.shape[2] for picture in pictures)
    alike = [picture if picture.shape[2] == channels else np.repeat(picture, channels, axis=2) for picture in pictures]
    return np.ascontiguousarray(np.stack(alike).transpose(0, 3, 1, 2))

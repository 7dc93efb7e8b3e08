"""Reads image files as pixels: decoded, upright, of one size and eight bits; and standardises them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from dltrain.data.stored import in_parts
from dltrain.errors import DataError, require
from dltrain.kinds.image.depth import Decoded, Pixels, is_deep
from dltrain.kinds.image.files import HEIC_BRANDS
from dltrain.kinds.image.plain import JPEG, PNG, decode_plain
from dltrain.types import Stored

Channels = Literal[1, 3] | None
HEAD = 32  # bytes at the beginning of a file that say what it is: of HEIC its brands, of PNG its bits and colours
READ = 2**20  # bytes that are read at once
BITS_PER_SAMPLE = 258  # a tag of TIFF
Size = int | tuple[int, int]  # in pixels: the side of a square, or height and width
Filter = Literal["nearest", "bilinear", "bicubic", "lanczos"]
FILTERS: Mapping[Filter, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class CentreCrop:
    """Resizes as the images of pretrained weights were: the shorter side first, and then the centre is cut out.

    Args:
        share: of the resized shorter side that is cut out.
        filter: by which images are resized.
    """

    share: float
    filter: Filter = "bilinear"

    def __call__(self, image: Image.Image, height: int, width: int) -> Image.Image:
        """Returns the centre of an image in that size."""
        high, wide = round(height / self.share), round(width / self.share)
        covering = ImageOps.fit(image, (wide, high), FILTERS[self.filter])
        left, top = (wide - width) // 2, (high - height) // 2
        return covering.crop((left, top, left + width, top + height))


Resize = Literal["crop", "pad", "stretch"] | CentreCrop


def read_resize(value: str | Mapping[str, Any]) -> Resize:
    """Returns a way to resize as a config or the facts spell it: a word, or `share` and `filter` of a `CentreCrop`.

    Raises:
        KeyError, TypeError, ValueError: there is no such way.
    """
    if isinstance(value, str):
        return cast(Resize, value)
    chosen = CentreCrop(float(value["share"]), value.get("filter", "bilinear"))
    if not 0 < chosen.share <= 1 or chosen.filter not in FILTERS:
        raise ValueError(f"share is not above 0 and at most 1, or filter is not one of {', '.join(FILTERS)}")
    return chosen


@dataclass(frozen=True)
class Normalize:
    """Standardises pixels from 0 to 255, channel by channel.

    Args:
        mean: the mean of each channel of the training split, on a scale from 0 to 1.
        std: the standard deviation, likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    of_each_sample: ClassVar[bool] = True

    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns standardised float32 `(B, C, H, W)` for uint8 pixels; other inputs stay as they are."""
        pixels, *others = inputs
        scale, shift = _scale_and_shift(self.mean, self.std, pixels.device)
        if pixels.shape[1] != len(self.mean):  # grey images for weights of colour images
            pixels = pixels.expand(-1, len(self.mean), -1, -1)
        return (pixels.to(torch.float32, copy=True).mul_(scale).sub_(shift), *others)


@lru_cache
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns scale and shift, `(1, C, 1, 1)` each, cached on the device so that a batch needs no copy."""
    shape = (1, -1, 1, 1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(shape)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=device).view(shape)
    return scale, shift


def channel_statistics(pixels: Stored) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel of `(N, C, H, W)`, on a scale from 0 to 1.

    The standard deviation of a constant channel is 1.
    """
    counts = sum(map(_count_levels, in_parts(pixels)), np.zeros((1, 256), dtype=np.int64))
    levels = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0))
    return tuple(mean.tolist()), tuple(np.where(std < 1e-6, 1, std).tolist())


def _count_levels(pixels: Tensor) -> NDArray[np.int64]:
    """Returns how often each channel of `(N, C, H, W)` has each of the 256 levels, `(C, 256)`."""
    return np.stack([channel.reshape(-1).bincount(minlength=256).numpy() for channel in pixels.cpu().unbind(1)])


def read_image(
    path: Path, size: Size, channels: Channels, resize: Resize = "crop", *, keep_depth: bool = False
) -> Decoded:
    """Returns an image as `(H, W, C)`, upright, on white if it is transparent, the first of several frames.

    Args:
        path: the image's file.
        size: the size after resizing.
        channels: 1 for grey, 3 for colour, None to decide by the image.
        resize: how it is resized, as in `resize_image`.
        keep_depth: whether an image of more than 8 bits becomes float32 in its own unit; otherwise all become uint8.

    Raises:
        OSError, ValueError, SyntaxError: the image cannot be decoded.
    """
    return _decode(path, *_read(path), size, channels, resize, keep_depth)


def is_common(head: bytes) -> bool:
    """Tells whether a file that begins so is JPEG, or PNG of up to 8 bits."""
    return head.startswith(JPEG) or (head.startswith(PNG) and head[24:25] <= b"\x08")


def _decode(
    path: Path,
    head: bytes,
    content: bytes | None,
    size: Size,
    channels: Channels,
    resize: Resize,
    keep_depth: bool,
) -> Decoded:
    """Returns what `read_image` does of a file whose beginning has been read, and the content of JPEG and PNG."""
    height, width = height_and_width(size)
    plain = None if content is None else decode_plain(content, (2 * width, 2 * height))
    if plain is not None:
        return as_pixels(plain, size, channels, resize)
    with _open(path, head) as image:
        image.draft(None, (2 * width, 2 * height))  # a large JPEG is decoded at a fraction of its size
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels are too many")
        if keep_depth and image.format == "PNG" and (deep := _deep_colours(path, head)) is not None:
            return np.dstack([_resize_values(deep[..., band], size, resize) for band in _bands(deep, channels)])
        _refuse_lost_bits(image)
        ImageOps.exif_transpose(image, in_place=True)
        return as_pixels(image, size, channels, resize, keep_depth=keep_depth)


def _read(path: Path) -> tuple[bytes, bytes | None]:
    """Returns the beginning of a file, and its content if it is JPEG or PNG."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        content = os.read(descriptor, READ)
        if not content.startswith((JPEG, PNG)):
            return content[:HEAD], None
        parts = [content]
        while len(parts[-1]) == READ:
            parts.append(os.read(descriptor, READ))
        return content[:HEAD], content if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(descriptor)


def _open(path: Path, head: bytes) -> Image.Image:
    """Opens an image that begins so, a JPEG without Pillow's limit of its size, since it may be read at a fraction."""
    if head.startswith(JPEG):
        return JpegImageFile(path)
    is_heic = head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS
    if is_heic and (missing := _register_heif()) and b"avif" not in head:
        raise ValueError(missing)
    return Image.open(path)


def _register_heif() -> str:
    """Lets Pillow read HEIC; returns what is missing for it, if anything is."""
    try:
        require("pillow_heif", "heic", "reads HEIC", DataError)
    except DataError as error:
        return f"{error.what}: {error.fix}"
    importlib.import_module("pillow_heif").register_heif_opener()
    return ""


def _deep_colours(path: Path, head: bytes) -> NDArray[np.float32] | None:
    """Returns a PNG of 16 bits a colour as `(H, W, 3)`, or `(H, W, 1)` of a grey one with transparency, of which Pillow
    reads only the upper 8 bits; `None` for others."""
    if not head.startswith(PNG) or head[24] != 16 or head[25] not in (2, 4, 6):
        return None
    from torchvision.io import ImageReadMode, decode_image

    pixels = decode_image(str(path), ImageReadMode.UNCHANGED).numpy()  # (C, H, W) uint16
    return pixels[: 1 if head[25] == 4 else 3].transpose(1, 2, 0).astype(np.float32)


def _bands(image: NDArray[np.float32], channels: Channels) -> Sequence[int]:
    """Returns the bands that are used: of a colour image that is to be grey, green alone."""
    return (1,) if channels == 1 and image.shape[2] > 1 else range(image.shape[2])


def as_pixels(
    image: Image.Image, size: Size, channels: Channels, resize: Resize = "crop", *, keep_depth: bool = False
) -> Decoded:
    """Returns the pixels of an opened, upright image, as `read_image` does."""
    if keep_depth and _is_deep(image):
        values = _resize_values(np.asarray(image, dtype=np.float32), size, resize)[:, :, None]
        return np.repeat(values, 3, axis=2) if channels == 3 else values
    image = _convert_to_eight_bits(image)
    grey = channels == 1 or (channels is None and image.mode in ("L", "LA", "1"))
    if "A" in image.getbands() or "transparency" in image.info:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    mode = "L" if grey else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    pixels = np.asarray(resize_image(image, size, resize), dtype=np.uint8)
    return pixels[:, :, None] if grey else pixels


def resize_array(image: Decoded, size: Size, channels: Channels, resize: Resize) -> Decoded:
    """Returns an image `(H, W, C)` in that size, with that number of channels, as `read_image` does with a file."""
    if not is_deep(image):
        return as_pixels(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, channels, resize)
    deep = image.astype(np.float32)
    values = np.dstack([_resize_values(deep[..., band], size, resize) for band in _bands(deep, channels)])
    return np.repeat(values, 3, axis=2) if channels == 3 and values.shape[2] == 1 else values


def _resize_values(values: NDArray[np.float32], size: Size, resize: Resize) -> NDArray[np.float32]:
    """Returns numbers `(H, W)` in that size; what is no number becomes the smallest one, as does what `pad` adds."""
    finite = np.isfinite(values)
    lowest = float(values[finite].min()) if finite.any() else 0.0
    shifted = Image.fromarray(np.where(finite, values - lowest, 0).astype(np.float32))
    return np.asarray(resize_image(shifted, size, resize), dtype=np.float32) + lowest


def resize_image(image: Image.Image, size: Size, resize: Resize) -> Image.Image:
    """Returns the image in that size.

    `crop` scales it until it covers the size and cuts out the centre, `pad` scales it until it fits and fills up with
    black, `stretch` scales both sides without keeping the proportions.
    """
    height, width = height_and_width(size)
    if image.size == (width, height) and not isinstance(resize, CentreCrop):
        return image
    if isinstance(resize, CentreCrop):
        return resize(image, height, width)
    if resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    if resize == "pad":
        return ImageOps.pad(image, (width, height), Image.Resampling.BILINEAR)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def height_and_width(size: Size) -> tuple[int, int]:
    """Returns height and width of a size, in pixels."""
    return size if isinstance(size, tuple) else (size, size)


@dataclass(frozen=True)
class Decoding:
    """How image files become pixels of one size; see `read_image`."""

    size: Size
    channels: Channels = None
    resize: Resize = "crop"
    keep_depth: bool = True

    def __call__(self, path: Path) -> Decoded:
        """Returns an image as `(H, W, C)`.

        Raises:
            OSError, ValueError, SyntaxError: it cannot be decoded.
        """
        return read_image(path, self.size, self.channels, self.resize, keep_depth=self.keep_depth)

    def decode_common(self, path: Path) -> Decoded | None:
        """Returns an image as `(H, W, C)` as calling it does, `None` if it is neither JPEG nor PNG of up to 8 bits.

        Raises:
            OSError, ValueError, SyntaxError: it cannot be decoded.
        """
        head, content = _read(path)
        if content is None or not is_common(head):
            return None
        return _decode(path, head, content, self.size, self.channels, self.resize, self.keep_depth)


def has_more_bits(path: Path) -> bool:
    """Tells whether a readable image has more than 8 bits, as far as Pillow keeps them."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    with _open(path, head) as image:
        return _is_deep(image)


def _is_deep(image: Image.Image) -> bool:
    """Tells whether an image has more than 8 bits, as far as Pillow keeps them."""
    return image.mode.startswith("I;16") or image.mode in ("I", "F")


def _refuse_lost_bits(image: Image.Image) -> None:
    """Refuses a colour TIFF of 16 bits of which only the lower ones are used, since Pillow reads the upper 8.

    Raises:
        ValueError: it is one.
    """
    if not isinstance(image, TiffImageFile) or image.mode not in ("RGB", "RGBA"):
        return
    bits = max(image.tag_v2.get(BITS_PER_SAMPLE, (8,)))
    if bits > 8 and np.asarray(image)[..., :3].max() < 16:
        raise ValueError("it has 16 bits a colour, of which only the upper 8 can be read; convert it to PNG")


def _convert_to_eight_bits(image: Image.Image) -> Image.Image:
    """Returns the image with 8 bits per channel; images of 16 and 32 bits are scaled, not clipped."""
    if _is_deep(image):
        values = np.asarray(image, dtype=np.float64)
        top = max(float(values.max()), 1.0 if image.mode == "F" else 65535.0)
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    return image


def stack(images: Sequence[Pixels]) -> Pixels:
    """Returns `(N, C, H, W)` of images `(H, W, C)`; grey ones among colour ones get three equal channels."""
    channels = max(image.shape[2] for image in images)
    expanded = [image if image.shape[2] == channels else np.repeat(image, channels, axis=2) for image in images]
    return np.ascontiguousarray(np.stack(expanded).transpose(0, 3, 1, 2))

"""Random changes of training images: drawn for each image, applied to a batch on its device."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from dltrain.data.seeding import seeded
from dltrain.data.stored import to_device
from dltrain.errors import ConfigError
from dltrain.kinds.augmentation import Augmentation
from dltrain.kinds.image.mixing import Mix
from dltrain.tasks.registry import task_class
from dltrain.types import Data, Range

Share = Annotated[float, Range(0, 1)]

DRAWS = 14  # random numbers per image; each change has its own, so that one change does not affect the others
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in perceived brightness (ITU-R BT.601)
ERASED = (0.02, 0.2)  # fraction of the image that a rectangle covers, as in random erasing (Zhong et al., 2017)


@dataclass(frozen=True)
class Augment(Augmentation):
    """Random changes of training images that keep their labels.

    The random numbers depend on seed, epoch and batch alone and are drawn on the CPU, so that they are the same on
    every device and in a run that is resumed in the middle of an epoch.

    Args:
        hflip: probability of mirroring left to right; only if the data says that this keeps the class.
        vflip: probability of turning the image upside down.
        crop: largest shift in both directions, as a fraction of the size; the image is reflected at its edges.
        rotation: largest angle, in degrees.
        scale: largest change of size; 0.2 makes things up to 20 % larger or smaller.
        brightness: largest relative change of all values.
        contrast: largest relative change of the distance from the image's mean.
        saturation: largest relative change of the distance from grey; grey images stay the same.
        erase: probability that a rectangle of 2 to 20 % of the image is filled with the image's mean (random erasing).
        randaugment: number of changes by chance to each image, as in RandAugment.
        magnitude: strength of these changes, as a share of the largest.
        mixup: how evenly two images are mixed, both parameters of the share's Beta distribution; 0 for no MixUp.
        cutmix: the same for a rectangle of another image that is pasted in; 0 for no CutMix.
    """

    takes: ClassVar[tuple[str, ...]] = ("image",)

    hflip: Share = 0.0
    vflip: Share = 0.0
    crop: Annotated[float, Range(0, 0.5)] = 0.0
    rotation: Annotated[float, Range(0, 180)] = 0.0
    scale: Annotated[float, Range(0, 0.9)] = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    erase: Share = 0.0
    randaugment: Annotated[int, Range(0, 10)] = 0
    magnitude: Share = 0.3
    mixup: Annotated[float, Range(0)] = 0.0
    cutmix: Annotated[float, Range(0)] = 0.0

    def __bool__(self) -> bool:
        return any(getattr(self, entry.name) for entry in fields(self) if entry.name != "magnitude")

    @property
    def mix(self) -> Mix | None:
        return Mix(self.mixup, self.cutmix) if self.mixup or self.cutmix else None

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int) -> tuple[Tensor, ...]:
        """Returns changed images `(B, C, H, W)` from 0 to 255: uint8 if pixels were only moved, else float32; other
        inputs stay as they are."""
        pixels, *others = inputs
        draws = to_device(draw(len(pixels), seed, epoch, batch), pixels.device)  # (B, DRAWS), copied once
        if self.hflip or self.vflip or self.crop:
            pixels = self._move(pixels, draws)
        if self.randaugment:
            from dltrain.kinds.image.randaugment import randaugment  # torchvision takes long to import

            pixels = randaugment(pixels, self.randaugment, self.magnitude, seed, epoch, batch)
        if self.rotation or self.scale:
            pixels = self._warp(pixels.float(), draws)
        if self.brightness or self.contrast or self.saturation:
            pixels = self._recolour(pixels.float(), draws)
        if self.erase:
            pixels = self._erase(pixels.float(), draws)
        return (pixels, *others)

    def suited_to(self, data: Data) -> Augment:
        """Returns the augmentation, without mirroring if a mirrored image may be of another class.

        Raises:
            ConfigError: a rectangle of another image would replace what stands at some places, and not at others.
        """
        if self.cutmix and task_class(data.facts.task).positional:
            raise ConfigError(
                "CutMix replaces some characters of a string, and their share of the image does not say which",
                where="augment.cutmix",
                fix="leave it out; augment.mixup mixes whole images",
                override="augment.cutmix=0",
            )
        return self if data.mirror else replace(self, hflip=0.0)

    def _move(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """Mirrors and shifts by whole pixels: one gather."""
        height, width = pixels.shape[2:]
        row = _moved(height, self.crop, draws[:, 0], draws[:, 1] < self.vflip)  # (B, H)
        column = _moved(width, self.crop, draws[:, 2], draws[:, 3] < self.hflip)  # (B, W)
        index = (row[:, :, None] * width + column[:, None, :]).flatten(1)  # (B, H·W)
        flat = pixels.flatten(2)
        return flat.gather(2, index[:, None].expand(flat.shape)).view_as(pixels)

    def _warp(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """Rotates and resizes around the centre, with linear interpolation and reflection at the edges."""
        angle = _around_zero(draws[:, 4]) * math.radians(self.rotation)
        zoom = 1 / (1 + _around_zero(draws[:, 5]) * self.scale)
        cos, sin, zero = angle.cos() * zoom, angle.sin() * zoom, torch.zeros_like(angle)
        height, width = pixels.shape[2:]
        ratio = height / width  # the grid's axes run from -1 to 1 whatever the shape
        rows = (cos, -sin * ratio, zero, sin / ratio, cos, zero)
        grid = functional.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(pixels.shape), align_corners=False)
        return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)

    def _recolour(self, pixels: Tensor, draws: Tensor) -> Tensor:
        brightness, contrast, saturation = (
            (1 + _around_zero(draws[:, 6 + number]) * share).view(-1, 1, 1, 1)
            for number, share in enumerate((self.brightness, self.contrast, self.saturation))
        )
        pixels = pixels * brightness
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = (pixels - mean) * contrast + mean
        if self.saturation and pixels.shape[1] == 3:
            grey = (pixels * to_device(torch.tensor(LUMA), pixels.device).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
            pixels = (pixels - grey) * saturation + grey
        return pixels.clamp(0, 255)

    def _erase(self, pixels: Tensor, draws: Tensor) -> Tensor:
        height, width = pixels.shape[2:]
        area = ERASED[0] + (ERASED[1] - ERASED[0]) * draws[:, 10]
        stretch = torch.exp(_around_zero(draws[:, 11]))  # between e and 1/e times as high as wide
        rows = _within(height, (area * stretch).sqrt(), draws[:, 12])  # (B, H)
        columns = _within(width, (area / stretch).sqrt(), draws[:, 13])  # (B, W)
        hidden = rows[:, :, None] & columns[:, None, :] & (draws[:, 9] < self.erase)[:, None, None]
        return torch.where(hidden[:, None], pixels.mean(dim=(2, 3), keepdim=True), pixels)


def draw(count: int, seed: int, epoch: int, batch: int) -> Tensor:
    """Returns random numbers from 0 to 1 for the changes of each image of a batch, `(count, DRAWS)`, on the CPU."""
    return torch.rand(count, DRAWS, generator=seeded(seed, epoch, batch))


def furthest_shift(size: int, crop: float) -> int:
    """Returns the largest shift of an image in whole pixels, less than its size."""
    return min(round(crop * size), size - 1)


def _around_zero(draws: Tensor) -> Tensor:
    """Returns numbers from -1 to 1 for numbers from 0 to 1."""
    return draws * 2 - 1


def _moved(size: int, crop: float, draws: Tensor, mirrored: Tensor) -> Tensor:
    """Returns the source row, or column, of each row of an image, `(B, size)`."""
    furthest = furthest_shift(size, crop)
    shift = (draws * (2 * furthest + 1)).long().clamp(max=2 * furthest) - furthest
    position = torch.arange(size, device=draws.device) + shift[:, None]
    position = position.abs()  # reflected at the first pixel, and at the last one
    position = (size - 1) - ((size - 1) - position).abs()
    return torch.where(mirrored[:, None], (size - 1) - position, position)


def _within(size: int, share: Tensor, place: Tensor) -> Tensor:
    """Tells which rows, or columns, an interval with this fraction of the size covers, `(B, size)`."""
    length = (share * size).clamp(1, size)
    first = place * (size - length)
    position = torch.arange(size, device=share.device) + 0.5
    return (position >= first[:, None]) & (position <= (first + length)[:, None])

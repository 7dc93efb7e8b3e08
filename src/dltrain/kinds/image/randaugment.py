"""RandAugment (Cubuk et al., 2020): for each image a few changes by chance, all of one strength."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torchvision.transforms import functional

from dltrain.data.seeding import seeded
from dltrain.data.stored import to_device

STREAM = 3  # of random numbers of a batch; the other changes have others
DEGREES, SHEAR, SHIFT, FACTOR, BITS = 30.0, 17.0, 0.3, 0.9, 4  # the largest changes


def _affine(
    pixels: Tensor, degrees: float = 0.0, right: float = 0.0, down: float = 0.0, shear: tuple[float, float] = (0.0, 0.0)
) -> Tensor:
    """Returns images rotated, shifted by shares of their size, or sheared by degrees; grey where nothing is left."""
    height, width = pixels.shape[2:]
    shift = [round(right * width), round(down * height)]
    return functional.affine(pixels, degrees, shift, 1.0, list(shear), fill=[128.0] * pixels.shape[1])


# Each takes uint8 images `(B, C, H, W)` and a strength from -1 to 1, and returns images of the same form.
CHANGES: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "identity": lambda pixels, strength: pixels,
    "autocontrast": lambda pixels, strength: functional.autocontrast(pixels),
    "equalize": lambda pixels, strength: functional.equalize(pixels),
    "rotate": lambda pixels, strength: _affine(pixels, degrees=DEGREES * strength),
    "shear_x": lambda pixels, strength: _affine(pixels, shear=(SHEAR * strength, 0.0)),
    "shear_y": lambda pixels, strength: _affine(pixels, shear=(0.0, SHEAR * strength)),
    "translate_x": lambda pixels, strength: _affine(pixels, right=SHIFT * strength),
    "translate_y": lambda pixels, strength: _affine(pixels, down=SHIFT * strength),
    "brightness": lambda pixels, strength: functional.adjust_brightness(pixels, 1 + FACTOR * strength),
    "contrast": lambda pixels, strength: functional.adjust_contrast(pixels, 1 + FACTOR * strength),
    "saturation": lambda pixels, strength: functional.adjust_saturation(pixels, 1 + FACTOR * strength),
    "sharpness": lambda pixels, strength: functional.adjust_sharpness(pixels, 1 + FACTOR * strength),
    "posterize": lambda pixels, strength: functional.posterize(pixels, 8 - round(BITS * abs(strength))),
    "solarize": lambda pixels, strength: functional.solarize(pixels, 255 * (1 - abs(strength))),
}


def randaugment(pixels: Tensor, changes: int, magnitude: float, seed: int, epoch: int, batch: int) -> Tensor:
    """Returns uint8 images `(B, C, H, W)`, each after a few changes, to either side.

    Args:
        pixels: uint8 images `(B, C, H, W)`.
        changes: how many each image gets.
        magnitude: the strength of all changes, as a share of the largest.
        seed: of the run.
        epoch: counted from 0.
        batch: counted from 0.
    """
    generator = seeded(seed, epoch, batch, STREAM)
    kinds = torch.randint(len(CHANGES), (changes, len(pixels)), generator=generator)
    signs = torch.randint(2, (changes, len(pixels)), generator=generator) * 2 - 1
    pixels = pixels.clone()
    for kind, sign in zip(kinds, signs, strict=True):
        for number, change in enumerate(CHANGES.values()):
            for side in (-1, 1):
                chosen = to_device(((kind == number) & (sign == side)).nonzero()[:, 0], pixels.device)
                if number and len(chosen):
                    pixels[chosen] = change(pixels[chosen], side * magnitude)
    return pixels

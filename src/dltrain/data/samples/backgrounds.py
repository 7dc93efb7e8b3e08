"""Draws what all sample images share: colours, backgrounds, leaves in front, light and the noise of a camera."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Tones = tuple[Colour, Colour]

PALETTE: tuple[Colour, ...] = (
    (240, 132, 104),  # coral
    (244, 172, 92),  # apricot
    (244, 212, 110),  # butter
    (146, 192, 124),  # sage
    (78, 170, 160),  # teal
    (116, 178, 226),  # sky
    (130, 136, 216),  # periwinkle
    (190, 148, 224),  # lilac
    (232, 140, 176),  # rose
    (216, 188, 148),  # sand
    (152, 104, 76),  # cocoa
    (108, 122, 142),  # slate
    (246, 236, 216),  # ivory
    (104, 90, 124),  # plum
)
INK: Colour = (36, 30, 44)
WHITE: Colour = (255, 252, 246)
CONTRAST = 90.0  # smallest distance in RGB at which two colours can be told apart


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Returns the colour with `share` (0 to 1) of the other one blended in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def pick(rng: np.random.Generator, *beside: Colour) -> Colour:
    """Returns a random colour of the palette that can be told from the ones beside it."""
    distinct = [colour for colour in PALETTE if all(math.dist(colour, other) >= CONTRAST for other in beside)]
    return distinct[rng.integers(len(distinct))]


def plain(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints one even colour."""
    return Image.new("RGB", (side, side), tones[0])


def gradient(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints a gradient from one colour to the other, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    share = (np.cos(angle) * x + np.sin(angle) * y)[..., None] / 2.8 + 0.5  # (32, 32, 1)
    pixels = np.asarray(tones[0]) * (1 - share) + np.asarray(tones[1]) * share
    return Image.fromarray(pixels.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)


def landscape(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints a sky with a sun or a moon, and hills."""
    image = plain(side, tones, rng)
    draw = ImageDraw.Draw(image)
    _disc(draw, side * rng.uniform(0.1, 0.9), side * rng.uniform(0.08, 0.3), side * 0.09, mix(tones[0], WHITE, 0.6))
    horizon = side * rng.uniform(0.55, 0.8)
    for depth in (0.35, 0.0):
        middle, width = side * rng.uniform(0, 1), side * rng.uniform(0.9, 1.4)
        top = horizon - side * depth * 0.25
        draw.ellipse((middle - width, top, middle + width, top + 1.6 * side), fill=mix(tones[1], tones[0], depth))
        draw.rectangle((0, top + 0.2 * side, side, side), fill=mix(tones[1], tones[0], depth))
    return image


def foliage(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints round bushes, one behind the other."""
    image = plain(side, tones, rng)
    draw = ImageDraw.Draw(image)
    for x, y, radius, share in rng.uniform((0, 0, 0.06, 0), (1, 1, 0.2, 0.7), (24, 4)):
        _disc(draw, side * x, side * y, side * radius, mix(tones[0], tones[1], share))
    return image


def stripes(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints soft stripes of two colours, in a random direction."""
    angle, phase, count = rng.uniform((0, 0, 3), (np.pi, 2 * np.pi, 6))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * count * np.pi + phase)
    band = (255 * np.clip(0.5 + 4 * wave, 0, 1)).astype(np.uint8)
    return Image.composite(
        plain(side, tones, rng), Image.new("RGB", (side, side), mix(*tones, 0.4)), Image.fromarray(band)
    )


def clouds(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints smooth noise, like a background out of focus."""
    cells = int(rng.integers(4, 12))
    noise = Image.fromarray(rng.integers(0, 200, (cells, cells), dtype=np.uint8))
    blend = noise.resize((side, side), Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", (side, side), tones[1]), plain(side, tones, rng), blend)


BACKGROUNDS: tuple[Callable[[int, Tones, np.random.Generator], Image.Image], ...] = (
    plain,
    gradient,
    landscape,
    foliage,
    stripes,
    clouds,
)


def paint_background(side: int, tones: Tones, rng: np.random.Generator) -> Image.Image:
    """Paints a random background, `side` pixels wide and high."""
    return BACKGROUNDS[rng.integers(len(BACKGROUNDS))](side, tones, rng)


def plant_leaves(image: Image.Image, colour: Colour, rng: np.random.Generator) -> None:
    """Draws a few leaves from the lower edge, in front of everything else."""
    draw, side = ImageDraw.Draw(image), image.width
    root = rng.uniform(0, 1)
    for shift, lean, height, shade in rng.uniform((-0.2, -0.1, 0.1, 0), (0.2, 0.1, 0.24, 0.4), (7, 4)):
        foot, waist, y = root + shift, root + shift + lean / 3, 1 - height / 2
        left, right = ((foot - 0.035, 1), (waist - 0.025, y)), ((waist + 0.025, y), (foot + 0.035, 1))
        blade = (*left, (foot + lean, 1 - height), *right)
        draw.polygon([(side * x, side * y) for x, y in blade], fill=mix(colour, INK, shade))


def photograph(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Returns the image as a camera might take it: light from one side, contrast, a little blur and noise."""
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7)))
    pixels = np.asarray(image, dtype=np.float64)
    y, x = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j]
    angle, slope, contrast, light, noise = rng.uniform((0, 0, 0.75, -16, 0), (2 * np.pi, 0.15, 1.1, 16, 7))
    pixels *= (1 + slope * (np.cos(angle) * x + np.sin(angle) * y))[..., None]
    pixels = (pixels - 128) * contrast + 128 + light + rng.normal(0, noise, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

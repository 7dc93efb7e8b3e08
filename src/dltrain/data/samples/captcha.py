"""Draws captchas: four distorted characters on a noisy ground, each with its string in the name of its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dltrain.data.samples.on_demand import writing

CHARACTERS = "234679ACDEFHJKLMNPRTUVWXY"  # without those that look alike
PLACES = 4
WIDTH, HEIGHT = 100, 40  # pixels
SHARPER = 2  # times the size in which they are drawn


def draw_captchas(folder: Path, count: int, seed: int) -> None:
    """Draws the first `count` captchas of a seed into a folder, those that are not there yet.

    Raises:
        OSError: a file cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            text = "".join(rng.choice(list(CHARACTERS), PLACES))
            path = folder / name_of(text, number)
            if not path.exists():
                captcha(text, rng).save(path)


def names_of_captchas(count: int, seed: int) -> list[str]:
    """Returns the names of the files of the first `count` captchas of a seed."""
    strings = ("".join(np.random.default_rng((seed, at)).choice(list(CHARACTERS), PLACES)) for at in range(count))
    return [name_of(text, number) for number, text in enumerate(strings)]


def name_of(text: str, number: int) -> str:
    """Returns the name of a captcha's file."""
    return f"{text}_{number:05d}.png"


def captcha(text: str, rng: np.random.Generator) -> Image.Image:
    """Returns a grey image `WIDTH` × `HEIGHT` of a string: turned, bent, crossed by lines, with noise."""
    width, height = SHARPER * WIDTH, SHARPER * HEIGHT
    ground, ink = int(rng.integers(170, 256)), int(rng.integers(0, 100))
    sheet = Image.new("L", (width, height), 0)
    step = width / (len(text) + 0.4)
    for place, character in enumerate(text):
        letter = _letter(character, rng)
        left = step * (place + 0.2) + rng.uniform(-0.16, 0.16) * step + (step - letter.width) / 2
        top = (height - letter.height) / 2 + rng.uniform(-0.14, 0.14) * height
        sheet.paste(255, (round(left), round(top)), letter)
    pen = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(1, 4))):
        ends = [(0, rng.uniform(0, height)), (width, rng.uniform(0, height))]
        pen.line(ends, fill=int(rng.integers(120, 256)), width=int(rng.integers(1, 4)))
    ink_at = np.asarray(_bent(sheet, rng).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), dtype=float) / 255
    shade = ground + rng.uniform(-25, 25) * np.linspace(-1, 1, WIDTH)[None]
    pixels = shade * (1 - ink_at) + ink * ink_at + rng.normal(0, rng.uniform(4, 22), (HEIGHT, WIDTH))
    specks = rng.random((HEIGHT, WIDTH)) < rng.uniform(0, 0.04)
    pixels[specks] = rng.integers(0, 256, int(specks.sum()))
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _letter(character: str, rng: np.random.Generator) -> Image.Image:
    """Returns a character as a mask, in Pillow's own font, in a random size and turned by up to 28 degrees."""
    size = SHARPER * HEIGHT * rng.uniform(0.55, 0.8)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(character)
    letter = Image.new("L", (round(right - left) + 2, round(bottom - top) + 2), 0)
    ImageDraw.Draw(letter).text((1 - left, 1 - top), character, fill=255, font=font)
    return letter.rotate(rng.uniform(-28, 28), Image.Resampling.BICUBIC, expand=True)


def _bent(sheet: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Returns the image with its columns moved up and down, and its rows left and right, by a wave each."""
    pixels = np.asarray(sheet.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8))))
    height, width = pixels.shape
    rows, columns = np.indices(pixels.shape)
    up = rng.uniform(0, 0.07) * height * np.sin(2 * np.pi * (columns / width * rng.uniform(0.6, 1.8) + rng.random()))
    aside = rng.uniform(0, 0.03) * width * np.sin(2 * np.pi * (rows / height * rng.uniform(0.6, 1.4) + rng.random()))
    moved = (rows + up).round().astype(int), (columns + aside).round().astype(int)
    inside = (moved[0] >= 0) & (moved[0] < height) & (moved[1] >= 0) & (moved[1] < width)
    return Image.fromarray(np.where(inside, pixels[moved[0].clip(0, height - 1), moved[1].clip(0, width - 1)], 0))

"""Images to pixels: whatever is in the file, upright and eight bits deep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from dltrain.kinds.image.decoding import decode_all
from dltrain.kinds.image.pixels import (
    CentreCrop,
    Decoding,
    Filter,
    Normalize,
    channel_statistics,
    read_image,
    read_resize,
    resize_image,
    stack,
)

RED, BLUE = (220, 30, 40), (20, 40, 210)


def halves(width: int = 40, height: int = 24) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def read(image: Image.Image, path: Path, size: int = 8, channels: Any = None, **options: Any) -> np.ndarray:
    image.save(path, **options)
    return read_image(path, size, channels)


def assert_near(pixel: np.ndarray, colour: tuple[int, ...], tolerance: int = 12) -> None:
    assert np.abs(pixel.astype(int) - colour).max() <= tolerance, (pixel, colour)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.webp", "a.tif", "a.ppm"])
def test_every_format_gives_the_same_image(tmp_path: Path, name: str) -> None:
    pixels = read(halves(), tmp_path / name)
    assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)
    assert_near(pixels[4, 1], RED)
    assert_near(pixels[4, 6], BLUE)


def test_images_are_scaled_and_cropped_around_the_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (90, 30), RED)
    image.paste(BLUE, (30, 0, 60, 30))
    high = image.transpose(Image.Transpose.ROTATE_90)
    assert_near(read(image, tmp_path / "wide.png", 10)[:, 1:-1].reshape(-1, 3), BLUE)
    assert_near(read(high, tmp_path / "high.png", 10)[1:-1].reshape(-1, 3), BLUE)


def test_a_small_image_is_enlarged(tmp_path: Path) -> None:
    assert read(Image.new("RGB", (1, 1), RED), tmp_path / "a.png", 16).shape == (16, 16, 3)


def test_cmyk(tmp_path: Path) -> None:
    pixels = read(halves().convert("CMYK"), tmp_path / "a.jpg")
    assert_near(pixels[4, 1], RED, 20)
    assert_near(pixels[4, 6], BLUE, 20)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    image = halves().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 20, 24))
    image.paste((*BLUE, 128), (20, 0, 40, 24))
    pixels = read(image, tmp_path / "a.png")
    assert_near(pixels[4, 1], (255, 255, 255), 1)
    assert_near(pixels[4, 6], tuple(round(127 / 255 * 255 + 128 / 255 * value) for value in BLUE), 2)


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_palette_with_a_transparent_colour(tmp_path: Path, name: str) -> None:
    image = Image.new("P", (40, 24), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (20, 0, 40, 24))
    pixels = read(image, tmp_path / name, transparency=0)
    assert_near(pixels[4, 1], (255, 255, 255), 1)
    assert_near(pixels[4, 6], BLUE, 1)


def test_a_palette_with_alpha_for_each_colour(tmp_path: Path) -> None:
    image = Image.new("P", (40, 24), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (20, 0, 40, 24))
    pixels = read(image, tmp_path / "a.png", transparency=bytes([255, 0]))
    assert_near(pixels[4, 1], RED, 1)
    assert_near(pixels[4, 6], (255, 255, 255), 1)


def test_grey_with_alpha_stays_grey(tmp_path: Path) -> None:
    image = Image.new("LA", (20, 20), (10, 255))
    image.paste((10, 0), (10, 0, 20, 20))
    pixels = read(image, tmp_path / "a.png")
    assert pixels.shape == (8, 8, 1)
    assert_near(pixels[4, 1], (10,), 1)
    assert_near(pixels[4, 6], (255,), 1)


def test_one_bit(tmp_path: Path) -> None:
    image = Image.new("1", (40, 24), 0)
    image.paste(1, (20, 0, 40, 24))
    pixels = read(image, tmp_path / "a.png")
    assert pixels.shape == (8, 8, 1)
    assert_near(pixels[4, 1], (0,), 1)
    assert_near(pixels[4, 6], (255,), 1)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE, BLUE)]
    pixels = read(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert_near(pixels.reshape(-1, 3), RED, 2)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize(
    ("orientation", "corners"),  # which stored corner, clockwise from the upper left, is to be the upper left one
    [(1, "0123"), (2, "1032"), (3, "2301"), (4, "3210"), (5, "0321"), (6, "3012"), (7, "2103"), (8, "1230")],
)
def test_images_are_turned_upright(tmp_path: Path, name: str, orientation: int, corners: str) -> None:
    colours = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (255, 255, 255)]
    image = Image.new("RGB", (40, 40))
    for colour, place in zip(colours, ((0, 0), (20, 0), (20, 20), (0, 20)), strict=True):
        image.paste(colour, (*place, place[0] + 20, place[1] + 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read(image, tmp_path / name, 10, exif=exif, **({"quality": 95} if name == "a.jpg" else {}))
    for (row, column), corner in zip(((1, 1), (1, 8), (8, 8), (8, 1)), corners, strict=True):
        assert_near(pixels[row, column], colours[int(corner)], 20)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.zeros((16, 16), dtype=np.uint16)
    values[:, 8:] = 32768
    values[:8] += 16384
    pixels = read(Image.fromarray(values), tmp_path / "a.png", 16)
    assert pixels.shape == (16, 16, 1)
    np.testing.assert_allclose(pixels[[0, 0, 15, 15], [0, 15, 0, 15], 0], [64, 191, 0, 128], atol=1)


def test_thirty_two_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 4_000_000, 256, dtype=np.int32).reshape(16, 16)
    pixels = read(Image.fromarray(values), tmp_path / "a.tif", 16)[:, :, 0]
    np.testing.assert_allclose(pixels.ravel(), np.arange(256), atol=1)
    fractions = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    pixels = read(Image.fromarray(fractions), tmp_path / "b.tif", 16)[:, :, 0]
    np.testing.assert_allclose(pixels.ravel(), np.arange(256), atol=1)


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (3, 3), (None, 3)])
def test_colour_images_as_asked(tmp_path: Path, channels: Any, expected: int) -> None:
    assert read(halves(), tmp_path / "a.png", channels=channels).shape == (8, 8, expected)


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (3, 3), (None, 1)])
def test_grey_images_as_asked(tmp_path: Path, channels: Any, expected: int) -> None:
    pixels = read(halves().convert("L"), tmp_path / "a.png", channels=channels)
    assert pixels.shape == (8, 8, expected)
    assert (pixels == pixels[:, :, :1]).all()


def test_decoding_keeps_the_order_and_says_what_it_could_not_read(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(files):
        Image.new("L", (8, 8), number * 10).save(path)
    files[1].write_bytes(b"")
    files[4].write_bytes(b"<html>")
    decoded, bad = decode_all(files, Decoding(8, keep_depth=False))
    assert [None if pixels is None else int(pixels[0, 0, 0]) for pixels in decoded] == [0, None, 20, 30, None, 50]
    assert [path for path, _ in bad] == [files[1], files[4]]
    assert bad[0][1] == "it is empty"
    assert str(tmp_path) not in bad[1][1]
    assert bad[1][1]


def test_grey_images_among_colour_ones_get_three_channels() -> None:
    grey, colour = np.full((4, 5, 1), 9, np.uint8), np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    pixels = stack([grey, colour])
    assert pixels.shape == (2, 3, 4, 5)
    assert (pixels[0] == 9).all()
    np.testing.assert_array_equal(pixels[1].transpose(1, 2, 0), colour)
    assert stack([grey, grey]).shape == (2, 1, 4, 5)
    assert pixels.flags.c_contiguous


def test_channel_statistics_are_numpys() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 9, 7), dtype=np.uint8)
    pixels[:, 1] //= 8
    mean, std = channel_statistics(torch.from_numpy(pixels))
    np.testing.assert_allclose(mean, (pixels / 255).mean(axis=(0, 2, 3)), rtol=1e-10)
    np.testing.assert_allclose(std, (pixels / 255).std(axis=(0, 2, 3)), rtol=1e-10)


@pytest.mark.parametrize("value", [0, 17, 255])
def test_a_flat_channel_has_a_deviation_of_one(value: int) -> None:
    mean, std = channel_statistics(torch.full((3, 1, 4, 4), value, dtype=torch.uint8))
    assert (mean, std) == (pytest.approx((value / 255,)), (1.0,))


def test_normalising_is_what_numpy_computes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), dtype=np.uint8)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 1.0)
    (normalised,) = Normalize(mean, std)((torch.from_numpy(pixels),))
    shape = (1, 3, 1, 1)
    expected = (pixels / 255 - np.reshape(mean, shape)) / np.reshape(std, shape)
    assert normalised.dtype == torch.float32
    np.testing.assert_allclose(normalised, expected, atol=2e-6)


def test_what_normalising_keeps_can_be_used_while_recording_and_while_not() -> None:
    normalize = Normalize((0.123456,), (0.654321,))
    pixels = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    with torch.inference_mode():
        normalize((pixels,))
    weight = torch.ones(1, requires_grad=True)
    (weight * normalize((pixels,))[0]).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("size", [(300, 420), (420, 300), (90, 61)])
@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
def test_a_centre_crop_is_that_of_pretrained_weights(size: tuple[int, int], filter: Filter) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = 127 + 60 * np.sin(rows / 9) + 60 * np.cos(columns / 7)
    image = Image.fromarray(waves.astype(np.uint8)).convert("RGB")
    resized = transforms.Resize(256, transforms.InterpolationMode(filter))(image)
    expected = np.asarray(transforms.CenterCrop(224)(resized), dtype=float)
    ours = np.asarray(resize_image(image, 224, CentreCrop(0.875, filter)), dtype=float)
    assert ours.shape == expected.shape == (224, 224, 3)
    assert np.abs(ours - expected).mean() < 3
    cut = np.asarray(resize_image(image, 224, "crop"), dtype=float)
    assert np.abs(cut - expected).mean() > 10  # the whole shorter side, as data.resize=crop shows it


def test_ways_to_resize_are_read_from_words_and_mappings() -> None:
    assert read_resize("pad") == "pad"
    assert read_resize({"share": 0.9, "filter": "bicubic"}) == CentreCrop(0.9, "bicubic")
    assert read_resize({"share": 1}) == CentreCrop(1.0, "bilinear")
    for wrong in ({"filter": "bicubic"}, {"share": 0}, {"share": 1.5}, {"share": 0.9, "filter": "best"}):
        with pytest.raises((KeyError, ValueError)):
            read_resize(wrong)

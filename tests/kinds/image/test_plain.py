"""Plain JPEG and PNG files, decoded without Pillow's reading of their headers: the same pixels, or left to Pillow."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dltrain.kinds.image import pixels
from dltrain.kinds.image.decoding import decode_each
from dltrain.kinds.image.plain import decode_plain, read_jpeg_header
from dltrain.kinds.image.shapes import sizes_of

SIZES = ((1, 1), (7, 5), (64, 48), (130, 33), (300, 290))


def encode(width: int, height: int, mode: str, kind: str, **options: Any) -> bytes:
    random = np.random.default_rng(width * height)
    small = Image.fromarray(random.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def jpegs() -> Iterator[bytes]:
    for (width, height), quality, several in itertools.product(SIZES, (30, 95), (False, True)):
        options: dict[str, Any] = {"quality": quality, "progressive": several, "optimize": several}
        options |= {"comment": b"a comment", "restart_marker_blocks": 3} if several else {}
        for subsampling in (0, 1, 2):
            yield encode(width, height, "RGB", "JPEG", subsampling=subsampling, **options)
        yield encode(width, height, "L", "JPEG", **options)


def pngs() -> Iterator[bytes]:
    for (width, height), mode in itertools.product(SIZES, ("RGB", "L")):
        yield encode(width, height, mode, "PNG", dpi=(72, 72))


def both_ways(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Returns the pixels of a file, or why it cannot be read, as it is read and as Pillow alone would read it."""
    decoding = pixels.Decoding(size)
    ways = [*decode_each([path], decoding)]
    with monkeypatch.context() as changed:
        changed.setattr(pixels, "decode_plain", lambda *arguments: None)
        return [*ways, *decode_each([path], decoding)]


def test_plain_files_have_the_pixels_that_pillow_gives_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    for content, size in itertools.product([*jpegs(), *pngs()], (8, 32)):
        assert decode_plain(content, (2 * size, 2 * size)) is not None
        path.write_bytes(content)
        plain, pillow = both_ways(path, size, monkeypatch)
        assert plain.shape == pillow.shape
        assert np.array_equal(plain, pillow)


def test_what_may_change_pixels_is_left_to_pillow() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    others = [
        encode(40, 30, "CMYK", "JPEG"),
        encode(40, 30, "RGB", "JPEG", exif=exif),
        encode(40, 30, "RGB", "PNG", exif=exif),
        encode(40, 30, "RGB", "JPEG", icc_profile=b"a profile"),
        *(encode(40, 30, mode, "PNG") for mode in ("P", "RGBA", "LA", "1")),
        encode(40, 30, "RGB", "BMP"),
        b"",
    ]
    assert [decode_plain(content, (16, 16)) for content in others] == [None] * len(others)


def test_damaged_files_are_read_or_refused_as_by_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, chance = tmp_path / "a.jpg", random.Random(0)
    whole = [content for content in (*jpegs(), *pngs()) if len(content) < 10_000]
    for _ in range(400):
        content = bytearray(chance.choice(whole))
        if chance.random() < 0.3:
            del content[chance.randrange(1, len(content)) :]
        for _ in range(chance.choice((1, 1, 4))):
            content[chance.randrange(min(len(content), chance.choice((700, 10_000))))] = chance.randrange(256)
        path.write_bytes(content)
        plain, pillow = both_ways(path, 16, monkeypatch)
        assert np.array_equal(plain, pillow), content


def test_sizes_of_plain_files_are_read_from_their_headers(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(40, 30, "RGB", "JPEG"))
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "b.jpg").write_bytes(encode(40, 30, "RGB", "JPEG", exif=exif))
    assert read_jpeg_header((tmp_path / "a.jpg").read_bytes()[:4096]) == (40, 30, 3)
    assert sizes_of([tmp_path / "a.jpg", tmp_path / "b.jpg"]) == [(30, 40), (40, 30)]

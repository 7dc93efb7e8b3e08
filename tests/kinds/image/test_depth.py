"""Images of more than 8 bits keep their contrast: by a range that is fitted to the training images and recorded."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from dltrain.errors import DataError
from dltrain.kinds.image.depth import Window, fit_window
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.load import images
from dltrain.types import Data, Facts

SIZE = 16


def scan(random: np.random.Generator, lesion: bool, low: float, noise: float, signal: float) -> NDArray[np.float64]:
    """A noisy square, with a brighter spot if there is a lesion."""
    values = low + noise * random.standard_normal((SIZE, SIZE))
    if lesion:
        values[4:9, 5:10] += signal
    return values


def save_signed(values: NDArray[np.int16], path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[339] = 2  # the sample format: signed
    Image.fromarray(values.view(np.uint16)).save(path, tiffinfo=tags)


def save_deep_colours(values: NDArray[np.uint16], path: Path) -> None:
    """Writes a PNG of three times 16 bits, which Pillow cannot write."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in [*chunks, (b"IEND", b"")]:
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(content)


FORMS: dict[str, tuple[tuple[float, float, float], Callable[[Any, Path], None]]] = {
    "12 bits in 16.png": ((900, 10, 150), lambda v, path: Image.fromarray(v.astype(np.uint16)).save(path)),
    "8 bits in 16.tif": ((90, 5, 60), lambda v, path: Image.fromarray(v.astype(np.uint16)).save(path)),
    "32 bits.tif": ((-900, 20, 300), lambda v, path: Image.fromarray(v.astype(np.int32)).save(path)),
    "signed 16 bits.tif": ((-900, 20, 300), lambda v, path: save_signed(v.astype(np.int16), path)),
    "floats.tif": ((0.3, 0.01, 0.2), lambda v, path: Image.fromarray(v.astype(np.float32)).save(path)),
    "colours.png": (
        (900, 10, 150),
        lambda v, path: save_deep_colours(np.repeat(v[..., None], 3, 2).astype(np.uint16), path),
    ),
}


def draw(folder: Path, form: str, count: int = 12) -> Path:
    """Healthy and diseased scans of one form."""
    (low, noise, signal), save = FORMS[form]
    random = np.random.default_rng(0)
    for name in ("healthy", "lesion"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            save(scan(random, name == "lesion", low, noise, signal), folder / name / f"{number}{Path(form).suffix}")
    return folder


def load(folder: Path, **options: Any) -> Data:
    return images(path=str(folder), **({"size": SIZE} | options))


def read_back(data: Data) -> ImageEncoder:
    return ImageEncoder.of(Facts.from_json(json.loads(json.dumps(asdict(data.facts)))))


@pytest.mark.parametrize("form", FORMS)
def test_every_depth_keeps_its_contrast(tmp_path: Path, form: str) -> None:
    data = load(draw(tmp_path / "scans", form))
    (low, noise, signal), _ = FORMS[form]
    train = data.splits["train"]
    pixels = train.inputs[0].float()
    spot, around = pixels[:, :, 4:9, 5:10].mean(dim=(1, 2, 3)), pixels[:, :, 10:, :].mean(dim=(1, 2, 3))
    gained = (spot - around)[train.target == 1]
    assert 80 < gained.mean() < 230  # of 255
    assert (spot - around)[train.target == 0].abs().max() < 30
    (black, white) = data.facts.preprocessing["window"]
    assert low - 6 * noise < black < low
    assert low + signal < white < low + signal + 6 * noise
    assert any("more than 8 bits: values from" in note for note in data.notes)


@pytest.mark.parametrize("form", FORMS)
def test_new_images_are_scaled_as_in_training(tmp_path: Path, form: str) -> None:
    folder = draw(tmp_path / "scans", form)
    data = load(folder)
    encoder = read_back(data)
    for split in data.splits.values():
        encoded = encoder.encode([folder / name for name in split.ids])
        assert torch.equal(encoded.inputs[0], split.inputs[0])
        assert encoded.unreadable == ()


def test_a_new_image_beyond_the_range_of_the_training_images_is_remarked(tmp_path: Path) -> None:
    data = load(draw(tmp_path / "scans", "12 bits in 16.png"))
    low, high = data.facts.preprocessing["window"]
    beyond = np.full((SIZE, SIZE), high + 100, dtype=np.uint16)
    within = beyond.copy()
    within[3, 3] = low + 1
    for name, values in (("beyond", beyond), ("within", within)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    remarks = read_back(data).encode([tmp_path / "beyond.png", tmp_path / "within.png"]).remarks
    assert [len(each) for each in remarks] == [1, 0]
    assert str(remarks[0][0]) == f"no value lies between {low:g} and {high:g}: from {high + 100:g} to {high + 100:g}"
    assert [len(each) for each in read_back(data).encode(np.stack([within, beyond])).remarks] == [0, 1]


def test_a_few_odd_values_do_not_decide_the_range(tmp_path: Path) -> None:
    folder = draw(tmp_path / "scans", "12 bits in 16.png")
    for path in folder.rglob("*.png"):
        values = np.asarray(Image.open(path)).copy()
        values[0, 0] = 4095
        Image.fromarray(values).save(path)
    assert load(folder).facts.preprocessing["window"][1] < 1300


def test_the_window_can_be_given_for_any_depth(tmp_path: Path) -> None:
    folder = draw(tmp_path / "scans", "12 bits in 16.png")
    data = load(folder, window=[800, 1200])
    assert data.facts.preprocessing["window"] == [800.0, 1200.0]
    assert float(data.splits["train"].inputs[0].float().mean()) == pytest.approx((910 - 800) / 400 * 255, abs=8)
    for path in folder.rglob("*.png"):
        Image.new("L", (SIZE, SIZE), 100).save(path)
    assert (load(folder, window=[50, 150]).splits["train"].inputs[0] == 128).all()
    for wrong in ([5], [9, 3], [0, float("nan")]):
        with pytest.raises(DataError, match="is no range of values"):
            load(folder, window=wrong)


def test_images_of_8_bits_among_deeper_ones_need_a_window(tmp_path: Path) -> None:
    folder = draw(tmp_path / "scans", "12 bits in 16.png")
    for number in range(6):
        Image.new("L", (SIZE, SIZE), 40 * number).save(folder / "healthy" / f"more{number}.png")
    with pytest.raises(DataError, match=r"training images have 8 bits, and .* have more") as refused:
        load(folder)
    assert refused.value.override.startswith("data.window=[")


def test_full_16_bits_and_8_bits_have_one_scale(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(8):
            grey = random.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
            image = grey.astype(np.uint16) * 257 if number % 2 else grey
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")
    data = load(tmp_path)
    assert data.facts.preprocessing["window"] == [0.0, 65535.0]
    for split in data.splits.values():
        for pixels, name in zip(split.inputs[0], split.ids, strict=True):
            raw = np.asarray(Image.open(tmp_path / name)).astype(np.float64)
            expected = raw / (257 if raw.max() > 255 else 1)
            np.testing.assert_allclose(pixels[0].numpy(), expected, atol=1)


def test_another_depth_than_in_training_costs_a_remark(tmp_path: Path) -> None:
    deep = draw(tmp_path / "deep", "12 bits in 16.png")
    shallow = tmp_path / "shallow"
    for name in ("healthy", "lesion"):
        (shallow / name).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (SIZE, SIZE), 20 * number).save(shallow / name / f"{number}.png")
    files = [deep / "healthy" / "0.png", shallow / "healthy" / "1.png"]
    encoded = read_back(load(deep)).encode(files)
    assert encoded.unreadable == (1,)
    assert encoded.remarks[1][0].cell == "it has 8 bits, and the training images had more"
    encoded = read_back(load(shallow)).encode(files)
    assert encoded.unreadable == (0,)
    assert encoded.remarks[0][0].cell == "it has more than the 8 bits that the training images had"


def test_runs_of_older_versions_scale_as_they_did(tmp_path: Path) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 32768, dtype=np.uint16)).save(tmp_path / "deep.png")
    stored = {"mean": [0.5], "std": [0.2], "size": [SIZE, SIZE], "channels": 1}
    encoder = ImageEncoder.of(Facts("image", "classification", (1, SIZE, SIZE), preprocessing=stored))
    assert (encoder.encode([tmp_path / "deep.png"]).inputs[0] == 128).all()


def test_values_that_are_no_numbers_become_black() -> None:
    image = np.array([[np.nan, 0.0], [1.0, np.inf]], dtype=np.float32)[..., None]
    window, _ = fit_window([image], 0, None)
    assert window == Window(0.0, 1.0)
    assert window(image)[..., 0].tolist() == [[0, 0], [255, 255]]


def test_a_constant_image_has_a_range() -> None:
    image = np.full((4, 4, 1), 7.0, dtype=np.float32)
    window, _ = fit_window([image], 0, None)
    assert window is not None
    assert (window(image) == 0).all()


def test_a_colour_tiff_whose_bits_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = draw(tmp_path / "scans", "8 bits in 16.tif")
    values = np.full((SIZE, SIZE, 3), 900, dtype="<u2")
    tags = [(256, SIZE), (257, SIZE), (258, 122), (259, 1), (262, 2), (273, 128), (277, 3), (278, SIZE)]
    tags.append((279, values.nbytes))
    entries = b"".join(struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value) for tag, value in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries
    (folder / "healthy" / "colours.tif").write_bytes(
        head + bytes(122 - len(head)) + struct.pack("<3H", 16, 16, 16) + values.tobytes()
    )
    with pytest.raises(
        DataError, match=r"colours\.tif \(it has 16 bits a colour, of which only the upper 8 can be read"
    ):
        load(folder)

"""What the encoder that was fitted makes of images, and what the one that a run folder gives back makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dltrain.errors import DataError
from dltrain.inference.inputs import open_input
from dltrain.kinds.image.digits import digits
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.load import image_data, images
from dltrain.kinds.kind import kind_of
from dltrain.types import Data, Encoder, Facts


def draw(folder: Path, modes: Sequence[str], count: int = 12) -> Path:
    """Draws images that are not square, a folder a class, one mode after the other."""
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            mode = modes[number % len(modes)]
            image = Image.fromarray(random.integers(0, 256, (20, 30, 4), dtype=np.uint8), "RGBA").convert(mode)
            image.save(folder / label / f"{number}.{'png' if mode != 'RGB' or number % 2 else 'jpg'}")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Two classes of images that are not square, one grey among colour."""
    return images(path=str(draw(tmp_path, ["RGB", "RGB", "RGB", "L"])), size=16, resize="pad")


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[ImageEncoder]:
    """The encoders that are fitted while a test runs."""
    encoders: list[ImageEncoder] = []
    fit = ImageEncoder.fit

    def fit_and_keep(*pixels: Any, **settings: Any) -> ImageEncoder:
        encoders.append(fit(*pixels, **settings))
        return encoders[-1]

    monkeypatch.setattr(ImageEncoder, "fit", fit_and_keep)
    return encoders


def read_back(data: Data) -> Encoder:
    """The encoder that a run folder gives back."""
    return kind_of(data.facts).encoder(Facts.from_json(json.loads(json.dumps(asdict(data.facts)))))


def assert_encoded_as_in_training(encoder: Encoder, folder: Path, data: Data) -> None:
    assert encoder.prepare is not None and data.prepare is not None
    for split in data.splits.values():
        files = [folder / name for name in split.ids]
        encoded = encoder.encode(files)
        assert torch.equal(encoded.inputs[0], split.inputs[0])
        assert torch.equal(encoder.prepare(encoded.inputs)[0], data.prepare(split.inputs)[0])
        assert torch.equal(encoder.targets(files), split.target)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(
    ("modes", "channels"),
    [(["RGB", "L", "RGBA", "LA", "P"], None), (["L", "LA"], None), (["RGB", "L", "RGBA"], 1), (["L", "LA"], 3)],
)
def test_files_are_encoded_by_what_was_fitted_and_as_in_training(
    resize: Any, modes: list[str], channels: Any, tmp_path: Path, fitted: list[ImageEncoder]
) -> None:
    draw(tmp_path, modes)
    data = images(path=str(tmp_path), size=16, resize=resize, channels=channels)
    assert fitted == [read_back(data)]
    for encoder in (*fitted, read_back(data)):
        assert_encoded_as_in_training(encoder, tmp_path, data)


def test_folders_of_splits_are_encoded_as_in_training(tmp_path: Path, fitted: list[ImageEncoder]) -> None:
    for name in ("train", "val", "test"):
        draw(tmp_path / name, ["RGB", "L"], count=4)
    (tmp_path / "train" / "cat" / "bad.png").write_text("hello")
    data = images(path=str(tmp_path), size=8, on_bad="skip")
    for encoder in (*fitted, read_back(data)):
        assert_encoded_as_in_training(encoder, tmp_path, data)


def test_a_class_folder_below_another_is_part_of_it_as_in_training(tmp_path: Path) -> None:
    draw(tmp_path, ["RGB"])
    (tmp_path / "dog" / "cat").mkdir()
    for name in ("0.jpg", "2.jpg", "4.jpg"):
        (tmp_path / "dog" / name).rename(tmp_path / "dog" / "cat" / name)
    data = images(path=str(tmp_path), size=8, val_fraction=0.0, test_fraction=0.0)
    (train,) = data.splits.values()
    encoder = read_back(data)
    (part,) = open_input(str(tmp_path), encoder).parts
    assert list(part) == [str(tmp_path / name) for name in train.ids]
    assert torch.equal(encoder.targets(part), train.target)
    (dogs,) = open_input(str(tmp_path / "dog"), encoder).parts
    assert sorted(encoder.targets(dogs).tolist()) == [0] * 3 + [1] * 9


def test_a_folder_outside_the_one_that_is_given_is_no_class(data: Data, tmp_path: Path) -> None:
    (tmp_path / "cat" / "holiday").mkdir()
    (tmp_path / "cat" / "1.png").rename(tmp_path / "cat" / "holiday" / "1.png")
    (unlabelled,) = open_input(str(tmp_path / "cat" / "holiday"), read_back(data)).parts
    with pytest.raises(DataError, match="has the name of a class"):
        read_back(data).targets(unlabelled)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixels_of_digits_are_encoded_as_in_training(channels: Any) -> None:
    from sklearn.datasets import load_digits

    data = digits(channels=channels)
    pixels = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    encoded = read_back(data).encode(pixels).inputs[0]
    for split in data.splits.values():
        assert torch.equal(encoded[[int(row) for row in split.ids]], split.inputs[0])


def test_images_that_are_not_square_keep_their_shape(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3, 8, 20), dtype=np.uint8)
    parts = {"train": np.arange(8), "test": np.arange(8, 12)}
    data = image_data(pixels, np.arange(12) % 2, ["a", "b"], parts, [str(row) for row in range(12)])
    encoder = read_back(data)
    assert torch.equal(encoder.encode(pixels.transpose(0, 2, 3, 1)).inputs[0][:8], data.splits["train"].inputs[0])
    Image.fromarray(pixels[9].transpose(1, 2, 0)).save(tmp_path / "9.png")
    assert torch.equal(encoder.encode([tmp_path / "9.png"]).inputs[0][0], data.splits["test"].inputs[0][1])


def test_arrays_of_pixels_are_brought_to_size(data: Data) -> None:
    encoder = read_back(data)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3), dtype=np.uint8)
    assert encoder.encode(pixels).inputs[0].shape == (2, 3, 16, 16)
    assert encoder.encode(pixels[..., 0]).inputs[0].shape == (2, 3, 16, 16)
    with pytest.raises(DataError, match="float64"):
        encoder.encode(pixels / 255)


def test_what_is_no_image_is_named(data: Data, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("hello")
    encoded = read_back(data).encode([tmp_path / "bad.jpg", tmp_path / "cat" / "1.png", tmp_path / "gone.png"])
    assert encoded.unreadable == (0, 2)
    assert [len(remarks) for remarks in encoded.remarks] == [1, 0, 1]
    assert str(encoded.remarks[0][0]) == "the image cannot be read: cannot identify image file"
    assert encoded.remarks[2][0].cell == "there is no such file"
    with pytest.raises(DataError, match=r"the image cannot be read: .*bad\.jpg \(cannot identify"):
        read_back(data).encode([tmp_path / "bad.jpg"])


def test_a_file_below_no_class_folder_has_no_target(data: Data, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder of .* has the name of a class"):
        read_back(data).targets([tmp_path / "owl" / "1.png"])
    with pytest.raises(DataError, match="an array has no labels"):
        read_back(data).targets(np.zeros((1, 8, 8), dtype=np.uint8))


def test_facts_that_do_not_say_how_images_were_prepared_are_refused(data: Data) -> None:
    whole = data.facts.preprocessing
    for key, value in (("size", [16]), ("mean", 3), ("std", ["x"]), ("channels", None)):
        facts = Facts("image", "classification", (3, 16, 16), preprocessing={**whole, key: value})
        with pytest.raises(DataError, match="does not say how images were prepared"):
            ImageEncoder.of(facts)

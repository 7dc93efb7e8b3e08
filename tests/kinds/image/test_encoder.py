from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dltrain.errors import DataError
from dltrain.kinds.image.load import images
from dltrain.kinds.kind import encoder_of
from dltrain.types import Data, Facts


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Two classes of pictures that are not square, one grey among colour."""
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(12):
            pixels = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            image = Image.fromarray(pixels)
            (image.convert("L") if number == 3 else image).save(tmp_path / label / f"{number}.png")
    return images(path=str(tmp_path), size=16, resize="pad")


def stored(data: Data) -> Facts:
    """The facts as a run folder gives them back."""
    return Facts.from_json(json.loads(json.dumps(asdict(data.facts))))


def test_pictures_are_encoded_as_in_training(data: Data, tmp_path: Path) -> None:
    test = data.splits["test"]
    encoder = encoder_of(stored(data))
    encoded = encoder.encode([tmp_path / name for name in test.ids])
    assert torch.equal(encoded.inputs[0], test.inputs[0])
    assert encoder.prepare is not None and data.prepare is not None
    assert torch.equal(encoder.prepare(encoded.inputs)[0], data.prepare(test.inputs)[0])
    assert torch.equal(encoder.target([tmp_path / name for name in test.ids]), test.target)


def test_arrays_of_pixels_are_brought_to_size(data: Data) -> None:
    encoder = encoder_of(stored(data))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3), dtype=np.uint8)
    assert encoder.encode(pictures).inputs[0].shape == (2, 3, 16, 16)
    assert encoder.encode(pictures[..., 0]).inputs[0].shape == (2, 3, 16, 16)
    with pytest.raises(DataError, match="float64"):
        encoder.encode(pictures / 255)


def test_what_is_no_picture_is_named(data: Data, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"1 of 2 pictures cannot be read: .*bad\.jpg"):
        encoder_of(stored(data)).encode([tmp_path / "bad.jpg", tmp_path / "cat" / "0.png"])

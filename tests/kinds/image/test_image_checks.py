"""Copies, blank and tiny images, and copies with another label: found, with their files, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dltrain.kinds.checks import Finding
from dltrain.kinds.image import duplicates
from dltrain.kinds.image.duplicates import find_copies
from dltrain.kinds.image.load import image_data, images
from dltrain.kinds.kind import kind_of
from dltrain.types import Data

torch.set_num_threads(1)


def photo(seed: int, size: tuple[int, int] = (120, 96)) -> Image.Image:
    """Smooth random colours with a few edges and some noise, as a photo has them."""
    random = np.random.default_rng(seed)
    colours = Image.fromarray(random.integers(0, 256, (5, 6, 3)).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    pixels = np.asarray(colours).astype(np.int64)
    top, left = random.integers(5, size[1] // 2), random.integers(5, size[0] // 2)
    pixels[top : top + 30, left : left + 25] = random.integers(0, 256, 3)
    return Image.fromarray((pixels + random.integers(-9, 10, pixels.shape)).clip(0, 255).astype(np.uint8))


def write(folder: Path, count: int = 12, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A folder with splits, train and test."""
    for number, (split, label) in enumerate((split, label) for split in ("train", "test") for label in classes):
        (folder / split / label).mkdir(parents=True)
        for index in range(count):
            photo(1000 * number + index).save(folder / split / label / f"{index}.png")
    return folder


def examine(data: Data) -> list[Finding]:
    return list(kind_of(data.facts).check(data))


def of(findings: list[Finding], words: str) -> list[Finding]:
    return [finding for finding in findings if words in str(finding)]


def changed(image: Image.Image, way: str) -> Image.Image:
    if way == "resized":
        return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    if way == "enlarged":
        return image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=40)
    return Image.open(data)


def test_different_photos_are_no_copies(tmp_path: Path) -> None:
    findings = examine(images(path=str(write(tmp_path / "photos"))))
    assert not of(findings, "=")
    assert not of(findings, "black")
    assert not of(findings, "tiny")


@pytest.mark.parametrize("way", ["compressed", "resized", "enlarged"])
def test_changed_copies_across_splits_are_named(tmp_path: Path, way: str) -> None:
    folder = write(tmp_path / "photos")
    for index in range(3):
        changed(photo(1000 * 2 + index), way).save(folder / "train" / "cat" / f"copy{index}.png")  # of test/cat
    data = images(path=str(folder), val_fraction=0)
    (found,) = of(examine(data), "are also in train")
    assert found.severity == "warning"
    assert "3 of 24 images in test are also in train, 3 of them in another size or compression" in found.what
    for index in range(3):
        assert f"test/cat/{index}.png = train/cat/copy{index}.png" in found.what


def test_equal_copies_across_splits_are_told_from_changed_ones(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos")
    photo(2000).save(folder / "train" / "cat" / "copy.png")
    (found,) = of(examine(images(path=str(folder), val_fraction=0)), "is also in train")
    assert "1 of 24 images in test is also in train: test/cat/0.png = train/cat/copy.png" in found.what


def test_copies_within_train_are_a_note(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos")
    changed(photo(0), "compressed").save(folder / "train" / "cat" / "z1.png")
    changed(photo(0), "resized").save(folder / "train" / "cat" / "z2.png")
    (found,) = of(examine(images(path=str(folder), val_fraction=0)), "of others there")
    assert found.severity == "note"
    assert "2 images in train are copies" in found.what
    assert "train/cat/0.png = train/cat/z1.png = train/cat/z2.png" in found.what


def test_a_copy_with_another_label_is_a_warning(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos")
    changed(photo(0), "resized").save(folder / "train" / "dog" / "copy.png")
    (found,) = of(examine(images(path=str(folder), val_fraction=0)), "with another class")
    assert found.severity == "warning"
    assert "train/cat/0.png (cat) = train/dog/copy.png (dog)" in found.what


def test_black_and_plain_images_are_named_and_are_no_copies(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos")
    for name, colour in (("a", "black"), ("b", "black"), ("c", "white")):
        Image.new("RGB", (80, 80), colour).save(folder / "train" / "cat" / f"{name}.png")
    findings = examine(images(path=str(folder), val_fraction=0))
    (black,), (plain,) = of(findings, "all black"), of(findings, "of one colour")
    assert black.severity == plain.severity == "warning"
    assert "2 images are all black: train/cat/a.png, train/cat/b.png" in black.what
    assert "1 image is of one colour: train/cat/c.png" in plain.what
    assert not of(findings, "copies")


def test_tiny_images_are_named_unless_most_are(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos")
    photo(5000, (60, 60)).resize((9, 7)).save(folder / "train" / "cat" / "small.png")
    (found,) = of(examine(images(path=str(folder))), "tiny")
    assert "1 image is tiny beside 64×64 pixels: train/cat/small.png (9×7)" in found.what
    assert not of(examine(images(path=str(folder), size=24)), "tiny")
    assert not of(examine(images(path=str(folder), size=600)), "tiny")  # where all are small, size is what is wrong


def test_tiny_images_are_copies_only_if_they_are_equal() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (120, 1, 8, 8), dtype=np.uint8)
    pixels[100] = pixels[3]
    pixels[101] = pixels[4] // 2 * 2
    labels = np.arange(120) % 2
    parts = {"train": np.arange(80), "test": np.arange(80, 120)}
    data = image_data(pixels, labels, ["a", "b"], parts, [str(i) for i in range(120)])
    (found,) = of(examine(data), "is also in train")
    assert (found.severity, "1 of 40 images in test" in found.what) == ("warning", True)


def test_of_many_images_all_held_out_ones_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST", 40)
    pixels = np.stack([np.asarray(photo(seed, (48, 48))) for seed in range(60)]).transpose(0, 3, 1, 2)
    pixels[59] = np.asarray(changed(photo(0, (48, 48)), "compressed")).transpose(2, 0, 1)
    parts = {"train": np.arange(50), "test": np.arange(50, 60)}
    data = image_data(np.ascontiguousarray(pixels), np.arange(60) % 2, ["a", "b"], parts, [str(i) for i in range(60)])
    (found,) = of(examine(data), "is also in train")
    assert "59 = 0" in found.what
    assert "looked for among 40 of the images" in found.what


def test_copies_of_copies_are_one_group() -> None:
    chain = [photo(0), changed(photo(0), "compressed"), changed(photo(0), "resized").resize((120, 96))]
    pixels = np.stack([np.asarray(image.convert("RGB")) for image in [*chain, *map(photo, range(1, 30))]])
    copies = find_copies([torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())], np.arange(0))
    assert copies.group[:3].tolist() == [0, 0, 0]
    assert copies.group[3:].tolist() == list(range(3, 32))
    assert copies.exact.tolist() == list(range(32))


def strokes(count: int) -> np.ndarray:
    """Handwritten ones of 28×28 pixels: upright strokes that differ in slant, place, bend and pressure."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:28, :28]
    slant, place = random.normal(size=(2, count, 1, 1)) * np.array([0.04, 0.25]).reshape(2, 1, 1, 1)
    bend, pressure = random.normal(size=(2, count, 7, 1)).repeat(4, axis=2) * 0.15
    from_line = np.abs(columns - 14 - place - bend - slant * (rows - 14)) / (1.4 + pressure.clip(-0.4, 0.4))
    return (255 * np.exp(-(from_line**2)) * ((rows > 4) & (rows < 24))).astype(np.uint8)


def test_small_drawings_that_look_alike_are_no_copies_but_recompressed_ones_are() -> None:
    drawn = strokes(200)
    others = np.random.default_rng(1).integers(0, 256, (200, 7, 7)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    again = np.stack([np.asarray(changed(Image.fromarray(image), "compressed")) for image in others[:20]])
    pixels = torch.from_numpy(np.concatenate([drawn, others, again]))[:, None]
    copies = find_copies([pixels], np.arange(0))
    assert (copies.group[:400] == np.arange(400)).all()
    assert (copies.group[400:] == np.arange(200, 220)).all()


def test_drawings_of_one_form_in_other_tones_are_no_copies() -> None:
    rows, columns = np.mgrid[:48, :48]
    random = np.random.default_rng(0)
    others = [np.asarray(photo(seed, (48, 48)).convert("L")) for seed in range(30)]
    square = (abs(rows - 20) < 12) & (abs(columns - 26) < 9)
    tones = [np.where(square, tone, 60) + random.normal(0, 8, (48, 48)) for tone in (110, 160)]
    pixels = np.stack([*tones, *others]).clip(0, 255).astype(np.uint8)[:, None]
    copies = find_copies([torch.from_numpy(pixels)], np.arange(0))
    assert copies.group.tolist() == list(range(32))


def test_files_of_several_images_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos")
    pages = [photo(seed, (40, 40)) for seed in range(3)]
    for name, kind in (("pages.tif", "cat"), ("frames.gif", "dog")):
        pages[0].save(folder / "train" / kind / name, save_all=True, append_images=pages[1:])
    pages[0].save(folder / "train" / "cat" / "one.tif")
    (found,) = of(examine(images(path=str(folder), val_fraction=0)), "several images")
    assert found.severity == "note"
    assert found.what == (
        "2 files hold several images, of which the first is used: train/cat/pages.tif, train/dog/frames.gif"
    )


def named(folder: Path, group: str | None = None, **columns: Sequence[object]) -> list[str]:
    """What is said of the ids in a table of 60 images, whose splits are cut at random."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for number in range(60):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(folder / "photos" / f"{number}.png")
    frame = pd.DataFrame({"file": [f"{number}.png" for number in range(60)], **columns})
    frame.to_csv(folder / "labels.csv", index=False)
    data = images(path=str(folder / "photos"), labels=str(folder / "labels.csv"), target="dx", size=8, group=group)
    return [str(finding) for finding in examine(data) if "also in train" in finding.what]


def test_images_of_one_patient_in_several_splits_are_said(tmp_path: Path) -> None:
    dx = ["xyz"[n // 4 % 3] for n in range(60)]
    (said,) = named(tmp_path, patient_id=[f"P{n // 4}" for n in range(60)], dx=dx)
    assert "% of the test rows have a patient_id that is also in train, so the result holds for a known" in said
    assert said.endswith("data.group=patient_id")


def test_fewer_images_of_one_lesion_in_several_splits_are_said_too(tmp_path: Path) -> None:
    lesion = [n if n < 40 else n // 2 + 20 for n in range(60)]
    (said,) = named(tmp_path, lesion_id=lesion, dx=["xyz"[n % 3] for n in lesion])
    assert "have a lesion_id that is also in train, so the result may be too good for a new lesion_id" in said


def test_ids_of_classes_cameras_and_single_images_are_no_groups(tmp_path: Path) -> None:
    dx = ["xyz"[n % 3] for n in range(60)]
    camera = [n % 4 for n in range(60)]
    assert not named(tmp_path, dx=dx, class_id=list(map("xyz".index, dx)), camera_id=camera, uid=range(100, 160))


def test_images_that_are_split_by_patient_or_by_a_column_are_not_said(tmp_path: Path) -> None:
    patient, dx = [f"P{n // 4}" for n in range(60)], ["xyz"[n // 4 % 3] for n in range(60)]
    for folder in ("split", "own"):
        (tmp_path / folder).mkdir()
    assert not named(tmp_path / "split", "patient_id", patient_id=patient, dx=dx)
    parts = [["train", "val", "test"][n % 3] for n in range(60)]
    assert not named(tmp_path / "own", patient_id=patient, dx=dx, partition=parts)

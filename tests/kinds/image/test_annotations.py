"""Folders of images that come with masks or boxes, which are no classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dltrain.errors import DataError
from dltrain.kinds.image.load import images


def draw(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(str(folder)))
    for name in names:
        Image.fromarray(random.integers(0, 256, (16, 16, 3)).astype(np.uint8)).save(folder / f"{name}.png")


def draw_masks(folder: Path, names: list[str], suffix: str = ".png", size: int = 16) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.indices((size, size)) - size / 2
    for number, name in enumerate(names):
        disc = rows**2 + columns**2 < (size / 4 + number % 3) ** 2
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / f"{name}{suffix}")


NUMBERS = [f"{number:03d}" for number in range(12)]


@pytest.mark.parametrize("masks", ["masks", "SegmentationClass", "ground_truth", "train_masks", "labels"])
@pytest.mark.parametrize("split", ["", "train"])
def test_masks_of_the_images_in_another_folder_are_no_class(tmp_path: Path, masks: str, split: str) -> None:
    draw(tmp_path / split / "images", NUMBERS)
    draw_masks(tmp_path / split / masks, [f"{name}_mask" for name in NUMBERS])
    with pytest.raises(DataError, match="an image of the same name") as error:
        images(path=str(tmp_path))
    assert error.value.override == "data.folders=classes"


def test_masks_beside_their_images_are_no_samples(tmp_path: Path) -> None:
    for label in ("benign", "malignant"):
        draw(tmp_path / label, [f"{label} ({name})" for name in NUMBERS])
        draw_masks(tmp_path / label, [f"{label} ({name})_mask" for name in NUMBERS])
    with pytest.raises(DataError, match=r"12 of the 24 images in benign are named as masks of others"):
        images(path=str(tmp_path))
    assert len(images(path=str(tmp_path), folders="classes").splits["train"]) > 24


@pytest.mark.parametrize(("folder", "suffix"), [("labels", ".txt"), ("Annotations", ".xml")])
def test_boxes_around_objects_are_no_class(tmp_path: Path, folder: str, suffix: str) -> None:
    draw(tmp_path / "train" / "images", NUMBERS)
    (tmp_path / "train" / folder).mkdir()
    for name in NUMBERS:
        (tmp_path / "train" / folder / f"{name}{suffix}").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DataError, match="boxes around objects"):
        images(path=str(tmp_path))


@pytest.mark.parametrize("form", ["annotations/instances_{}2017.json", "{}2017/_annotations.coco.json"])
def test_boxes_in_one_file_for_all_images_are_no_table(tmp_path: Path, form: str) -> None:
    for split in ("train", "val"):
        draw(tmp_path / f"{split}2017", NUMBERS)
        file = tmp_path / form.format(split)
        file.parent.mkdir(exist_ok=True)
        boxes = [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 4, 4]}]
        file.write_text(json.dumps({"info": {}, "annotations": boxes, "images": [{"file_name": "000.png"}]}))
    with pytest.raises(DataError, match=r"\.json marks objects in the images, as COCO's files do") as error:
        images(path=str(tmp_path))
    assert error.value.override == ""


def test_masks_in_splits_are_refused_with_a_command_that_keeps_the_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        draw(tmp_path / split / "photos", NUMBERS)
        draw_masks(tmp_path / split / "masks", NUMBERS)
    with pytest.raises(DataError, match="an image of the same name") as error:
        images(path=str(tmp_path))
    assert error.value.override == "data.folders=splits"
    data = images(path=str(tmp_path), folders="splits")
    assert data.facts.classes == ("masks", "photos")
    assert len(data.splits["test"]) == 24


@pytest.mark.parametrize("kind", ["jpeg", "palette", "colours"])
def test_masks_are_known_by_their_few_values(tmp_path: Path, kind: str) -> None:
    suffix = ".jpg" if kind == "jpeg" else ".png"
    for number, name in enumerate(NUMBERS):
        (tmp_path / "images").mkdir(exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / "images" / f"{name}.jpg")
    draw_masks(tmp_path / "masks", NUMBERS, suffix, 64)
    for file in (tmp_path / "masks").iterdir():
        if kind != "jpeg":
            with Image.open(file) as mask:
                red = Image.merge("RGB", [mask, Image.new("L", mask.size), Image.new("L", mask.size, 9)])
            (red.convert("P") if kind == "palette" else red).save(file)
    with pytest.raises(DataError, match="an image of the same name"):
        images(path=str(tmp_path))


def test_one_image_that_is_named_as_a_mask_is_a_sample(tmp_path: Path) -> None:
    draw(tmp_path / "cat", [*NUMBERS, "000_label"])
    draw_masks(tmp_path / "cat", ["001_mask"])
    draw(tmp_path / "dog", NUMBERS)
    assert sum(map(len, images(path=str(tmp_path)).splits.values())) == 26


@pytest.mark.parametrize("around", ["", "Images"])
def test_boxes_beside_classes_are_not_used(tmp_path: Path, around: str) -> None:
    for label in ("cats", "dogs"):
        draw(tmp_path / around / label, NUMBERS)
        boxes = tmp_path / "annotations" / (label if around else "")
        boxes.mkdir(parents=True, exist_ok=True)
        for name in NUMBERS:
            (boxes / f"{name}.xml").write_text("<box/>")
    for mean in ("auto", "classes"):
        data = images(path=str(tmp_path), folders=mean)
        assert data.facts.classes == ("cats", "dogs")
        assert "annotations/ holds no images and is not used" in data.notes


@pytest.mark.parametrize(
    "classes",
    [
        ["with_mask", "without_mask"],
        ["label_0", "label_1", "label_2"],
        ["cat", "dog"],
        ["mask", "nomask"],
        ["incorrect", "with_mask", "without_mask"],
        ["glossy", "matte"],
    ],
)
def test_classes_with_files_of_the_same_names_are_classes(tmp_path: Path, classes: list[str]) -> None:
    for label in classes:
        draw(tmp_path / label, NUMBERS)
    assert images(path=str(tmp_path)).facts.classes == tuple(classes)


def test_a_class_named_mask_is_trained_on_if_its_images_have_names_of_their_own(tmp_path: Path) -> None:
    draw(tmp_path / "mask", [f"mask{name}" for name in NUMBERS])
    draw(tmp_path / "face", [f"face{name}" for name in NUMBERS])
    assert images(path=str(tmp_path)).facts.classes == ("face", "mask")


def test_pickles_of_cifar_are_not_opened_but_their_reader_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for path in (folder, tmp_path):
        with pytest.raises(DataError, match="could run code") as error:
            images(path=str(path))
        assert f"data=cifar10 data.root={tmp_path}" in error.value.fix

"""Folders of images: which split and which class, and what to say of what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dltrain.errors import ConfigError, DataError, StorageError
from dltrain.kinds.image import placement
from dltrain.kinds.image.digests import TRAINED, digests, were_trained_on
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.load import animals, images
from dltrain.types import Data


def draw(path: Path, colour: Any = (200, 40, 40), mode: str = "RGB", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (12, 10), colour).save(path, **options)
    return path


def fill(folder: Path, classes: Iterable[str] = ("cat", "dog"), count: int = 10) -> Path:
    """`count` images of each class, each of another shade."""
    for index, name in enumerate(classes):
        for number in range(count):
            draw(folder / name / f"{number:02d}.png", (index * 80, number * 20, 100))
    return folder


def load(folder: Path, **options: Any) -> Data:
    return images(path=str(folder), **({"size": 8} | options))


def sizes(data: Data) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    data = load(fill(tmp_path, ("dog", "cat", "bee")), val_fraction=0.2, test_fraction=0.1)
    assert sizes(data) == {"train": 21, "val": 6, "test": 3}
    assert data.facts.classes == ("bee", "cat", "dog")
    assert data.facts.class_counts == (7, 7, 7)
    assert (data.facts.kind, data.facts.input_shape, data.facts.target) == ("image", (3, 8, 8), "class")
    named = "3 classes, by folder: bee (10), cat (10), dog (10)"
    assert data.notes == (named, "30 images of 8×8 pixels, less than 1 MiB, in memory")
    ids = [name for split in data.splits.values() for name in split.ids]
    assert sorted(ids) == sorted(f"{name}/{number:02d}.png" for name in ("bee", "cat", "dog") for number in range(10))


def test_every_image_has_its_own_pixels_and_its_folders_label(tmp_path: Path) -> None:
    data = load(fill(tmp_path))
    for split in data.splits.values():
        for pixels, label, name in zip(split.inputs[0], split.target, split.ids, strict=True):
            assert data.facts.classes[label] == name.split("/")[0]
            assert pixels[:, 4, 4].tolist() == [int(label) * 80, int(name[4:6]) * 20, 100]


def test_images_may_lie_deeper(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "kittens" / "small.png")
    ids = [name for split in load(tmp_path).splits.values() for name in split.ids]
    assert len(ids) == 21
    assert "cat/kittens/small.png" in ids


def test_train_and_val_alone_test_on_val_and_validate_on_a_part_of_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=20)
    fill(tmp_path / "val", count=5)
    data = load(tmp_path, val_fraction=0.25)
    assert sizes(data) == {"train": 30, "val": 10, "test": 10}
    assert {name.split("/")[0] for name in data.splits["test"].ids} == {"val"}
    assert {name.split("/")[0] for part in ("train", "val") for name in data.splits[part].ids} == {"train"}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_train_val_and_test_folders_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    for folder, count in (("train", 6), (name, 3), ("test", 2)):
        fill(tmp_path / folder, count=count)
    data = load(tmp_path)
    assert sizes(data) == {"train": 12, "val": 6, "test": 4}
    for split, folder in (("train", "train"), ("val", name), ("test", "test")):
        assert {identity.split("/")[0] for identity in data.splits[split].ids} == {folder}


def test_train_and_test_folders_cut_val_from_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=10)
    fill(tmp_path / "test", count=2)
    assert sizes(load(tmp_path, val_fraction=0.2)) == {"train": 16, "val": 4, "test": 4}
    assert sizes(load(tmp_path, val_fraction=0)) == {"train": 20, "test": 4}


def test_a_train_folder_alone_is_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=10)
    assert sizes(load(tmp_path, val_fraction=0.1, test_fraction=0.2)) == {"train": 14, "val": 2, "test": 4}


def test_trains_can_be_a_class(tmp_path: Path) -> None:
    data = load(fill(tmp_path, ("bus", "car", "train")))
    assert data.facts.classes == ("bus", "car", "train")


def test_the_seed_decides_the_split(tmp_path: Path) -> None:
    fill(tmp_path)
    one, again, other = (load(tmp_path, seed=seed).splits["test"].ids for seed in (0, 0, 1))
    assert one == again != other


def test_a_class_of_val_that_train_lacks_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "val", ("cat", "zebra"), 2)
    with pytest.raises(DataError, match="the class zebra of the val split has no images in train"):
        load(tmp_path)


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "zebra").mkdir()
    with pytest.raises(DataError, match="class folder zebra contains no images") as refused:
        load(tmp_path)
    assert ".jpg" in refused.value.fix


def test_a_single_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all images are of one class, cat"):
        load(fill(tmp_path, ("cat",)))


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    with pytest.raises(DataError, match="no folder for each class"):
        load(tmp_path)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist") as refused:
        load(tmp_path / "gone")
    assert refused.value.where == "data.path"
    with pytest.raises(DataError, match="is not a folder"):
        load(draw(tmp_path / "a.png"))


def test_hidden_files_and_other_files_are_ignored_and_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "._00.png")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "dog" / "labels.csv").write_text("a,b")
    (tmp_path / "readme.txt").write_text("beside the classes")
    draw(tmp_path / ".cache" / "00.png")
    data = load(tmp_path)
    assert sum(sizes(data).values()) == 20
    assert data.notes[1:-1] == (
        "ignored 2 hidden files and thumbnails, such as .cache/00.png",
        "ignored 2 files that are no images, such as readme.txt",
    )


def test_images_in_hidden_folders_are_ignored(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / ".ipynb_checkpoints" / "00-checkpoint.png")
    assert sum(sizes(load(tmp_path)).values()) == 20


def test_suffixes_in_capitals_are_images_too(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "IMG.JPG")
    assert sum(sizes(load(tmp_path)).values()) == 21


def break_some(folder: Path) -> Path:
    """An empty file, half a JPEG, and a text under an image's name."""
    fill(folder)
    (folder / "cat" / "empty.png").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(half := folder / "cat" / "half.jpg")
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    (folder / "dog" / "text.jpg").write_text("<!DOCTYPE html>")
    return folder


def test_images_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 of 23 images cannot be read") as refused:
        load(break_some(tmp_path))
    assert "cat/empty.png (it is empty)" in refused.value.what
    assert "cat/half.jpg (" in refused.value.what
    assert "truncated" in refused.value.what
    assert "dog/text.jpg (cannot identify image file)" in refused.value.what
    assert refused.value.override == "data.on_bad=skip"
    assert str(tmp_path) not in refused.value.what


def test_images_that_cannot_be_read_are_left_out_on_demand(tmp_path: Path) -> None:
    data = load(break_some(tmp_path), on_bad="skip")
    assert sum(sizes(data).values()) == 20
    assert data.notes == (
        "2 classes, by folder: cat (10), dog (10)",
        "left out 3 images that cannot be read: cat/empty.png, cat/half.jpg, dog/text.jpg",
        "20 images of 8×8 pixels, less than 1 MiB, in memory",
    )
    for split in data.splits.values():
        for pixels, label, name in zip(split.inputs[0], split.target, split.ids, strict=True):
            assert data.facts.classes[label] == name.split("/")[0]
            assert pixels[:, 4, 4].tolist() == [int(label) * 80, int(name[4:6]) * 20, 100]


@pytest.mark.parametrize("storage", ["cache", "stream"])
def test_images_that_are_left_out_are_counted_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    notes = load(break_some(tmp_path / "set"), on_bad="skip", storage=storage).notes
    assert notes[0] == "2 classes, by folder: cat (10), dog (10)"
    assert any(note.startswith("20 images of 8×8 pixels") for note in notes)


def test_at_most_ten_images_are_named(tmp_path: Path) -> None:
    fill(tmp_path)
    for number in range(13):
        (tmp_path / "cat" / f"bad{number:02d}.png").write_bytes(b"")
    with pytest.raises(DataError, match="13 of 33 images cannot be read") as refused:
        load(tmp_path)
    assert refused.value.what.count("it is empty") == 10
    assert refused.value.what.endswith("; ...")


def test_a_class_of_which_no_image_can_be_read_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    for path in (tmp_path / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no image of the class dog can be read"):
        load(tmp_path, on_bad="skip")


def test_a_folder_of_which_no_image_can_be_read_is_refused(tmp_path: Path) -> None:
    for path in fill(tmp_path).rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="can be read"):
        load(tmp_path, on_bad="skip")


def test_a_test_folder_of_which_no_image_can_be_read_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    for path in fill(tmp_path / "test", count=2).rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError):
        load(tmp_path, on_bad="skip")


@pytest.mark.parametrize("limit", [100, 70])  # a little more than allowed, and more than twice as much
def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    fill(tmp_path)
    Image.new("RGB", (15, 10)).save(tmp_path / "cat" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 120)
    if limit == 70:
        Image.new("RGB", (50, 50)).save(tmp_path / "cat" / "bomb.png")
    with pytest.raises(DataError, match="1 of 21 images cannot be read") as refused:
        load(tmp_path)
    assert "cat/bomb.png" in refused.value.what


@pytest.mark.parametrize("mode", ["L", "1", "I;16"])
def test_a_grey_folder_has_one_channel(tmp_path: Path, mode: str) -> None:
    for name in ("cat", "dog"):
        for number in range(8):
            draw(tmp_path / name / f"{number}.png", 1, mode)
    data = load(tmp_path)
    assert data.facts.input_shape == (1, 8, 8)
    assert load(tmp_path, channels=3).facts.input_shape == (3, 8, 8)


def test_grey_images_among_colour_ones_get_three_channels(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "grey.png", 77, "L")
    data = load(tmp_path)
    assert data.facts.input_shape == (3, 8, 8)
    for split in data.splits.values():
        if "cat/grey.png" in split.ids:
            assert (split.inputs[0][split.ids.index("cat/grey.png")] == 77).all()
    assert load(tmp_path, channels=1).facts.input_shape == (1, 8, 8)


def test_names_of_every_kind(tmp_path: Path) -> None:
    long = "x" * 240
    fill(tmp_path, ("猫 ü'\"", "dog; rm -rf", long[:200]), 6)
    draw(tmp_path / "dog; rm -rf" / f"{long}.png")
    (tmp_path / "dog; rm -rf" / "00.png").rename(tmp_path / "dog; rm -rf" / os.fsdecode(b"caf\xe9.png"))
    data = load(tmp_path)
    ids = [name for split in data.splits.values() for name in split.ids]
    assert len(ids) == 19
    assert "dog; rm -rf/caf\ufffd.png" in ids
    assert "猫 ü'\"" in data.facts.classes
    "".join(ids).encode()


@pytest.mark.parametrize("fault", ["empty", "alone", "unreadable"])
def test_a_name_that_is_no_unicode_can_be_said_in_a_refusal(tmp_path: Path, fault: str) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    if fault == "alone":
        draw(odd / "a.png")
    else:
        fill(tmp_path)
        odd.mkdir()
    if fault == "unreadable":
        (odd / "a.png").write_bytes(b"")
    with pytest.raises(DataError) as refused:
        load(tmp_path)
    assert "caf\ufffd" in refused.value.what


def test_images_are_normalised_by_the_training_split_alone(tmp_path: Path) -> None:
    data = load(fill(tmp_path))
    train = data.splits["train"].inputs[0].numpy() / 255
    np.testing.assert_allclose(data.facts.preprocessing["mean"], train.mean(axis=(0, 2, 3)))
    expected = train.std(axis=(0, 2, 3))
    np.testing.assert_allclose(data.facts.preprocessing["std"], np.where(expected < 1e-6, 1, expected))
    assert data.prepare is not None
    (prepared,) = data.prepare(data.splits["train"].inputs)
    torch.testing.assert_close(prepared.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert data.facts.preprocessing["size"] == [8, 8]
    assert data.facts.preprocessing["channels"] == 3


def test_more_images_than_the_memory_holds_are_refused_with_a_size_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", train_images=arrays, train_labels=np.arange(20) % 2)
    monkeypatch.setattr(placement, "free_memory", lambda: 3 * 20 * 3 * 52 * 52)
    with pytest.raises(DataError, match="more than a third of the") as refused:
        load(tmp_path / "a.npz", size=500)
    assert refused.value.override == "data.size=52"
    load(tmp_path / "a.npz", size=52)


def test_animals_are_drawn_where_they_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw_few(folder: Path) -> None:
        fill(folder)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dltrain.kinds.image.load.draw_animals", draw_few)
    data = animals(size=8)
    assert data.notes[0] == "data/animals did not exist: drew 480 images of eight animals"
    assert animals(size=8).notes == data.notes[1:]
    with pytest.raises(DataError, match="does not exist"):
        animals(path="elsewhere")


def test_animals_that_cannot_be_drawn_are_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StorageError):
        animals(size=8)


def test_a_wrong_way_to_resize_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(fill(tmp_path), resize={"share": 3})
    assert (refused.value.where, refused.value.override) == ("data.resize", "data.resize=crop")


def test_a_centre_crop_is_kept_in_the_facts(tmp_path: Path) -> None:
    data = load(fill(tmp_path), resize={"share": 0.8, "filter": "bicubic"})
    assert data.facts.preprocessing["resize"] == {"share": 0.8, "filter": "bicubic"}
    encoder = ImageEncoder.of(data.facts)
    (first,) = encoder.encode([tmp_path / data.splits["test"].ids[0]]).inputs
    assert torch.equal(first[0], data.splits["test"].inputs[0][0])
    assert load(tmp_path, size=None).facts.input_shape == (3, 64, 64)


def test_training_images_are_known_again_by_the_digests_of_any_version() -> None:
    images = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
    stored = {
        TRAINED: [3045184010077731279, -5131798899633006266],
        "trained": [6765881130712925518, 4749148701768967544],
    }
    assert digests(images).tolist() == stored[TRAINED]
    for name, (first, second) in stored.items():
        for known, expected in (([second, 0], [False, True]), ([second, 0, first], [True, True])):
            found = were_trained_on(images, {name: torch.tensor(known)})
            assert found is not None
            assert found.tolist() == expected
    assert were_trained_on(images, {}) is None

"""Image files as they come: every odd kind has a defined result, and what cannot be read is named."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from dltrain.errors import DataError
from dltrain.kinds.image.load import images
from dltrain.kinds.image.pixels import read_image
from dltrain.kinds.image.shapes import sizes_of

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six red and six blue images, a folder each."""
    for name, colour in (("red", RED), ("blue", BLUE)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (20, 20), colour).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


def read(image: Image.Image, path: Path, size: int = 8, **saving: object) -> np.ndarray:
    """What is read of an image that is saved under that name, `(size, size, C)`."""
    image.save(path, **saving)
    return read_image(path, size, None)


def stripes(width: int, height: int) -> Image.Image:
    """Red, green and blue thirds: side by side where it is wide, else one above the other."""
    image = Image.new("RGB", (3, 1))
    image.putdata([RED, (0, 255, 0), BLUE])
    return (image if width >= height else image.transpose(Image.Transpose.ROTATE_270)).resize(
        (width, height), Image.Resampling.NEAREST
    )


def test_crop_keeps_the_middle_pad_keeps_all_and_stretch_distorts(tmp_path: Path) -> None:
    stripes(72, 24).save(tmp_path / "wide.png")
    crop, pad, stretch = (read_image(tmp_path / "wide.png", 24, None, how) for how in ("crop", "pad", "stretch"))
    assert (crop == (0, 255, 0)).all()
    assert (pad[:8] == 0).all() and (pad[16:] == 0).all()
    assert tuple(pad[12, 2]) == RED and tuple(pad[12, 21]) == BLUE
    assert tuple(stretch[0, 2]) == RED and tuple(stretch[23, 21]) == BLUE
    assert not (stretch == 0).all(axis=2).any()
    stripes(24, 72).save(tmp_path / "high.png")
    assert (read_image(tmp_path / "high.png", 24, None, "crop") == (0, 255, 0)).all()
    assert (read_image(tmp_path / "high.png", 24, None, "pad")[:, :8] == 0).all()


@pytest.mark.parametrize("policy", ["crop", "pad", "stretch"])
def test_the_policy_reaches_the_pixels_and_the_facts(folder: Path, policy: str) -> None:
    stripes(60, 20).save(folder / "red" / "0.png")
    data = images(path=str(folder), size=12, resize=policy, val_fraction=0, test_fraction=0)  # type: ignore[arg-type]
    assert data.facts.preprocessing["resize"] == policy
    image = data.splits["train"].inputs[0][data.splits["train"].ids.index("red/0.png")]
    assert tuple(image[:, 6, 1].tolist()) == ((0, 255, 0) if policy == "crop" else RED)
    assert (image[:, 0, 6].sum() == 0) == (policy == "pad")


@pytest.mark.parametrize(
    ("shapes", "way", "note"),
    [
        ([(40, 30)] * 6, "crop", None),
        ([(59, 30), (30, 59)] * 3, "crop", None),
        (
            [(90, 30)] * 6,
            "stretch",
            "cropping to 12×12 would cut off 67% of a typical image: they are stretched",
        ),
        ([(90, 30), (30, 90)] * 3, "pad", "some are wide and others are high"),
        ([(30, 90)] * 5 + [(30, 30)], "stretch", "all alike"),
    ],
)
def test_the_usual_way_to_resize_follows_the_shapes(
    folder: Path, shapes: list[tuple[int, int]], way: str, note: str | None
) -> None:
    for number, shape in enumerate(shapes):
        for colour in ("red", "blue"):
            stripes(*shape).save(folder / colour / f"{number}.png")
    data = images(path=str(folder), size=12, val_fraction=0, test_fraction=0)
    assert data.facts.preprocessing["resize"] == way
    assert any(note in one for one in data.notes) if note else not any("crop" in one for one in data.notes)


def test_elongated_images_are_cut_where_that_is_wanted_and_the_run_says_so(folder: Path) -> None:
    for colour in ("red", "blue"):
        for number in range(4):
            stripes(90, 30).save(folder / colour / f"{number}.png")
    data = images(path=str(folder), size=12, resize="crop", val_fraction=0, test_fraction=0)
    assert data.facts.preprocessing["resize"] == "crop"
    assert any("data.resize=stretch shows all of them" in note for note in data.notes)
    wide = images(path=str(folder), size=[36, 12], val_fraction=0, test_fraction=0)
    assert wide.facts.preprocessing["resize"] == "crop"


def test_a_photo_is_as_wide_as_it_is_seen_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    stripes(90, 30).save(tmp_path / "a.jpg", exif=turned)
    stripes(90, 30).save(tmp_path / "b.jpg")
    assert sizes_of([tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "none.jpg"]) == [(90, 30), (30, 90)]


def test_odd_kinds_of_images_have_a_defined_colour(tmp_path: Path) -> None:
    assert read(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), tmp_path / "a.jpg").mean((0, 1))[0] > 200
    transparent = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    assert (read(transparent, tmp_path / "b.png") == 255).all()
    palette = transparent.convert("P")
    assert (read(palette, tmp_path / "c.png", transparency=palette.getpixel((0, 0))) == 255).all()
    assert (read(Image.new("1", (9, 9), 1), tmp_path / "d.png") == 255).all()
    frames = [Image.new("RGB", (9, 9), colour) for colour in (RED, BLUE)]
    assert (read(frames[0], tmp_path / "e.gif", save_all=True, append_images=frames[1:])[:, :, :] == RED).all()
    deep = Image.fromarray(np.full((9, 9), 32768, dtype=np.uint16))
    assert (read(deep, tmp_path / "f.png") == 128).all()


def test_a_turned_photo_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    stripes(30, 10).save(tmp_path / "turned.png", exif=exif)
    upright = read_image(tmp_path / "turned.png", 9, None, "stretch")
    assert (upright[0] == upright[0, 0]).all()
    assert not (upright[:, 0] == upright[0, 0]).all()


def test_unreadable_images_are_named_or_left_out(dltrain: Callable, folder: Path) -> None:
    Image.effect_noise((64, 64), 50).save(folder / "red" / "whole.jpg")
    whole = (folder / "red" / "whole.jpg").read_bytes()
    (folder / "red" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "red" / "empty.jpg").touch()
    (folder / "blue" / "text.jpg").write_text("an image of the sea")
    arguments = ("model=linear", "data=images", "data.path=images", "data.size=8", "debug=smoke")
    called = dltrain(*arguments)
    assert called.code == 2
    assert "3 of 16 images cannot be read" in called.err
    for name in ("red/truncated.jpg", "red/empty.jpg (it is empty)", "blue/text.jpg", "data.on_bad=skip"):
        assert name in called.err
    assert called.runs == []
    called = dltrain(*arguments, "data.on_bad=skip")
    assert called.code == 0, called.err
    assert "left out 3 images" in called.out
    assert called.result["data"]["rows"] == 13


def test_more_than_ten_bad_images_are_counted(folder: Path) -> None:
    for number in range(12):
        (folder / "red" / f"bad{number:02d}.jpg").touch()
    with pytest.raises(DataError) as raised:
        images(path=str(folder))
    assert "12 of 24" in raised.value.what
    assert raised.value.what.count("it is empty") == 10


def test_a_decompression_bomb_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("RGB", (40, 40), RED).save(folder / "red" / "bomb.png")
    with pytest.raises(DataError, match="bomb"):
        images(path=str(folder))


def test_hidden_and_other_files_are_ignored_and_counted(folder: Path) -> None:
    (folder / "red" / "notes.txt").touch()
    (folder / "red" / ".hidden.png").touch()
    (folder / ".cache").mkdir()
    notes = images(path=str(folder)).notes
    assert "ignored 1 hidden file or thumbnail, such as red/.hidden.png" in notes
    assert "ignored 1 file that is no image, such as red/notes.txt" in notes


@pytest.mark.parametrize("name", ["猫 (1)", "é" * 120, b"\xff\xfe", "[a]=b,c"])
def test_any_name_will_do(dltrain: Callable, folder: Path, name: str | bytes) -> None:
    target = os.path.join(os.fsencode(folder / "red"), os.fsencode(name) + b".png")  # noqa: PTH118
    try:
        os.rename(folder / "red" / "0.png", target)  # noqa: PTH104
    except OSError:
        pytest.skip("this file system has no such names")
    called = dltrain("model=linear", "data=images", "data.path=images", "data.size=8", "debug=smoke")
    assert called.code == 0, called.err
    assert called.result["data"]["rows"] == 12


def test_an_empty_or_a_single_class_is_named(folder: Path) -> None:
    (folder / "green").mkdir()
    with pytest.raises(DataError, match="green"):
        images(path=str(folder))
    (folder / "green").rmdir()
    for path in (folder / "blue").iterdir():
        path.unlink()
    (folder / "blue").rmdir()
    with pytest.raises(DataError, match="one class, red"):
        images(path=str(folder))


def test_validation_folders_are_the_test_split_where_there_is_no_other(folder: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "both" / split).mkdir(parents=True)
        for name in ("red", "blue"):
            target = tmp_path / "both" / split / name
            target.mkdir()
            for number in range(6):
                (target / f"{number}.png").write_bytes((folder / name / f"{number}.png").read_bytes())
    data = images(path=str(tmp_path / "both"))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 11, "val": 1, "test": 12}
    assert all(path.startswith("val/") for path in data.splits["test"].ids)
    assert json.dumps(dict(data.facts.preprocessing))


@pytest.mark.parametrize("name", ["a.avif", "b.jfif", "c.jp2", "d.webp", "e.tga", "f"])
def test_other_kinds_of_files_and_files_without_a_suffix_are_images(folder: Path, name: str) -> None:
    kind = {"b.jfif": "JPEG", "f": "PNG"}.get(name)
    Image.new("RGB", (20, 20), RED).save(folder / "red" / name, kind)
    data = images(path=str(folder), size=8, val_fraction=0, test_fraction=0)
    assert f"red/{name}" in data.splits["train"].ids


def test_files_of_other_programs_are_no_images_even_if_they_begin_like_one(folder: Path) -> None:
    Image.new("RGB", (20, 20), RED).save(folder / "red" / "raw.nef", "TIFF")
    data = images(path=str(folder), size=8)
    assert "ignored 1 file that is no image, such as red/raw.nef" in data.notes


def test_a_heic_file_is_read_or_its_package_is_named(folder: Path) -> None:
    (folder / "red" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(64))
    reason = "cannot" if importlib.util.find_spec("pillow_heif") else r"pip install 'dltrain\[heic\]'"
    with pytest.raises(DataError, match=rf"1 of 13 images cannot be read: red/phone\.heic \(.*{reason}"):
        images(path=str(folder))


def test_a_large_jpeg_is_read_at_a_fraction_of_its_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stripes(1200, 400).save(folder / "red" / "large.jpg", quality=95)
    stripes(1200, 400).save(folder / "red" / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    small = read_image(folder / "red" / "large.jpg", 24, None, "stretch").astype(int)
    assert abs(small[12, 2] - RED).max() < 20
    assert abs(small[12, 21] - BLUE).max() < 20
    with pytest.raises(DataError, match=r"1 of 14 images cannot be read: red/large\.png"):
        images(path=str(folder), size=24)

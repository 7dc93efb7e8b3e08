"""The drawn animals: reproducible, complete or absent, and told apart by shape alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dltrain.data.samples import animals
from dltrain.data.samples.animals import ANIMALS, draw_animals, draw_image
from dltrain.data.samples.backgrounds import BACKGROUNDS, CONTRAST, PALETTE, WHITE, pick, plant_leaves


def pixels(folder: Path) -> dict[str, np.ndarray]:
    """Every image below a folder, `(H, W, 3)`, by its path."""
    return {str(path.relative_to(folder)): np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))}


def drawn(name: str, number: int, size: int = 32) -> np.ndarray:
    """One image of an animal, `(size, size, 3)`."""
    return np.asarray(draw_image(ANIMALS[name], size, np.random.default_rng(number)))


def sheet(name: str, seed: int) -> Image.Image:
    """An animal alone on a sheet of 120 pixels, 40 to its unit, upright and in fixed colours."""
    frame = np.array([[40.0, 0, 60], [0, 40, 60]])
    pen = animals.Pen(120, frame, animals.Coat(*PALETTE[:4]), np.random.default_rng(seed))
    ANIMALS[name](pen)
    return pen.sheet


def test_the_same_arguments_give_the_same_pixels(tmp_path: Path) -> None:
    for folder, seed in (("one", 0), ("again", 0), ("other", 1)):
        draw_animals(tmp_path / folder, per_class=2, size=32, seed=seed)
    one, again, other = (pixels(tmp_path / folder) for folder in ("one", "again", "other"))
    assert all(np.array_equal(one[path], again[path]) for path in one)
    assert not any(np.array_equal(one[path], other[path]) for path in one)
    assert len({image.tobytes() for image in one.values()}) == len(one)


def test_a_larger_set_begins_with_the_smaller_one(tmp_path: Path) -> None:
    draw_animals(tmp_path / "small", per_class=1, size=32)
    draw_animals(tmp_path / "large", per_class=2, size=32)
    large = pixels(tmp_path / "large")
    assert all(np.array_equal(image, large[path]) for path, image in pixels(tmp_path / "small").items())


def test_every_animal_has_a_folder_of_numbered_images(tmp_path: Path) -> None:
    draw_animals(tmp_path / "deep" / "animals", per_class=3, size=24)
    images = pixels(tmp_path / "deep" / "animals")
    assert len(ANIMALS) >= 6
    assert list(images) == [f"{name}/{name}_{number:03d}.png" for name in sorted(ANIMALS) for number in range(3)]
    assert {image.shape for image in images.values()} == {(24, 24, 3)}
    assert {image.dtype for image in images.values()} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_draw_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    def interrupt(pen: animals.Pen) -> None:
        assert any(tmp_path.rglob("*.png")), "the interruption comes halfway"
        raise interruption

    monkeypatch.setitem(ANIMALS, "turtle", interrupt)
    with pytest.raises(interruption):
        draw_animals(tmp_path / "animals", per_class=1, size=16)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_absent_until_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setitem(ANIMALS, "turtle", lambda pen: seen.append((tmp_path / "animals").exists()))
    draw_animals(tmp_path / "animals", per_class=2, size=16)
    assert seen == [False, False]
    assert [path.name for path in tmp_path.iterdir()] == ["animals"]


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANIMALS, "cat", lambda pen: pytest.fail("nothing needs to be drawn"))
    (tmp_path / "mine.txt").write_text("keep me")
    draw_animals(tmp_path, per_class=1, size=16)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_faster_process_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "animals"

    def meanwhile(pen: animals.Pen) -> None:
        (folder / "cat").mkdir(parents=True)
        (folder / "cat" / "theirs.png").touch()

    monkeypatch.setitem(ANIMALS, "turtle", meanwhile)
    draw_animals(folder, per_class=1, size=16)
    assert [path.name for path in folder.rglob("*.png")] == ["theirs.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["animals"]


def test_colour_does_not_give_the_animal_away() -> None:
    numbers = np.arange(40 * len(ANIMALS)).reshape(-1, 40)
    colours = np.array(  # (classes, 40, 3)
        [[drawn(name, n, 16)[4:12, 4:12].mean((0, 1)) for n in row] for name, row in zip(ANIMALS, numbers, strict=True)]
    )
    centroids = colours[:, :20].mean(1)  # (classes, 3)
    distances = np.linalg.norm(colours[:, 20:, None] - centroids, axis=-1)  # (classes, 20, classes)
    accuracy = (distances.argmin(-1) == np.arange(len(ANIMALS))[:, None]).mean()
    assert accuracy < 2 / len(ANIMALS), accuracy


@pytest.mark.parametrize("name", ANIMALS)
def test_an_animal_moves_even_where_its_place_and_colours_are_fixed(name: str) -> None:
    assert not np.array_equal(np.asarray(sheet(name, 0)), np.asarray(sheet(name, 1)))


@pytest.mark.parametrize("name", ANIMALS)
def test_images_of_one_animal_differ(name: str) -> None:
    assert np.abs(drawn(name, 0).astype(int) - drawn(name, 1)).mean() > 8


@pytest.mark.parametrize("name", ANIMALS)
def test_an_animal_fills_its_square_and_hardly_leaves_it(name: str) -> None:
    for seed in range(20):
        box = sheet(name, seed).getbbox()
        assert box is not None
        left, top, right, bottom = (edge / 40 - 1.5 for edge in box)
        assert min(left, top) >= -1.2 and max(right, bottom) <= 1.2
        assert max(right - left, bottom - top) > 1.5


def test_every_pair_of_colours_leaves_a_third_to_pick() -> None:
    rng = np.random.default_rng(0)
    for one, other in product(PALETTE, PALETTE):
        assert np.linalg.norm(np.subtract(pick(rng, one, other), (one, other)), axis=1).min() >= CONTRAST


@pytest.mark.parametrize("paint", BACKGROUNDS)
def test_a_background_has_its_size_and_lies_between_its_tones(paint: Callable[..., Image.Image]) -> None:
    tones = (PALETTE[0], PALETTE[4])
    for seed in range(5):
        image = np.asarray(paint(48, tones, np.random.default_rng(seed))).astype(int)
        assert image.shape == (48, 48, 3)
        assert (image >= np.min(tones, axis=0) - 2).all()
        assert (image <= np.max((*tones, WHITE), axis=0)).all()


def test_leaves_hide_little_and_only_below() -> None:
    for seed in range(20):
        image = Image.new("RGB", (64, 64), PALETTE[0])
        plant_leaves(image, PALETTE[4], np.random.default_rng(seed))
        hidden = (np.asarray(image) != PALETTE[0]).any(-1)
        assert 0 < hidden.mean() < 0.15
        assert not hidden[:40].any()


def test_drawing_does_not_import_torch() -> None:
    code = "import sys, dltrain.data.samples.animals; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0

"""Images unlike the training images: which are remarked, which are not, and runs that know nothing of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch import Tensor, nn

import dltrain
from dltrain.explain.last_layer import last_layer_inputs
from dltrain.kinds.image.likeness import Space, statistics

COUNT = 300


def shape(number: int) -> Image.Image:
    """A disc or a square in a random place and colour, on a bright ground."""
    rng = np.random.default_rng(number)
    image = Image.new("RGB", (24, 24), tuple(int(level) for level in rng.integers(200, 256, 3)))
    left, top, side = (int(value) for value in rng.integers((1, 1, 8), (10, 10, 13)))
    colour = tuple(int(level) for level in rng.integers(0, 110, 3))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if number % 2 else draw.rectangle)((left, top, left + side, top + side), fill=colour)
    return Image.fromarray((np.asarray(image) + rng.normal(0, 3, (24, 24, 3))).clip(0, 255).astype(np.uint8))


def fill(folder: Path, numbers: range) -> None:
    for number in numbers:
        place = folder / ["square", "disc"][number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shape(number).save(place / f"{number}.png")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images to train on, more of the same kind, and folders of images that are unlike them."""
    place = tmp_path_factory.mktemp("shapes")
    fill(place / "photos", range(COUNT))
    fill(place / "new", range(COUNT, COUNT + 100))
    rng = np.random.default_rng(0)
    for name in ("noise", "blank", "inverted"):
        (place / name).mkdir()
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(place / "noise" / f"{number}.png")
        Image.new("L", (24, 24), 13 * number).save(place / "blank" / f"{number}.png")
        inverted = 255 - np.asarray(shape(COUNT + number))
        Image.fromarray(inverted).save(place / "inverted" / f"{number}.png")
    return place


def trained(shapes: Path, name: str, *arguments: str) -> Path:
    run = shapes / name
    if not run.exists():
        common = ("data=images", f"data.path={shapes / 'photos'}", "data.size=24", "data.val_fraction=0.2")
        dltrain.train(*common, "trainer.epochs=3", "baseline=none", *arguments, f"hydra.run.dir={run}", quiet=True)
    return run


def share(run: Path, folder: Path) -> float:
    """The share of a folder's images that are remarked."""
    remarks = dltrain.load(run).predict(str(folder))["remarks"]
    return float((remarks == "the image is unlike the training images").mean())


@pytest.mark.parametrize(
    ("name", "model"),
    [("cnn", ["model=cnn", "model.channels=[8,16]"]), ("resnet", ["model=resnet", "model.channels=[8,16]"])],
)
def test_noise_blank_and_inverted_images_are_remarked_and_others_are_not(
    shapes: Path, name: str, model: list[str]
) -> None:
    run = trained(shapes, name, *model)
    assert share(run, shapes / "new") <= 0.05
    for other in ("noise", "blank", "inverted"):
        assert share(run, shapes / other) >= 0.8


def test_an_evaluation_says_how_many_and_test_time_views_change_nothing(
    shapes: Path, dltrain: Callable, tmp_path: Path
) -> None:
    run = trained(shapes, "cnn", "model=cnn", "model.channels=[8,16]")
    place = tmp_path / "labelled"
    fill(place, range(COUNT, COUNT + 20))
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(
        place / "disc" / "x.png"
    )
    evaluated = dltrain("evaluate", str(run), f"data.path={place}", "--json")
    (note,) = [note for note in json.loads(evaluated.out)["notes"] if "unlike" in note]
    assert "unlike the training images: 1 of 21 samples" in note and "x.png" in note
    predicted = dltrain("predict", str(run), str(shapes / "noise"), "--tta")
    assert "remark  the image is unlike the training images: every sample" in predicted.err


def test_the_network_sees_each_image_once(shapes: Path) -> None:
    model = dltrain.load(trained(shapes, "cnn", "model=cnn", "model.channels=[8,16]"))
    seen: list[int] = []
    model.module.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    remarks = model.predict(str(shapes / "noise"))["remarks"]
    assert sum(seen) == len(remarks) == 20
    assert (remarks == "the image is unlike the training images").mean() >= 0.8


def test_images_are_told_by_the_features_of_a_frozen_trunk(shapes: Path) -> None:
    weights = shapes / "resnet18.pth"
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18().state_dict(), weights)
    network = ("model=pretrained", "model.name=resnet18", f"model.weights={weights}", "augment=none")
    run = trained(shapes, "pretrained", *network)
    assert share(run, shapes / "new") <= 0.05
    assert share(run, shapes / "inverted") >= 0.8


def test_an_image_that_cannot_be_read_has_no_such_remark(shapes: Path, tmp_path: Path) -> None:
    run = trained(shapes, "cnn", "model=cnn", "model.channels=[8,16]")
    (tmp_path / "a.png").write_bytes(b"x")
    shape(COUNT).save(tmp_path / "b.png")
    remarks = sorted(dltrain.load(run).predict(str(tmp_path))["remarks"])
    assert remarks[0] == "" and remarks[1].startswith("the image cannot be read") and "unlike" not in remarks[1]


def test_without_validation_images_pixels_alone_tell(shapes: Path) -> None:
    run = trained(shapes, "unvalidated", "model=cnn", "model.channels=[4]", "data.val_fraction=0")
    assert {name.split(".")[0] for name in load_file(run / "likeness.safetensors")} == {"pixels"}
    assert share(run, shapes / "noise") >= 0.8
    assert share(run, shapes / "new") <= 0.05


def test_a_smoke_run_remarks_nothing(shapes: Path) -> None:
    smoke = trained(shapes, "smoke", "model=cnn", "model.channels=[4]", "trainer.limit_batches=2")
    assert not (smoke / "likeness.safetensors").exists()


def test_a_damaged_file_is_named(shapes: Path, tmp_path: Path) -> None:
    run = trained(shapes, "other", "model=cnn", "model.channels=[4]")
    (run / "likeness.safetensors").write_bytes(b"broken")
    with pytest.raises(dltrain.errors.CheckpointError, match=r"likeness\.safetensors"):
        share(run, shapes / "new")


def test_the_inputs_of_the_last_linear_layer_are_found_in_any_model() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.first = nn.Linear(3, 2), nn.Linear(4, 3)  # called in another order than they are listed

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.first(x)))

    model, x = Model(), torch.randn(5, 4)
    found = torch.cat(list(last_layer_inputs(model, (x,), None, 2)))
    torch.testing.assert_close(found, torch.relu(model.first(x)).detach())
    assert not list(last_layer_inputs(nn.Sequential(nn.Conv1d(1, 1, 4), nn.Flatten()), (x[:, None],), None, 2))


def test_the_limit_is_beyond_nearly_all_held_out_points() -> None:
    rng = np.random.default_rng(0)
    training, held_out, new = (rng.normal(0, [1, 10, 0.1], (count, 3)) for count in (500, 300, 2000))
    space = Space.fit(training, held_out, learned=True)
    assert space is not None
    assert float(space.are_unlike(torch.from_numpy(new).float()).double().mean()) < 0.02
    far = torch.tensor([[0.0, 0.0, 2.0], [20.0, 0.0, 0.0], [float("nan"), 0.0, 0.0]])
    assert space.are_unlike(far).tolist() == [True, True, True]
    again = Space.of(space.to_tensors("x"), "x")
    assert torch.equal(again.distances(far[:2]), space.distances(far[:2]))
    assert Space.fit(np.ones((50, 3)), np.ones((20, 3)), learned=True) is None
    points = torch.from_numpy(training).float()
    assert bool((space.distances(points, among_themselves=True) > space.distances(points)).all())


def test_statistics_are_finite_for_blank_images_of_any_channels() -> None:
    for channels in (1, 3):
        blank = torch.full((2, channels, 8, 8), 200, dtype=torch.uint8)
        assert bool(statistics(blank).isfinite().all())

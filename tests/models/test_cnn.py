"""The convolutional network: any size, any options, and its parameters counted by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from dltrain.experiment.build import show_training_samples
from dltrain.inference.load import load
from dltrain.kinds.image import cache
from dltrain.kinds.image.load import images
from dltrain.models import cnn
from dltrain.models.cnn import CNN
from dltrain.models.fold_ensemble import ensemble_of
from dltrain.models.layers.pooling import AverageMaxPool
from dltrain.models.layers.whitening import Whitening
from dltrain.models.names import count_models
from dltrain.training.checkpoint import load_weights, pointed
from dltrain.types import Data, Spec


def write_photos(folder: Path, size: int = 32, mode: str = "RGB") -> Path:
    """Writes 24 images of noise in two classes, whose neighbouring pixels are much alike; returns their folder."""
    random = np.random.default_rng(0)
    for label in ("left", "right"):
        (folder / label).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)
            image.convert(mode).save(folder / label / f"{number}.png")
    return folder


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("size", [8, 9, 28, 33, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("head", ["average", "average_max", "flatten"])
def test_every_size_and_number_of_channels_will_do(size: int, channels: int, head: Any) -> None:
    model = CNN(Spec("image", (channels, size, size), 5), channels=(4, 4, 8, 8, 8), head=head)
    assert model(torch.randn(2, channels, size, size)).shape == (2, 5)


@pytest.mark.parametrize(
    "options",
    [
        {"convolutions": 2},
        {"kernel_size": 1},
        {"kernel_size": 5},
        {"kernel_size": 7},
        {"norm": "none"},
        {"activation": "gelu"},
        {"pool": "average"},
        {"hidden": (6, 5)},
        {"hidden": (6,), "head": "flatten"},
        {"dropout": 0.0},
        {"channels": (3,)},
        {"whiten": True},
        {"whiten": True, "norm": "none", "convolutions": 2, "kernel_size": 5},
        {"whiten": True, "head": "flatten", "kernel_size": 1},
        {"hidden": (6,), "head": "average_max"},
    ],
)
def test_every_option_gives_an_output_a_class(options: dict[str, Any]) -> None:
    model = CNN(Spec("image", (3, 12, 17), 2), **({"channels": (4, 6)} | options))
    assert model(torch.randn(2, 3, 12, 17)).shape == (2, 2)


def test_parameters_are_counted_by_hand() -> None:
    spec = Spec("image", (3, 16, 16), 10)
    convolution = 3 * 8 * 9 + 8 * 16 * 9
    assert parameters(CNN(spec, (8, 16), norm="none")) == convolution + (8 + 16) + (16 * 10 + 10)
    assert parameters(CNN(spec, (8, 16))) == convolution + 2 * (8 + 16) + (16 * 10 + 10)
    flat = 16 * 4 * 4
    assert parameters(CNN(spec, (8, 16), head="flatten", hidden=(20,))) == (
        convolution + 2 * (8 + 16) + (flat * 20 + 20) + (20 * 10 + 10)
    )
    twice = 3 * 8 * 25 + 8 * 8 * 25
    assert parameters(CNN(spec, (8,), convolutions=2, kernel_size=5, norm="none")) == twice + 16 + (8 * 10 + 10)


def test_the_sources_head_for_32_by_32_images() -> None:
    model = CNN(Spec("image", (3, 32, 32), 10), (32, 64), head="flatten", hidden=(128,), norm="none", dropout=0)
    linears = [layer for layer in model.head if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == [(64 * 8 * 8, 128), (128, 10)]


def test_it_is_the_plain_network_written_by_hand() -> None:
    torch.manual_seed(1)
    model = CNN(Spec("image", (3, 9, 9), 4), (5, 6), pool="average", head="flatten", norm="none", dropout=0.3).eval()
    first, second = (layer for layer in model.stages if isinstance(layer, nn.Conv2d))
    last = model.head[-1]
    x = torch.randn(2, 3, 9, 9)
    hidden = functional.avg_pool2d(functional.conv2d(x, first.weight, first.bias, padding=1).relu(), 2)
    hidden = functional.avg_pool2d(functional.conv2d(hidden, second.weight, second.bias, padding=1).relu(), 2)
    assert hidden.shape == (2, 6, 2, 2)
    torch.testing.assert_close(model(x), hidden.flatten(1) @ last.weight.T + last.bias)


def test_the_average_head_is_the_mean_over_positions() -> None:
    model = CNN(Spec("image", (1, 10, 14), 3), (4,)).eval()
    x = torch.randn(2, 1, 10, 14)
    last = model.head[-1]
    torch.testing.assert_close(model(x), model.stages(x).mean(dim=(2, 3)) @ last.weight.T + last.bias)


FEW = Spec("image", (3, 32, 32), 2, samples=333, mirror=True, augment={"hflip": 0.5})


@pytest.mark.parametrize(
    ("spec", "networks"),
    [
        (FEW, 3),
        (replace(FEW, samples=334), 2),
        (replace(FEW, samples=500), 2),
        (replace(FEW, samples=501), 1),
        (replace(FEW, samples=10_000), 1),
        (replace(FEW, samples=0), 1),  # not recorded
        (replace(FEW, input_shape=(3, 31, 40)), 1),
        (replace(FEW, positional=True), 1),
    ],
)
def test_a_few_photos_get_several_networks_by_default(spec: Spec, networks: int) -> None:
    model = CNN(spec, (4, 4))
    assert (model.networks, model.mirror, count_models(model)) == (networks, networks > 1, networks)
    assert CNN(spec, (4, 4), members=2).networks == 2
    assert CNN(spec, (4, 4), members=1, mirror=True).mirror


def test_an_ensemble_returns_the_outputs_of_its_networks() -> None:
    model = CNN(FEW, (4, 4), dropout=0, norm="none")
    x = torch.randn(5, 3, 32, 32)
    each = [network(x) for network in model.models]
    assert model.members == 3
    torch.testing.assert_close(model(x), torch.stack(each, dim=1))
    assert not torch.allclose(each[0], each[1])
    mirrored = [network(x.flip(3)) for network in model.models]
    assert model.eval().members == 6
    torch.testing.assert_close(model(x), torch.stack([*mirrored, *each], dim=1))


def test_images_are_mirrored_only_if_that_keeps_their_target() -> None:
    assert CNN(FEW, (4, 4), members=1, mirror=True).eval().members == 2
    assert CNN(replace(FEW, mirror=False), (4, 4), members=1, mirror=True).eval().members == 1
    assert CNN(replace(FEW, mirror=False), (4, 4)).eval().members == 3


def test_images_are_mirrored_by_default_only_if_training_mirrors_them() -> None:
    for augment in ({}, {"hflip": 0.0, "crop": 0.1}):
        assert CNN(replace(FEW, augment=augment), (4, 4)).eval().members == 3
    assert CNN(replace(FEW, augment={}), (4, 4), mirror=True).eval().members == 6


@pytest.mark.parametrize("augment", ["none", "light"])
def test_a_run_is_loaded_with_the_mirror_images_of_its_training(
    dltrain: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, augment: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos")
    trained = dltrain(
        *("model=cnn", "model.channels=[4]", "data=images", "data.path=photos", "data.size=32", "trainer.epochs=1"),
        *("baseline=none", f"augment={augment}", "hydra.run.dir=run"),
    )
    assert trained.code == 0, trained.err
    assert load("run").module.mirror == (augment == "light")
    assert ("the mean over 3 networks, for an image and its mirror image" in trained.out) == (augment == "light")
    assert "the mean over 3 networks" in trained.out


@pytest.mark.parametrize(("before", "now"), [(1, 1), (1, 3), (3, 1), (3, 3), (2, 3)])
def test_weights_of_another_number_of_networks_are_those_of_the_first(before: int, now: int) -> None:
    old, new = CNN(FEW, (4, 4), members=before), CNN(FEW, (4, 4), members=now)
    new.load_state_dict(dict(new.weights_from(old.state_dict())))
    x = torch.randn(2, 3, 32, 32)
    outputs, firsts = new.eval()(x), old.eval()(x)
    assert outputs.shape[1] == new.members
    first = firsts[:, :: max(1, before)]  # mirrored and as it is
    torch.testing.assert_close(outputs[:, :: max(1, now)], first)
    if before == now:
        torch.testing.assert_close(outputs, firsts)


@pytest.mark.parametrize(
    ("spec", "whitened"),
    [
        (FEW, True),
        (replace(FEW, samples=1000), True),
        (replace(FEW, samples=1001), False),
        (replace(FEW, samples=0), False),
        (replace(FEW, input_shape=(3, 31, 40)), False),
        (replace(FEW, positional=True), False),
        (replace(FEW, folds=5), True),
    ],
)
def test_a_few_photos_are_whitened_by_default(spec: Spec, whitened: bool) -> None:
    model = CNN(spec, (4, 4), members=1)
    assert isinstance(model.stages[0], Whitening) == isinstance(model.head[0], AverageMaxPool) == whitened
    assert ("the first layer whitens" in model.reason) == bool(model.initial_samples) == whitened
    assert isinstance(CNN(spec, (4, 4), members=1, whiten=True).stages[0], Whitening)
    plain = CNN(spec, (4, 4), members=1, whiten=False)
    assert not isinstance(plain.stages[0], Whitening) and not isinstance(plain.head[0], AverageMaxPool)
    assert isinstance(CNN(spec, (4, 4), members=1, head="average").head[0], nn.AdaptiveAvgPool2d)


def test_each_fold_has_one_network() -> None:
    assert CNN(replace(FEW, folds=5), (4, 4)).networks == 1


def test_all_networks_share_the_fitted_layer() -> None:
    model = CNN(FEW, (4, 4))
    model.initialise_from([(torch.randn(3, 3, 32, 32),), (torch.randn(2, 3, 32, 32),)])
    first, second, third = (network.stages[0].weight for network in model.models)
    assert torch.equal(first, second) and torch.equal(first, third)
    others = [network.stages[4].weight for network in model.models]
    assert not torch.equal(others[0], others[1])


def filters_for(data: Data, seed: int = 0) -> torch.Tensor:
    """The filters of a network that is shown the training samples of some data, up to their sign."""
    model = CNN(Spec("image", data.facts.input_shape, 2), (18,), whiten=True)
    show_training_samples(model, data, seed)
    return model.stages[0].weight.abs()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_filters_are_fitted_to_the_standardised_training_images(tmp_path: Path, mode: str) -> None:
    folder = write_photos(tmp_path / "photos", mode=mode)
    data = images(path=str(folder), size=32, channels={"RGB": 3, "L": 1, "RGBA": None}[mode])
    assert data.prepare is not None
    by_hand = Whitening(data.facts.input_shape[0], 18, 3)
    by_hand.fit([data.prepare((data.splits["train"].inputs[0][:],))[0]])
    torch.testing.assert_close(filters_for(data), by_hand.weight.abs())


def test_images_that_memory_does_not_hold_give_the_same_filters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.PLACE, str(tmp_path / "cache"))
    folder = write_photos(tmp_path / "photos")
    in_memory, on_disk = (images(path=str(folder), size=32, storage=storage) for storage in ("memory", "stream"))
    assert not isinstance(on_disk.splits["train"].inputs[0], torch.Tensor)
    assert torch.equal(filters_for(on_disk), filters_for(in_memory))
    whole = filters_for(in_memory)
    monkeypatch.setattr(cnn, "FEW", 5)
    read: list[int] = []
    reader = type(on_disk.splits["train"].inputs[0])
    before = reader.read
    monkeypatch.setattr(reader, "read", lambda self, rows: (read.extend(rows), before(self, rows))[1])
    assert torch.equal(filters_for(on_disk), filters_for(in_memory))
    assert len(read) == len(set(read)) == 5
    assert not torch.equal(filters_for(in_memory), whole)
    assert not torch.equal(filters_for(in_memory, seed=1), filters_for(in_memory))


def test_the_model_of_a_fold_is_not_fitted_to_it(tmp_path: Path) -> None:
    data = images(path=str(write_photos(tmp_path / "photos")), size=32, folds=3)
    samples = data.splits["train"]
    assert samples.fold is not None and data.prepare is not None
    spec = Spec("image", (3, 32, 32), 2, folds=3)
    model = ensemble_of([CNN(spec, (18,), whiten=True) for _ in range(3)])
    show_training_samples(model, data, 0)
    for number, member in enumerate(model.models):
        by_hand = Whitening(3, 18, 3)
        by_hand.fit(data.prepare((samples.tensors[0][samples.fold != number],)))
        torch.testing.assert_close(member.stages[0].weight.abs(), by_hand.weight.abs())


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_run_keeps_its_filters_through_training_loading_resuming_and_export(
    dltrain: Callable, tmp_path: Path, mode: str
) -> None:
    folder = write_photos(tmp_path / "photos", mode=mode)
    trained = dltrain(
        *("model=cnn", "model.channels=[8,8]", "data=images", "data.path=photos", "data.size=32", "trainer.epochs=2"),
        *("baseline=none", "trainer.ema=0.9", "hydra.run.dir=run"),
    )
    assert trained.code == 0, trained.err
    assert "the first layer whitens patches of the images and is not trained" in trained.out
    by_hand = Whitening(3 if mode == "RGB" else 1, 8, 3)
    data = images(path=str(folder), size=32)
    assert data.prepare is not None
    by_hand.fit(data.prepare((data.splits["train"].inputs[0][:],)))
    weights = load_weights(pointed(tmp_path / "run" / "checkpoints", "best"))
    kept = weights["models.0.stages.0.weight"]
    torch.testing.assert_close(kept.abs(), by_hand.weight.abs())
    assert all(torch.equal(weights[f"models.{number}.stages.0.weight"], kept) for number in (1, 2))
    assert torch.equal(load("run").module.models[0].stages[0].weight, kept)

    paths = sorted(map(str, folder.glob("*/*.png")))
    expected = load("run").predict(paths)
    shutil.copytree("run", "copy")
    assert dltrain("resume", "copy", "trainer.epochs=3").code == 0
    assert torch.equal(load("copy").module.models[0].stages[0].weight, kept)
    pd.testing.assert_frame_equal(load("run").predict(paths), expected)

    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    exported = dltrain("export", "run", "--format=onnx", "-o", "model.onnx")
    assert exported.code == 0, exported.err
    session = onnxruntime.InferenceSession("model.onnx")
    stored = load("run").encoder.encode(paths).inputs[0].numpy()
    (scores, *_) = session.run(None, {session.get_inputs()[0].name: stored})
    np.testing.assert_allclose(scores, expected[["score_left", "score_right"]], atol=1e-4)


def test_a_run_that_does_not_say_whether_it_whitens_keeps_its_trained_first_layer(
    dltrain: Callable, tmp_path: Path
) -> None:
    write_photos(tmp_path / "photos")
    keys = ("model=cnn", "model.channels=[4]", "model.members=1", "data=images", "data.path=photos", "data.size=32")
    trained = dltrain(*keys, "model.whiten=false", "trainer.epochs=1", "baseline=none", "hydra.run.dir=run")
    assert trained.code == 0, trained.err
    config = tmp_path / "run" / "config.yaml"
    said = config.read_text()
    assert "  whiten: false\n" in said
    config.write_text(said.replace("  whiten: false\n", ""))  # as older versions wrote it
    assert isinstance(load("run").module.stages[0], nn.Conv2d)
    assert dltrain("resume", "run", "trainer.epochs=2").code == 0
    assert isinstance(load("run").module.stages[0], nn.Conv2d)

"""The convolutional network: any size, any options, and its parameters counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from dltrain.inference.load import load
from dltrain.models.cnn import CNN
from dltrain.models.names import count_models
from dltrain.types import Spec


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("size", [8, 9, 28, 33, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("head", ["average", "flatten"])
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
    random = np.random.default_rng(0)
    for label in ("left", "right"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(random.integers(0, 256, (32, 32, 3)).astype(np.uint8)).save(
                tmp_path / "photos" / label / f"{number}.png"
            )
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

"""The multilayer perceptron: its layers, its size and how its weights begin."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import nn

from dltrain.models.layers.activations import Activation
from dltrain.models.mlp import MLP
from dltrain.types import Spec

TABLE = Spec("table", (7,), 3)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"dropout": 0.0}, {"hidden": ()}, {"hidden": (5,)}])
def test_every_option_gives_an_output_a_class(activation: Activation, options: dict[str, Any]) -> None:
    assert MLP(TABLE, activation=activation, **options)(torch.randn(4, 7)).shape == (4, 3)
    image = Spec("image", (3, 8, 9), 2)
    assert MLP(image, activation=activation, **options)(torch.randn(4, 3, 8, 9)).shape == (4, 2)


def test_parameters_are_counted_by_hand() -> None:
    assert parameters(MLP(TABLE, hidden=(5, 4))) == (7 * 5 + 5) + (5 * 4 + 4) + (4 * 3 + 3)
    assert parameters(MLP(TABLE, hidden=(5, 4), batch_norm=True)) == 79 + 2 * 5 + 2 * 4
    assert parameters(MLP(TABLE, hidden=())) == 7 * 3 + 3


def test_the_sources_network_for_32_by_32_images() -> None:
    model = MLP(Spec("image", (3, 32, 32), 10), hidden=(128,), dropout=0)
    assert [tuple(parameter.shape) for parameter in model.parameters()] == [(128, 3072), (128,), (10, 128), (10,)]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_is_the_plain_network_written_by_hand(batch_norm: bool) -> None:
    torch.manual_seed(3)
    model = MLP(TABLE, hidden=(6, 5), activation="tanh", dropout=0.5, batch_norm=batch_norm)
    torch.manual_seed(3)
    norms = [nn.BatchNorm1d(width) for width in (6, 5)] if batch_norm else [nn.Identity(), nn.Identity()]
    linears = [nn.Linear(7, 6), nn.Linear(6, 5), nn.Linear(5, 3)]
    drop = nn.Dropout(0.5)
    x = torch.randn(8, 7)
    torch.manual_seed(4)
    output = model(x)
    torch.manual_seed(4)
    hidden = drop(norms[0](linears[0](x)).tanh())
    hidden = drop(norms[1](linears[1](hidden)).tanh())
    assert torch.equal(output, linears[2](hidden))


@pytest.mark.parametrize("initialization", ["xavier", "kaiming", "normal"])
def test_weights_are_drawn_as_named_and_biases_are_zero(initialization: Any) -> None:
    torch.manual_seed(0)
    model = MLP(Spec("table", (300,), 200), hidden=(400,), initialization=initialization)
    for layer in (model.layers[0], model.layers[-1]):
        assert isinstance(layer, nn.Linear)
        fan_out, fan_in = layer.weight.shape
        std = {"xavier": math.sqrt(2 / (fan_in + fan_out)), "kaiming": math.sqrt(2 / fan_in), "normal": 0.01}
        assert layer.weight.std().item() == pytest.approx(std[initialization], rel=0.02)
        uniform = layer.weight.abs().max().item() <= math.sqrt(3) * std[initialization] * 1.0001
        assert uniform == (initialization != "normal")
        assert not layer.bias.any()


def test_the_default_initialization_is_torchs() -> None:
    torch.manual_seed(5)
    model = MLP(TABLE, hidden=(6,), dropout=0)
    torch.manual_seed(5)
    for layer, plain in zip((model.layers[0], model.layers[-1]), (nn.Linear(7, 6), nn.Linear(6, 3)), strict=True):
        assert torch.equal(layer.weight, plain.weight)
        assert torch.equal(layer.bias, plain.bias)

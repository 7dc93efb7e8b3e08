from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from dltrain.models.resnet import Block, ResNet, Shortcut
from dltrain.types import Spec


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 64, 64), (3, 5, 9), (1, 1, 1)])
def test_it_takes_images_of_any_size(shape: tuple[int, int, int]) -> None:
    model = ResNet(Spec("image", shape, 7), channels=(4, 8, 8, 16), blocks=2).eval()
    assert model(torch.rand(2, *shape)).shape == (2, 7)


def test_every_stage_but_the_first_halves_the_image() -> None:
    model = ResNet(Spec("image", (3, 32, 32), 10)).eval()
    features = model.stages(model.stem(torch.rand(1, 3, 32, 32)))
    assert features.shape == (1, 128, 8, 8)
    assert sum(isinstance(module, nn.Conv2d) for module in model.modules()) == 1 + 3 * 2 + 2


def test_a_block_begins_as_its_shortcut() -> None:
    x = torch.rand(2, 6, 8, 8)
    assert torch.equal(Block(6, 6, 1).eval()(x), x)
    halving = Block(6, 12, 2).eval()
    assert torch.equal(halving(x), torch.relu(halving.shortcut(x)))
    assert halving(x).shape == (2, 12, 4, 4)


def test_the_shortcut_of_few_channels_is_a_strided_convolution() -> None:
    shortcut, x = Shortcut(4, 6, 2).eval(), torch.rand(2, 4, 7, 8)
    expected = shortcut[1](nn.functional.conv2d(x, shortcut[0].weight, stride=2))
    torch.testing.assert_close(shortcut(x), expected)


def test_all_parameters_learn_after_the_first_step() -> None:
    model = ResNet(Spec("image", (1, 8, 8), 3), channels=(4, 8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.rand(6, 1, 8, 8)).logsumexp(1).sum().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_it_learns_digits(dltrain: Callable) -> None:
    fast = ("trainer.epochs=4", "trainer.batch_size=16", "optimizer.lr=0.01", "baseline=none")
    called = dltrain("model=resnet", "data=digits", "model.channels=[8,16]", *fast)
    assert called.code == 0, called.err
    assert called.result["test"]["accuracy"] > 0.9


def test_tables_are_refused(dltrain: Callable) -> None:
    called = dltrain("model=resnet", "data=iris")
    assert called.code == 2
    assert "model=mlp" in called.err

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from dltrain.config.compose import compose_jobs
from dltrain.models.resnet9 import Residual, ResNet9
from dltrain.types import Spec


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 64, 64), (3, 5, 9), (1, 1, 1)])
def test_it_takes_images_of_any_size(shape: tuple[int, int, int]) -> None:
    model = ResNet9(Spec("image", shape, 7), width=2).eval()
    assert model(torch.rand(2, *shape)).shape == (2, 7)


def test_it_has_eight_convolutions_and_a_linear_layer_and_halves_images_three_times() -> None:
    model = ResNet9(Spec("image", (3, 32, 32), 10)).eval()
    assert model.stages(torch.rand(1, 3, 32, 32)).shape == (1, 128, 4, 4)
    assert sum(isinstance(module, nn.Conv2d) for module in model.modules()) == 8
    assert sum(isinstance(module, nn.Linear) for module in model.modules()) == 1


def test_a_block_adds_to_its_input() -> None:
    block = Residual(4).eval()
    nn.init.zeros_(block.layers[4].weight)
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(block(x), x)


def test_it_learns_digits(dltrain: Callable) -> None:
    fast = ("trainer.epochs=4", "trainer.batch_size=16", "optimizer.lr=0.01", "baseline=none")
    called = dltrain("model=resnet9", "data=digits", "model.width=4", *fast)
    assert called.code == 0, called.err
    assert called.result["test"]["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("overrides", "model"),
    [
        (["data=images", "data.path=photos"], "cnn"),
        (["data=fashion_mnist"], "resnet9"),
        (["data=mnist", "model=mlp"], "mlp"),
    ],
)
def test_images_have_a_model_of_their_own_unless_another_is_named(overrides: list[str], model: str) -> None:
    (job,) = compose_jobs(overrides, sweep=False)
    assert job.config["model"]["_target_"] == model

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dltrain.tasks.temperature import FEWEST, fit_temperature


def softmax(outputs: Tensor) -> Tensor:
    return outputs.softmax(dim=1)


def drawn(count: int, scale: float, seed: int) -> tuple[Tensor, Tensor]:
    """Outputs that are `scale` times too large, and classes drawn from the true probabilities."""
    generator = torch.Generator().manual_seed(seed)
    outputs = 1.5 * torch.randn(count, 3, generator=generator)
    return scale * outputs, torch.multinomial(softmax(outputs), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_scale_of_outputs_that_are_too_sure_or_unsure_is_found(scale: float) -> None:
    assert fit_temperature(*drawn(2000, scale, 0), softmax) == pytest.approx(scale, rel=0.1)


def test_outputs_that_are_right_are_left_alone() -> None:
    assert [fit_temperature(*drawn(300, 1.0, seed), softmax) for seed in range(5)] == [1.0] * 5


def test_too_few_samples_and_broken_outputs_are_left_alone() -> None:
    outputs, target = drawn(FEWEST, 5.0, 0)
    assert fit_temperature(outputs, target, softmax) > 2
    assert fit_temperature(outputs[1:], target[1:], softmax) == 1.0
    outputs[0, 0] = float("nan")
    assert fit_temperature(outputs, target, softmax) == 1.0


def test_two_classes_by_one_output_are_scaled_too() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(2000, 1, generator=generator)
    target = torch.bernoulli(outputs.sigmoid(), generator=generator)[:, 0].long()

    def sigmoid(output: Tensor) -> Tensor:
        return torch.cat([1 - output.sigmoid(), output.sigmoid()], dim=1)

    assert fit_temperature(4 * outputs, target, sigmoid) == pytest.approx(4, rel=0.15)

"""Limits on gradients, against torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dltrain.training.gradients import clip_norm, forget_gradients


def with_gradients(scale: float) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3), nn.Linear(3, 3))
    (scale * model[:3](torch.randn(11, 7)).square().sum()).backward()  # the last layer has no gradients
    return model


@pytest.mark.parametrize("scale", [1e-6, 0.01, 1.0, 1e20, math.inf, math.nan])
def test_a_norm_is_limited_as_by_torch_bit_for_bit(scale: float) -> None:
    ours, plain = with_gradients(scale), with_gradients(scale)
    clip_norm(list(ours.parameters()), 0.5)
    nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None and other.grad is not None:
            assert torch.equal(one.grad.isnan(), other.grad.isnan())
            assert torch.equal(one.grad.nan_to_num(), other.grad.nan_to_num())


def test_without_gradients_nothing_is_limited() -> None:
    clip_norm([nn.Parameter(torch.ones(2))], 0.5)


def test_gradients_are_forgotten() -> None:
    model = with_gradients(1.0)
    forget_gradients(torch.optim.SGD([{"params": model[0].parameters()}, {"params": model[2].parameters()}]))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_optimizer_that_forgets_in_its_own_way_does_so() -> None:
    class Keeping(torch.optim.SGD):
        def zero_grad(self, set_to_none: bool = True) -> None:
            """Keeps the gradients."""

    model = with_gradients(1.0)
    forget_gradients(Keeping(model.parameters()))
    assert model[0].weight.grad is not None

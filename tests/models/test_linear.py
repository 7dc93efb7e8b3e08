"""The linear model: a matrix product."""

from __future__ import annotations

import pytest
import torch

from dltrain.models.linear import Linear
from dltrain.types import Spec


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_a_matrix_product(bias: bool) -> None:
    model = Linear(Spec("table", (6,), 4), bias=bias)
    x = torch.randn(5, 6)
    expected = x @ model.linear.weight.T + (model.linear.bias if bias else 0)
    torch.testing.assert_close(model(x), expected)
    assert sum(parameter.numel() for parameter in model.parameters()) == 6 * 4 + 4 * bias


def test_images_are_flattened() -> None:
    model = Linear(Spec("image", (3, 8, 9), 2))
    x = torch.randn(5, 3, 8, 9)
    torch.testing.assert_close(model(x), x.reshape(5, -1) @ model.linear.weight.T + model.linear.bias)

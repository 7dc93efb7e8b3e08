"""The linear model: linear and logistic regression."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from dltrain.types import Spec


class Linear(nn.Module):
    """A linear map from all inputs to the outputs; images and the windows of series are flattened.

    Args:
        spec: of the data.
        bias: whether an intercept is learned.
    """

    takes = ("table", "image", "series")

    def __init__(self, spec: Spec, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(prod(spec.input_shape), spec.out_features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1))  # (B, out_features)

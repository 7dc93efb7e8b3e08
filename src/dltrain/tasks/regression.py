"""One real number, or several."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import regression_errors
from dltrain.tasks.task import Predictions, each_member
from dltrain.types import Facts


class Regression:
    """K real numbers `(B, K)`: scaled for the loss, and in their own unit for predictions and metrics."""

    metric_names: ClassVar[tuple[str, ...]] = ("mse", "rmse", "mae", "r2")
    measure: ClassVar[str] = "rmse"
    each_position: ClassVar[bool] = False

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.metric = regression_errors(facts.target_mean)
        self.mean, self.std = facts.target_mean, facts.target_std
        self.scaled = (self.mean, self.std) != (0.0, 1.0)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        if self.scaled:
            target = (target - like(self.mean, target)) / like(self.std, target)
        return self.loss(*each_member(output, target.to(output.dtype)))

    def merged(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else self.loss.merged(output)

    def point(self, output: Tensor) -> Tensor:
        output = self.merged(output)
        # In float64, because a target may be large beside its spread; mps has none.
        exact = output.float() if output.device.type == "mps" else output.double()
        return exact * like(self.std, exact) + like(self.mean, exact) if self.scaled else output

    def predict(self, output: Tensor) -> Predictions:
        return Predictions(self.point(output.float()).cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        return {}


def like(numbers: float | tuple[float, ...], tensor: Tensor) -> Tensor | float:
    """One number as it is, several as `(K,)` beside a tensor `(B, K)`."""
    return numbers if isinstance(numbers, float) else torch.tensor(numbers, dtype=tensor.dtype, device=tensor.device)

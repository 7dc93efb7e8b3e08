"""What a user would give an item: a number on a bounded scale."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltrain.tasks.losses import Loss
from dltrain.tasks.regression import Regression
from dltrain.tasks.task import Predictions
from dltrain.types import Facts


class Rating:
    """One number `(B, 1)`, held within the range of the training ratings.

    In training an output may have columns after the first: the penalty on each sample's own rows of an embedding,
    `(B, 1 + n)`, which is added to the loss as it is. A model leaves them out in evaluation.
    """

    metric_names: ClassVar[tuple[str, ...]] = Regression.metric_names
    measure: ClassVar[str] = "rmse"
    each_position: ClassVar[bool] = False
    takes_penalty: ClassVar[bool] = True  # a last column of an output in training

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.number = Regression(facts, loss)
        self.metric = self.number.metric
        self.range = facts.target_range

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        penalty = output[:, 1:].sum() / len(output)
        return self.number.objective(output[:, :1], target) + penalty

    def merged(self, output: Tensor) -> Tensor:
        return self.number.merged(output)

    def point(self, output: Tensor) -> Tensor:
        return self.number.point(output).clamp(*self.range)

    def predict(self, output: Tensor) -> Predictions:
        return Predictions(self.point(output.float()).cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        return {}

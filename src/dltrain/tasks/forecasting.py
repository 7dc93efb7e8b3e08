"""The next steps of a series."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import forecast_errors
from dltrain.tasks.regression import Regression
from dltrain.tasks.task import Predictions
from dltrain.types import Facts


class Forecasting:
    """The next H steps of C columns, `(B, H·C)` step by step; metrics are over all steps alike, in the series' unit."""

    metric_names: ClassVar[tuple[str, ...]] = ("mse", "rmse", "mae", "smape", "r2")
    measure: ClassVar[str] = "rmse"
    each_position: ClassVar[bool] = False

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.number = Regression(facts, loss)
        columns = len(facts.features)
        means = facts.target_mean if isinstance(facts.target_mean, tuple) else (facts.target_mean,)
        self.metric = forecast_errors(columns, means[:columns])

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        return self.number.objective(output, target)

    def merged(self, output: Tensor) -> Tensor:
        return self.number.merged(output)

    def point(self, output: Tensor) -> Tensor:
        return self.number.point(output)

    def predict(self, output: Tensor) -> Predictions:
        return self.number.predict(output)

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        return {}

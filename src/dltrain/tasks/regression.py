"""The task of predicting one real number, or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.runs.tables import safe_cell
from dltrain.tasks.comparison import Baseline, Comparison, compare_errors
from dltrain.tasks.losses import Loss, MeanSquaredError
from dltrain.tasks.metrics import Metric, regression_errors
from dltrain.tasks.outputs import output_columns, output_table
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Rows, Task, each_member
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Regression(Task):
    """Predicts K real numbers `(B, K)`, standardised for the loss and in their own unit for everything else; a target
    that is NaN counts nowhere."""

    name: ClassVar[str] = "regression"
    target: ClassVar[str] = "number"
    primary_metric: ClassVar[str] = "rmse"
    together: int = 1  # number of neighbouring samples whose errors are similar

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        super().__init__(facts, loss, metrics)
        self.mean, self.std = facts.target_mean, facts.target_std
        self.scaled = (self.mean, self.std) != (0.0, 1.0)

    def own_metric(self) -> Metric:
        return regression_errors(self.facts.target_mean)

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return MeanSquaredError(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.numbers import NumbersPage

        return NumbersPage(facts)

    @property
    def importance_metric(self) -> str:
        """Returns RMSE; of several outputs R², since their units differ."""
        return "r2" if len(self.facts.outputs) > 1 else self.primary_metric

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        if self.scaled:
            target = (target - like(self.mean, target)) / like(self.std, target)
        target = target.to(output.dtype)
        if weights is None:
            return self.loss(*each_member(output, target))
        return super().objective(output, torch.where(weights > 0, target, 0.0), weights)

    def is_known(self, target: Tensor) -> Tensor:
        return ~target.isnan().reshape(len(target), -1).all(dim=1)

    def decode(self, output: Tensor) -> Tensor:
        output = self.combine_members(output)
        # In float64, because a target may be large compared to its spread; mps has no float64.
        exact = output.float() if output.device.type == "mps" else output.double()
        return exact * like(self.std, exact) + like(self.mean, exact) if self.scaled else output

    def compare(
        self,
        model: str,
        target: Tensor,
        ours: Predictions,
        baselines: Sequence[Baseline],
        weights: Tensor | None = None,
    ) -> Comparison | None:
        if not baselines or len(target) < 3:
            return None
        candidates = [ours, *(baseline.predictions for baseline in baselines)]
        mine, *theirs = (self._squared(predictions, target, weights) for predictions in candidates)
        unit = "% of standardised RMSE" if self.facts.outputs else "% of RMSE"
        return compare_errors(model, mine, theirs, baselines, unit=unit, together=self.together)

    def _squared(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> NDArray[np.float64]:
        """Returns the squared error of each sample `(N,)`; of several outputs the mean of their standardised ones.

        With weights, errors are scaled so that their plain mean is the weighted one of each output, averaged over the
        outputs.
        """
        errors = np.asarray((predictions.values - target).double())
        scale = np.asarray(self.facts.target_std) if self.facts.outputs else 1.0
        squared = np.square(errors / scale).reshape(len(errors), -1)
        if weights is None:
            return np.asarray(squared.mean(axis=1))
        counted = np.asarray(weights.double())
        of_output = counted.mean(axis=0)
        squared = np.where(counted > 0, squared * counted, 0.0)[:, of_output > 0] / of_output[of_output > 0]
        return np.asarray(squared.mean(axis=1))

    def table(self, split: Split, predictions: Predictions) -> Rows:
        if self.facts.outputs:
            return output_table(self.facts.outputs, split, predictions)
        values = predictions.values.flatten().tolist()
        pairs = zip(split.ids, split.target.flatten().tolist()[: len(values)], values, strict=False)
        return Rows(["id", "true", "predicted"], ([safe_cell(name), f"{t:.9g}", f"{p:.9g}"] for name, t, p in pairs))

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        if self.facts.outputs:
            return output_columns(self.facts.outputs, predictions)
        return super().columns(predictions, inputs)

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        return [(_spell(split.target[index]), _spell(predictions.values[index])) for index in chosen]

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns the absolute error; of several outputs their mean, in standard deviations."""
        errors = (predictions.values - split.target[: len(predictions.values)]).abs().double()
        if not self.facts.outputs:
            return np.asarray(errors.flatten())
        scaled = errors / torch.tensor(self.facts.target_std, dtype=torch.float64)
        return np.asarray(scaled.nanmean(dim=1) if scaled.isnan().any() else scaled.mean(dim=1))

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        recorded = torch.tensor([[float(part) for part in row["predicted"].split(", ")] for row in rows])
        spread = float(recorded.max() - recorded.min()) or float(recorded.abs().max()) or 1.0
        return float((predictions.values - recorded).abs().max()) / spread

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        metrics = {}
        for index, name in enumerate(self.facts.outputs):
            target, *weights = (part[: len(predictions.values), index] for part in split.weighted_target)
            metric = regression_errors(float(target.nanmean() if weights else target.mean()))
            if not target.isnan().all():
                metrics[name] = metric.compute(metric.sums_of(predictions.values[:, index], target, *weights))
        return metrics


def like(numbers: float | tuple[float, ...], tensor: Tensor) -> Tensor | float:
    """Returns one number as it is, several as a tensor `(K,)` of the given tensor's type and device."""
    return numbers if isinstance(numbers, float) else torch.tensor(numbers, dtype=tensor.dtype, device=tensor.device)


def _spell(numbers: Tensor) -> str:
    return ", ".join("" if isnan(number) else f"{number:.9g}" for number in numbers.flatten().tolist())

"""What is being learned: how an output becomes a loss, a prediction and a set of metrics.

An output is `(B, out_features)`, or `(B, members, out_features)` of a model that is several: in training each member
has a loss of its own, whose mean is the objective; for evaluation and prediction `merged` makes one output of them, the
one that means the members' mean prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from dltrain.errors import ConfigError
from dltrain.losses import Loss
from dltrain.metrics import Metric, confusion, regression_errors, roc_auc
from dltrain.types import Facts


@dataclass(frozen=True)
class Predictions:
    """What a model says of some samples, on the CPU.

    Args:
        values: `(N,)` int64 class indices, or `(N, 1)` in the target's own unit.
        probabilities: `(N, K)`, or `None` for regression.
    """

    values: Tensor
    probabilities: Tensor | None = None


class Task(Protocol):
    """What the loop asks of a task; outputs are the model's, on its device."""

    loss: Loss
    metric: Metric
    metric_names: ClassVar[tuple[str, ...]]

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        """The batch's mean loss, over the members too where there are several."""
        ...

    def merged(self, output: Tensor) -> Tensor:
        """One output of several members'; an output of one model is returned as it is."""
        ...

    def point(self, output: Tensor) -> Tensor:
        """The prediction that the metric compares with the target."""
        ...

    def predict(self, output: Tensor) -> Predictions:
        """Predictions with their scores."""
        ...

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        """Metrics that need all samples at once."""
        ...


class Classification:
    """One of K classes; the prediction is the most probable one."""

    metric_names: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1")

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.metric = confusion(len(facts.classes))

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        return self.loss(*each_member(output, target))

    def merged(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else self.loss.merged(output)

    def point(self, output: Tensor) -> Tensor:
        output = self.merged(output)
        return (output[:, 0] > 0).long() if output.shape[1] == 1 else output.argmax(dim=1)

    def predict(self, output: Tensor) -> Predictions:
        output = self.merged(output.float())
        return Predictions(self.point(output).cpu(), self.loss.probabilities(output).cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        assert predictions.probabilities is not None
        area = roc_auc(predictions.probabilities, target)
        return {} if area is None else {"roc_auc": area}


class Regression:
    """A real number: scaled for the loss, and in its own unit for predictions and metrics."""

    metric_names: ClassVar[tuple[str, ...]] = ("mse", "rmse", "mae", "r2")

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.metric = regression_errors(facts.target_mean)
        self.mean, self.std = facts.target_mean, facts.target_std
        self.scaled = (self.mean, self.std) != (0.0, 1.0)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        if self.scaled:
            target = (target - self.mean) / self.std
        return self.loss(*each_member(output, target.to(output.dtype)))

    def merged(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else self.loss.merged(output)

    def point(self, output: Tensor) -> Tensor:
        output = self.merged(output)
        # In float64, because a target may be large beside its spread; mps has none.
        exact = output.float() if output.device.type == "mps" else output.double()
        return exact * self.std + self.mean if self.scaled else output

    def predict(self, output: Tensor) -> Predictions:
        return Predictions(self.point(output.float()).cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        return {}


def build_task(facts: Facts, loss: Loss) -> Task:
    """The task of the data, with a loss that serves it.

    Raises:
        ConfigError: the loss is for another task.
    """
    if loss.task != facts.task:
        raise ConfigError(
            f"this loss is for {loss.task}, and the data asks for {facts.task}",
            where="loss",
            fix="leave the loss to the task",
            override="loss=auto",
        )
    return Classification(facts, loss) if facts.task == "classification" else Regression(facts, loss)


def each_member(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Every member's output as a sample of its own, `(B·members, out_features)`, beside its target."""
    if output.dim() == 2:
        return output, target
    return output.flatten(0, 1), target.repeat_interleave(output.shape[1], dim=0)


def join(parts: list[Predictions]) -> Predictions:
    """Predictions of several batches as one."""
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Predictions(torch.cat([part.values for part in parts]), torch.cat(probabilities) if probabilities else None)

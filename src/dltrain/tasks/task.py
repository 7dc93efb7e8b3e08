"""What the loop, the baselines and the results ask of a task: how an output becomes a loss, a prediction and metrics.

An output is `(B, out_features)`, or `(B, members, out_features)` of a model that is several: in training each member
has a loss of its own, whose mean is the objective; for evaluation and prediction `merged` makes one output of them, the
one that means the members' mean prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import Metric


@dataclass(frozen=True)
class Predictions:
    """What a model says of some samples, on the CPU.

    Args:
        values: `(N,)` int64 class indices, or `(N, K)` numbers in the targets' own unit, or `(N, K)` int64 0 and 1, or
            `(N, T)` int64 tokens.
        probabilities: `(N, K)` of each class or label, or `None` where a number is predicted.
        losses: `(N, T)` of each position that an output is for, in nats, where somebody has asked for them.
        places: `(N,)` where the true item stands among those that were put in order, the best at 1; else `None`.
    """

    values: Tensor
    probabilities: Tensor | None = None
    losses: Tensor | None = None
    places: Tensor | None = None

    def of(self, chosen: Tensor) -> Predictions:
        """Those of some of the samples, `(n,)` indices; without the scores and losses."""
        return Predictions(self.values[chosen], places=None if self.places is None else self.places[chosen])


class Task(Protocol):
    """What is asked of a task; outputs are the model's, on its device.

    Attributes:
        loss: with the width of output that it asks for.
        metric: of the predictions that `point` makes.
        metric_names: of everything that `metric` computes.
        measure: the metric that results are compared by.
        each_position: whether the output is one for each position of a sequence, `(B, T, out_features)`, none of which
            may know the positions after it.
    """

    loss: Loss
    metric: Metric
    metric_names: ClassVar[tuple[str, ...]]
    measure: ClassVar[str]
    each_position: ClassVar[bool]

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


def each_member(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Every member's output as a sample of its own, `(B·members, out_features)`, beside its target."""
    if output.dim() == 2:
        return output, target
    return output.flatten(0, 1), target.repeat_interleave(output.shape[1], dim=0)


def measured(task: Task, predictions: Predictions, target: Tensor) -> dict[str, float]:
    """What the task's metric says of predictions, or of an order what is measured of it."""
    if predictions.places is not None:
        return task.finish(predictions, target)
    return task.metric.compute(task.metric.update(predictions.values, target))


def join(parts: list[Predictions]) -> Predictions:
    """Predictions of several batches as one."""
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Predictions(torch.cat([part.values for part in parts]), torch.cat(probabilities) if probabilities else None)

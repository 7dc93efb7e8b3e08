"""One of K classes."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import confusion, roc_auc
from dltrain.tasks.task import Predictions, each_member
from dltrain.types import Facts


class Classification:
    """One of K classes; the prediction is the most probable one."""

    metric_names: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1")
    measure: ClassVar[str] = "accuracy"
    each_position: ClassVar[bool] = False

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

"""Any number of L labels, each of which a sample has or has not."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import label_counts, label_roc_auc
from dltrain.tasks.task import Predictions, each_member
from dltrain.types import Facts


class Multilabel:
    """Which of L labels a sample has: those whose probability is above a half; targets are `(B, L)` of 0 and 1."""

    metric_names: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1", "hamming_loss")
    measure: ClassVar[str] = "accuracy"
    each_position: ClassVar[bool] = False

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.metric = label_counts(len(facts.outputs))

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        return self.loss(*each_member(output, target))

    def merged(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else self.loss.merged(output)

    def point(self, output: Tensor) -> Tensor:
        return (self.merged(output) > 0).long()

    def predict(self, output: Tensor) -> Predictions:
        output = self.merged(output.float())
        return Predictions(self.point(output).cpu(), self.loss.probabilities(output).cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        assert predictions.probabilities is not None
        area = label_roc_auc(predictions.probabilities, target)
        return {} if area is None else {"roc_auc": area}

"""The task of predicting one of K classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.runs.tables import safe_cell
from dltrain.tasks.losses import BinaryCrossEntropy, CrossEntropy, Loss
from dltrain.tasks.metrics import Metric, confusion, roc_auc
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.scored import ScoredTask
from dltrain.tasks.statistics import Calibration, best_thresholds, reliability
from dltrain.tasks.task import Rows
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Classification(ScoredTask):
    """Predicts one of K classes, the most probable one."""

    name: ClassVar[str] = "classification"
    target: ClassVar[str] = "class"
    unbalanced: ClassVar[str] = ""

    def own_metric(self) -> Metric:
        return confusion(len(self.facts.classes))

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return BinaryCrossEntropy(facts) if len(facts.classes) == 2 else CrossEntropy(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.classes import ClassesPage

        return ClassesPage(facts)

    def decode(self, output: Tensor) -> Tensor:
        output = self.combine_members(output)
        return (output[:, 0] > 0).long() if output.shape[1] == 1 else output.argmax(dim=1)

    def epoch_metrics(
        self, predictions: Predictions, target: Tensor, weights: Tensor | None = None
    ) -> dict[str, float]:
        assert predictions.probabilities is not None
        area = roc_auc(predictions.probabilities, target, weights)
        return {} if area is None else {"roc_auc": area}

    def calibrate(self, predictions: Predictions, target: Tensor) -> Calibration:
        if predictions.probabilities is None:
            return Calibration()
        scores = predictions.probabilities.double().numpy()
        error = reliability(scores.max(axis=1), (predictions.values == target).numpy()).error
        binary = len(self.facts.classes) == 2
        return Calibration(error, best_thresholds(scores[:, 1], target.numpy() == 1) if binary else ())

    def table(self, split: Split, predictions: Predictions) -> Rows:
        assert predictions.probabilities is not None
        labels = [safe_cell(name) for name in self.facts.classes]
        pairs = zip(split.ids, split.target.tolist(), predictions.values.tolist(), strict=False)
        scores = predictions.probabilities
        return Rows(
            ["id", "true", "predicted", *(f"score_{name}" for name in self.facts.classes)],
            (
                [safe_cell(sample), labels[t], labels[p], *(f"{score:.6g}" for score in scores[row].tolist())]
                for row, (sample, t, p) in enumerate(pairs)
            ),
        )

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        assert predictions.probabilities is not None
        classes, scores = self.facts.classes, predictions.probabilities.double().numpy()
        predicted = [classes[index] for index in predictions.values.tolist()]
        return {"predicted": predicted} | {f"score_{name}": scores[:, index] for index, name in enumerate(classes)}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        names = [safe_cell(name) for name in self.facts.classes]
        return [(names[int(split.target[index])], names[int(predictions.values[index])]) for index in chosen]

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns 1 minus the probability of the true class."""
        assert predictions.probabilities is not None
        target = split.target[: len(predictions.values)]
        return 1 - np.asarray(predictions.probabilities.gather(1, target[:, None]).flatten().double())

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        assert predictions.probabilities is not None
        numbers = {safe_cell(name): number for number, name in enumerate(self.facts.classes)}
        true = torch.tensor([[numbers[row["true"]]] for row in rows])
        recorded = torch.tensor([[1 - float(row["error"])] for row in rows])
        return float((predictions.probabilities.gather(1, true) - recorded).abs().max())

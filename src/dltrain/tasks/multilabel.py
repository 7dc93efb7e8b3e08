"""The task of predicting which of L labels a sample has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.runs.tables import safe_cell
from dltrain.tasks.losses import BinaryCrossEntropy, Loss
from dltrain.tasks.metrics import Metric, class_counts, label_counts, label_roc_auc
from dltrain.tasks.outputs import output_columns, output_table
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.scored import ScoredTask
from dltrain.tasks.task import Rows
from dltrain.types import MISSING_LABEL, Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Multilabel(ScoredTask):
    """Predicts which of L labels a sample has, those with a probability above one half.

    Targets are `(B, L)` of 0 and 1, or `MISSING_LABEL` where it is not known whether a sample has a label: the loss and
    the metrics of that label then leave the sample out.
    """

    name: ClassVar[str] = "multilabel"
    target: ClassVar[str] = "labels"
    unbalanced: ClassVar[str] = "the target is several labels"

    def own_metric(self) -> Metric:
        return label_counts(len(self.facts.outputs))

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return BinaryCrossEntropy(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.labels import LabelsPage

        return LabelsPage(facts)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return super().objective(output, target if weights is None else target.clamp(min=0), weights)

    def is_known(self, target: Tensor) -> Tensor:
        return (target != MISSING_LABEL).any(dim=1)

    def decode(self, output: Tensor) -> Tensor:
        return (self.combine_members(output) > 0).long()

    def epoch_metrics(
        self, predictions: Predictions, target: Tensor, weights: Tensor | None = None
    ) -> dict[str, float]:
        assert predictions.probabilities is not None
        area = label_roc_auc(predictions.probabilities, target, weights)
        return {} if area is None else {"roc_auc": area}

    def table(self, split: Split, predictions: Predictions) -> Rows:
        return output_table(self.facts.outputs, split, predictions)

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        return output_columns(self.facts.outputs, predictions)

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        return [(self._spell(split.target[index]), self._spell(predictions.values[index])) for index in chosen]

    def _spell(self, has: Tensor) -> str:
        """Returns the names of the labels of a sample, given 0 or 1 for each label `(L,)`."""
        names = zip(self.facts.outputs, has.tolist(), strict=True)
        return safe_cell(", ".join(name for name, value in names if value == 1))

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns the mean over a sample's known labels of 1 minus the probability of the truth."""
        assert predictions.probabilities is not None
        target = split.target[: len(predictions.values)]
        errors = (target - predictions.probabilities).abs()
        return np.asarray(errors.masked_fill(target == MISSING_LABEL, torch.nan).nanmean(dim=1).double())

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        """Returns how far the probabilities are from where the recorded labels would be the predicted ones."""
        assert predictions.probabilities is not None
        farthest = 0.0
        for scores, row in zip(predictions.probabilities, rows, strict=True):
            if row["predicted"] != self._spell(scores > 0.5):
                farthest = max(farthest, float((scores - 0.5).abs().min()))
        return farthest

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        metric, count = class_counts(2), len(predictions.values)
        target, *weighed = (part[:count] for part in split.weighted_target)
        weights = weighed[0] if weighed else torch.ones(count, len(self.facts.outputs))
        metrics = {}
        for name, *column in zip(self.facts.outputs, predictions.values.T, target.T, weights.T, strict=True):
            known = column[-1] > 0
            if known.any():
                metrics[name] = metric.compute(metric.sums_of(*(part[known] for part in column)))
        return metrics

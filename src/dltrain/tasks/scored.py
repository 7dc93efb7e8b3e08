"""The common base of tasks whose predictions have probabilities, classes and labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.tasks.comparison import Comparison, Contest, compare_mistakes
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import TOLERANCE, Task


class ScoredTask(Task):
    """Predicts classes or labels by their probabilities; a sample counts as right if all of its labels are."""

    primary_metric: ClassVar[str] = "accuracy"
    export_words: ClassVar[str] = "probabilities"

    def explained(self, output: Tensor) -> Tensor:
        """Returns the score of the predicted class, or of the most probable label."""
        output = self.combine_members(output)
        return output[:, 0].abs() if output.shape[1] == 1 else output.amax(dim=1)

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        output = self.combine_members(output.float())
        return Predictions(self.decode(output).cpu(), self.loss.probabilities(output).cpu())

    def compare(self, contest: Contest) -> Comparison | None:
        theirs = [_mistakes(baseline.predictions, contest.target, contest.weights) for baseline in contest.baselines]
        return compare_mistakes(contest, _mistakes(contest.ours, contest.target, contest.weights), theirs)

    def deploy(self, output: Tensor) -> Tensor:
        return self.loss.probabilities(output)

    def agrees(self, deployed: Tensor, predictions: Predictions) -> bool:
        assert predictions.probabilities is not None
        return torch.allclose(deployed, predictions.probabilities.float(), rtol=TOLERANCE, atol=TOLERANCE)


def _mistakes(predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> NDArray[np.float64]:
    """Returns 1 for each sample whose class or any known label is wrong, else 0, `(N,)`; times its weight by the mean
    one."""
    wrong = (predictions.values != target).reshape(len(target), -1)
    if weights is None:
        return np.asarray(wrong.any(dim=1).double())
    weight = weights.double().reshape(len(target), -1)
    of_sample = weight.amax(dim=1)
    return np.asarray((wrong & (weight > 0)).any(dim=1) * of_sample / of_sample.mean())

"""Metrics as additive sums with a finish: exact on ragged batches, without a synchronisation a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Better = Literal["min", "max"]

BETTER: Mapping[str, Better] = {
    "loss": "min",
    "accuracy": "max",
    "precision": "max",
    "recall": "max",
    "f1": "max",
    "roc_auc": "max",
    "mse": "min",
    "rmse": "min",
    "mae": "min",
    "r2": "max",
}


@dataclass(frozen=True)
class Metric:
    """A sum over samples, and what is read from it.

    Args:
        update: `(prediction, target)` of a batch to float64 sums of a fixed shape, on the batch's device.
        compute: the sums over all batches to named values.
    """

    update: Callable[[Tensor, Tensor], Tensor]
    compute: Callable[[Tensor], dict[str, float]]


def confusion(class_count: int) -> Metric:
    """Counts `(true, predicted)` pairs; precision, recall and F1 are the positive class's where there are two classes,
    else their means over the classes that occur."""

    def update(predicted: Tensor, target: Tensor) -> Tensor:
        cell = target * class_count + predicted
        counts = torch.zeros(class_count * class_count, dtype=torch.float64, device=target.device)
        counts.index_add_(0, cell, torch.ones_like(cell, dtype=torch.float64))
        return counts.view(class_count, class_count)  # (true, predicted)

    def compute(counts: Tensor) -> dict[str, float]:
        scores = class_scores(counts)
        occurs = (counts.sum(0) + counts.sum(1)) > 0
        if class_count == 2:
            occurs = torch.tensor([False, True])
        means = {name: float(values[occurs].mean()) for name, values in scores.items()}
        return {"accuracy": float(counts.diagonal().sum() / counts.sum()), **means}

    return Metric(update, compute)


def class_scores(counts: Tensor) -> dict[str, Tensor]:
    """Precision, recall and F1 of every class, each `(K,)`, from counts `(true, predicted)`; 0 where undefined."""
    hits, predicted, true = counts.diagonal(), counts.sum(0), counts.sum(1)
    return {
        "precision": hits / predicted.clamp(min=1),
        "recall": hits / true.clamp(min=1),
        "f1": 2 * hits / (predicted + true).clamp(min=1),
    }


def regression_errors(reference: float = 0.0) -> Metric:
    """Squared and absolute error and R², in the unit of what is given.

    Args:
        reference: a number near the targets' mean; it leaves R² as it is and keeps its sums accurate.
    """

    def update(predicted: Tensor, target: Tensor) -> Tensor:
        target = target.double()
        error = predicted.double() - target
        centered = target - reference
        count = torch.full((), float(target.numel()), dtype=torch.float64, device=target.device)
        return torch.stack([count, centered.sum(), centered.square().sum(), error.abs().sum(), error.square().sum()])

    def compute(sums: Tensor) -> dict[str, float]:
        count, total, squares, absolute, squared = sums.tolist()
        spread = squares - total**2 / count
        mse = squared / count
        perfect = 1.0 if squared == 0 else 0.0
        r2 = 1 - squared / spread if spread > 1e-12 * max(squares, 1e-300) else perfect
        return {"mse": mse, "rmse": mse**0.5, "mae": absolute / count, "r2": r2}

    return Metric(update, compute)


def roc_auc(probabilities: Tensor, target: Tensor) -> float | None:
    """Area under the ROC curve, the mean of one-against-rest areas for more than two classes.

    Args:
        probabilities: `(N, K)`.
        target: `(N,)` class indices.

    Returns:
        `None` where it is undefined: a class that no sample has, or scores that are not finite.
    """
    class_count = probabilities.shape[1]
    if len(target.unique()) < class_count or not probabilities.isfinite().all():
        return None
    from sklearn.metrics import roc_auc_score

    if class_count == 2:
        return float(roc_auc_score(target.numpy(), probabilities[:, 1].numpy()))
    return float(
        roc_auc_score(target.numpy(), probabilities.numpy(), multi_class="ovr", labels=list(range(class_count)))
    )

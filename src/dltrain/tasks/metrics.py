"""Metrics as sums over samples and a function of these sums.

They are exact also where batches differ in size, and need no synchronisation with the device in each batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.tasks.metric_table import MetricInfo


@dataclass(frozen=True)
class Metric:
    """A metric, or several that share their sums.

    Args:
        update: returns the float64 sums over a batch, of a fixed shape and on its device, from `(prediction, target)`.
        weighted: the same from `(prediction, target, weights)`, with weights as in `Split.weights` and any number where
            one is missing; without it all samples count alike, and those that lack a number do not count.
        compute: returns named values from the sums over all batches.
        names: of these values.
        info: label, direction and unit of names that are not in `METRICS`.
    """

    update: Callable[[Tensor, Tensor], Tensor]
    compute: Callable[[Tensor], dict[str, float]]
    names: tuple[str, ...] = ()
    info: Mapping[str, MetricInfo] = field(default_factory=dict)
    weighted: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def sums_of(self, predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns the sums over a batch, weighted if there are weights."""
        if weights is None:
            return self.update(predicted, target)
        if self.weighted is None:
            whole = (weights > 0).reshape(len(weights), -1).all(dim=1)
            return self.update(predicted[whole], target[whole])
        return self.weighted(predicted, target, weights)


NOTHING = Metric(lambda predicted, target: torch.zeros(0, dtype=torch.float64, device=target.device), lambda sums: {})


def joined(metrics: Sequence[Metric]) -> Metric:
    """Returns several metrics as one, whose sums are the concatenation of theirs."""
    if len(metrics) == 1:
        return metrics[0]
    shapes: list[torch.Size] = []

    def update(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        sums = [metric.sums_of(predicted, target, weights).double() for metric in metrics]
        shapes[:] = [part.shape for part in sums]
        return torch.cat([part.flatten() for part in sums])

    def compute(sums: Tensor) -> dict[str, float]:
        parts = sums.split([shape.numel() for shape in shapes])
        values = [metric.compute(part.view(shape)) for metric, part, shape in zip(metrics, parts, shapes, strict=True)]
        return {name: float(value) for part in values for name, value in part.items()}

    names = tuple(dict.fromkeys(name for metric in metrics for name in (*metric.names, *metric.info)))
    infos = {name: info for metric in metrics for name, info in metric.info.items()}
    return Metric(update, compute, names, infos, weighted=update)


def class_counts(class_count: int) -> Metric:
    """Returns the metric of accuracy, precision, recall and F1, from how often each class is right, predicted and true.

    Precision, recall and F1 are those of the positive class where there are two classes, else the means over all
    classes that occur. The sums are `(3, K)`, so that thousands of classes cost no matrix.
    """

    def update(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        ones = torch.ones_like(target, dtype=torch.float64) if weights is None else weights.double()
        counts = torch.zeros(3 * class_count, dtype=torch.float64, device=target.device).index_add(
            0,
            torch.cat([target, predicted + class_count, target + 2 * class_count]),
            torch.cat([ones * (predicted == target), ones, ones]),
        )
        return counts.view(3, class_count)

    def compute(counts: Tensor) -> dict[str, float]:
        scores = class_scores(counts)
        occurs = (counts[1] + counts[2]) > 0
        if class_count == 2:
            occurs = torch.tensor([False, True])
        means = {name: float(values[occurs].mean()) for name, values in scores.items()}
        return {"accuracy": float(counts[0].sum() / counts[2].sum()), **means}

    return Metric(update, compute, ("accuracy", "precision", "recall", "f1"), weighted=update)


def class_scores(counts: Tensor) -> dict[str, Tensor]:
    """Returns precision, recall and F1 of every class, each `(K,)`, from counts `(3, K)` of samples of it that are
    right, predicted and true; 0 if undefined."""
    hits, predicted, true = counts
    return {
        "precision": hits / _not_zero(predicted),
        "recall": hits / _not_zero(true),
        "f1": 2 * hits / _not_zero(predicted + true),
    }


def _not_zero(counts: Tensor) -> Tensor:
    """Returns counts, which may be sums of weights below 1, with 1 for each 0."""
    return torch.where(counts > 0, counts, 1.0)


def label_counts(label_count: int) -> Metric:
    """Returns the metric of labels, for targets and predictions `(B, L)` of 0 and 1, of which some may be missing.

    As in scikit-learn, accuracy is the share of samples with all (known) labels right, precision, recall and F1 are
    means over the labels that some sample is known to have or not, and the Hamming loss is the share of wrong labels.
    """

    def update(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        weight = torch.ones_like(target, dtype=torch.float64) if weights is None else weights.double()
        of_sample = weight.amax(dim=1)
        wrong = (predicted != target) & (weight > 0)
        right = (~wrong.any(dim=1) * of_sample).sum()
        rows = [
            (part * weight).sum(0) for part in (predicted * (target == 1), (predicted == 1) & wrong, target * wrong)
        ]
        rows += [weight.sum(0), *(total.expand(label_count) for total in (right, of_sample.sum()))]
        return torch.stack(rows)  # (6, L)

    def compute(sums: Tensor) -> dict[str, float]:
        hits, alarms, misses, counts, right, samples = sums[:, sums[3] > 0]
        return {
            "accuracy": float(right[0] / samples[0]),
            "precision": float((hits / _not_zero(hits + alarms)).mean()),
            "recall": float((hits / _not_zero(hits + misses)).mean()),
            "f1": float((2 * hits / _not_zero(2 * hits + alarms + misses)).mean()),
            "hamming_loss": float((alarms + misses).sum() / counts.sum()),
        }

    return Metric(update, compute, ("accuracy", "precision", "recall", "f1", "hamming_loss"), weighted=update)


def regression_errors(reference: float | Sequence[float] = 0.0) -> Metric:
    """Returns the metric of MSE, RMSE, MAE and R², in the target's unit; of several outputs `(B, K)` their means, as in
    scikit-learn, each over its known numbers.

    Args:
        reference: a number near the targets' mean, or one for each output; it keeps the sums for R² accurate.
    """

    def update(predicted: Tensor, target: Tensor) -> Tensor:
        target = target.double()
        error = predicted.double() - target
        centered = target - torch.as_tensor(reference, dtype=torch.float64, device=target.device)
        count = torch.full(target.shape[1:], float(len(target)), dtype=torch.float64, device=target.device)
        rows = [count, centered.sum(0), centered.square().sum(0), error.abs().sum(0), error.square().sum(0)]
        return torch.stack(rows)  # (5, K)

    def weighted(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        weights, target = weights.double(), target.double()
        error = torch.where(weights > 0, predicted.double() - target, 0.0)
        near = torch.as_tensor(reference, dtype=torch.float64, device=target.device)
        centered = torch.where(weights > 0, target - near, 0.0)
        rows = [torch.ones_like(error), centered, centered.square(), error.abs(), error.square()]
        return torch.stack([(weights * row).sum(0) for row in rows])  # (5, K)

    def compute(sums: Tensor) -> dict[str, float]:
        outputs = [_errors(*column) for column in sums.reshape(5, -1).T.tolist() if column[0] > 0]
        return {name: sum(errors[name] for errors in outputs) / len(outputs) for name in outputs[0]}

    return Metric(update, compute, ("mse", "rmse", "mae", "r2"), weighted=weighted)


def forecast_errors(
    columns: int, reference: Sequence[float], *, in_unit: bool = True, info: Mapping[str, MetricInfo] | None = None
) -> Metric:
    """Returns the metric of forecasts `(B, H·columns)`, over all steps and samples; of several columns their means.

    `smape` is the mean of 200 · |error| / (|true| + |predicted|), 0 where both are 0.

    Args:
        columns: number of values a step.
        reference: a number near each column's mean, as in `regression_errors`.
        in_unit: whether errors in the columns' unit are returned, which several columns may not share.
        info: as in `Metric`.
    """
    named = ("mse", "rmse", "mae") if in_unit else ()
    errors = regression_errors(reference)

    def update(predicted: Tensor, target: Tensor) -> Tensor:
        predicted, target = (tensor.double().reshape(-1, columns) for tensor in (predicted, target))
        size = predicted.abs() + target.abs()
        share = torch.where(size > 0, 200 * (predicted - target).abs() / size, 0.0)
        return torch.cat([errors.update(predicted, target), share.sum(0, keepdim=True)])  # (6, columns)

    def weighted(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        predicted, target, weights = (tensor.double().reshape(-1, columns) for tensor in (predicted, target, weights))
        size = predicted.abs() + target.abs()
        share = torch.where((size > 0) & (weights > 0), 200 * (predicted - target).abs() / size, 0.0)
        return torch.cat([errors.sums_of(predicted, target, weights), (weights * share).sum(0, keepdim=True)])

    def compute(sums: Tensor) -> dict[str, float]:
        smape = float((sums[5] / sums[0]).mean())
        values = errors.compute(sums[:5])
        return {name: values[name] for name in named} | {"smape": smape, "r2": values["r2"]}

    return Metric(update, compute, (*named, "smape", "r2"), info or {}, weighted=weighted)


def _errors(count: float, total: float, squares: float, absolute: float, squared: float) -> dict[str, float]:
    """Returns the metrics of one output from its sums; `total` and `squares` are those of the centred targets."""
    spread = squares - total**2 / count
    mse = squared / count
    perfect = 1.0 if squared == 0 else 0.0
    r2 = 1 - squared / spread if spread > 1e-12 * max(squares, 1e-300) else perfect
    return {"mse": mse, "rmse": mse**0.5, "mae": absolute / count, "r2": r2}


def hits(ranks: Tensor, count: int = 10) -> dict[str, float]:
    """Returns hit rate, NDCG and recall of lists of `count` items, with one true item for each user.

    Args:
        ranks: `(N,)` rank of each user's true item, the best is 1; ties have the mean of their ranks.
        count: length of the list.
    """
    rate = float((ranks <= count).double().mean())
    return {f"hit_rate@{count}": rate, f"ndcg@{count}": float(gains(ranks, count).mean()), f"recall@{count}": rate}


def gains(ranks: Tensor, count: int = 10) -> Tensor:
    """Returns the discounted gain `(N,)` of each true item: 1 at rank 1, 0 after rank `count`."""
    return torch.where(ranks <= count, 1 / torch.log2(ranks.double() + 1), 0.0)


def roc_auc(probabilities: Tensor, target: Tensor, weights: Tensor | None = None) -> float | None:
    """Returns the area under the ROC curve; for more than two classes the mean area of each class against the rest.

    `None` where it is undefined: a class occurs in no sample, or a score is not finite.

    Args:
        probabilities: `(N, K)`.
        target: `(N,)` class indices.
        weights: `(N,)` of the samples.
    """
    class_count = probabilities.shape[1]
    if len(target.unique()) < class_count or not probabilities.isfinite().all():
        return None
    from sklearn.metrics import roc_auc_score

    if class_count == 2:
        return float(roc_auc_score(target.numpy(), probabilities[:, 1].numpy(), sample_weight=_as_array(weights)))
    return float(
        roc_auc_score(
            target.numpy(),
            probabilities.numpy(),
            multi_class="ovr",
            labels=list(range(class_count)),
            sample_weight=_as_array(weights),
        )
    )


def label_roc_auc(probabilities: Tensor, target: Tensor, weights: Tensor | None = None) -> float | None:
    """Returns the mean of the areas under the ROC curves of the labels that are known of some sample; `None` where one
    is undefined.

    Args:
        probabilities: `(N, L)`.
        target: `(N, L)` of 0 and 1.
        weights: `(N, L)` of the labels, 0 of a missing one.
    """
    if not probabilities.isfinite().all():
        return None
    weights = torch.ones_like(probabilities) if weights is None else weights
    areas = []
    for columns in zip(probabilities.T, target.T, weights.T, strict=True):
        scores, true, weight = (column[columns[2] > 0] for column in columns)
        if not len(true):
            continue
        area = roc_auc(torch.stack([1 - scores, scores], dim=1), true, weight)
        if area is None:
            return None
        areas.append(area)
    return sum(areas) / len(areas) if areas else None


def _as_array(weights: Tensor | None) -> NDArray[np.float64] | None:
    return None if weights is None else weights.double().numpy()

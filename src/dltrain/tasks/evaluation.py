"""The evaluation loop, which measures every model, whatever its family, data and task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from dltrain.data.growing import Growing
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.predictions import Joined, Predictions
from dltrain.types import Batch, Split

if TYPE_CHECKING:
    from dltrain.data.loader import TensorLoader
    from dltrain.tasks.task import Task


Kept = Literal["nothing", "values", "all"]  # of the predictions


@dataclass(frozen=True)
class EvaluationSet:
    """A split to evaluate a model on, and how.

    Args:
        loader: of the split, in its order.
        split: its samples.
        stored: tensors that the run stores beyond the facts, as in `Data.kept`.
        precision: of the forward pass.
        thorough: whether to compute slow metrics too, as on the splits that are shown.
    """

    loader: TensorLoader
    split: Split
    stored: Mapping[str, Tensor]
    precision: Precision = "float32"
    thorough: bool = True


def evaluate(
    model: nn.Module, task: Task, batches: Iterable[Batch], precision: Precision = "float32"
) -> dict[str, float]:
    """Returns the loss and the task's metrics over all batches, exactly, also where batches differ in size."""
    return _evaluate(model, task, batches, precision, keep="nothing")[0]


def evaluate_fully(
    model: nn.Module, task: Task, batches: Iterable[Batch], precision: Precision = "float32", *, scores: bool = True
) -> tuple[dict[str, float], Predictions]:
    """Returns what `evaluate` does and the metrics that need all samples at once, and the predictions; without `scores`
    neither these metrics nor probabilities, of which many classes have too many."""
    metrics, joined, targets = _evaluate(model, task, batches, precision, keep="all" if scores else "values")
    predictions = joined.whole()
    if not scores:
        return metrics, predictions
    return metrics | task.epoch_metrics(predictions, *(part.whole() for part in targets)), predictions


@torch.no_grad()
def _evaluate(
    model: nn.Module, task: Task, batches: Iterable[Batch], precision: Precision, *, keep: Kept
) -> tuple[dict[str, float], Joined, list[Growing]]:
    model.eval()
    device = next(model.parameters()).device
    loss_sum, weight_sum = zero(device), zero(device)
    sums: Tensor | None = None
    joined, targets = Joined(), [Growing(), Growing()]
    for batch in batches:
        with autocast(precision, device):
            output = task.combine_members(batch.output_of(model))
            loss = task.objective(output, *batch.weighted_target)
        weight = task.loss.weight(*batch.weighted_target)
        loss_sum += loss.to(loss_sum) * weight
        weight_sum += weight
        answers = (part.to(loss_sum.device) for part in batch.weighted_target)
        update = task.metric.sums_of(task.decode(output).to(loss_sum.device), *answers)
        sums = update if sums is None else sums + update
        if keep != "nothing":
            part = task.predict(output, batch.target)
            joined.add(part if keep == "all" else replace(part, probabilities=None, outputs=None))
            for gathered, of_batch in zip(targets, batch.weighted_target, strict=False):
                gathered.add(of_batch.cpu())
    assert sums is not None, "there is at least one batch"
    return (
        {"loss": float(loss_sum / weight_sum), **task.metric.compute(sums.cpu())},
        joined,
        [part for part in targets if part.count],
    )


def zero(device: torch.device) -> Tensor:
    """Returns a float64 zero on the device; on the CPU if the device has no float64."""
    return torch.zeros((), dtype=torch.float64, device="cpu" if device.type == "mps" else device)

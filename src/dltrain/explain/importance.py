"""Permutation importance (Breiman, 2001): how much worse a trained model predicts when a column is shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from dltrain.data.seeding import seeded
from dltrain.tasks.task import Task
from dltrain.types import BatchTransform, Stored

MAX_COLUMNS = 50
MAX_ROWS = 2000
SHUFFLES = 5
BATCH = 1000
MAX_BYTES = 2**27  # of the other inputs of all rows


@dataclass(frozen=True)
class Importance:
    """How important a column is to the model.

    Args:
        name: of the source column.
        drop: by how much the task's `importance_metric` worsens when the column is shuffled, in that metric's unit; the
            mean over the shuffles, negative where the result happens to improve.
        spread: standard deviation over the shuffles.
    """

    name: str
    drop: float
    spread: float


def permutation_importance(
    model: nn.Module,
    task: Task,
    inputs: tuple[Stored, ...],
    target: Tensor,
    columns: Mapping[str, list[int]],
    seconds: float,
    weights: Tensor | None = None,
    *,
    others: str = "",
    prepare: BatchTransform | None = None,
    batch: int = BATCH,
) -> list[Importance]:
    """Returns the importance of each column, the most important first.

    Inputs that come from one column are shuffled together; shuffled apart, they would make rows that cannot exist. Of
    a table with more than 50 columns only the 50 whose inputs have the largest gradients are tried.

    Args:
        model: trained.
        task: gives the metric.
        inputs: on the model's device, encoded rows `(N, F)` as the last one; of more than 2,000 samples, or fewer of
            large ones, evenly spaced ones are taken.
        target: of the same samples.
        columns: positions in the last input of what comes from each source column.
        seconds: after which no further shuffle is tried; columns that have not been shuffled by then are left out.
        weights: of the same samples, as in `Split.weights`.
        others: a name for all inputs but the last, which are shuffled together as a column; empty to leave them.
        prepare: what loaders do to a batch.
        batch: samples at once, at most 1,000.
    """
    deadline = perf_counter() + seconds
    count = len(target)
    most = min(MAX_ROWS, max(1, MAX_BYTES * count // max(1, sum(part.nbytes for part in inputs[:-1]))))
    rows = torch.from_numpy(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)).to(target.device)
    *own, x = (part[rows] for part in inputs)
    answers = tuple(part[rows] for part in (target, weights) if part is not None)
    model.eval()

    def measure(*samples: Tensor) -> float:
        return _measure(model, task, samples, answers, metric, prepare, min(batch, BATCH))

    if len(columns) > MAX_COLUMNS:
        columns = _steepest(model, task, (*own, x), answers, columns, prepare, min(batch, BATCH))
    metric = task.importance_metric
    sign = 1 if task.describe_metric(metric).better == "max" else -1
    unshuffled = measure(*own, x)
    drops: dict[str, list[float]] = {name: [] for name in (*columns, *[others] * bool(others))}
    for shuffle in range(SHUFFLES):
        for number, name in enumerate(drops):
            if perf_counter() >= deadline:
                break
            order = torch.randperm(len(x), generator=seeded(shuffle, number)).to(x.device)
            if name in columns:
                shuffled = x.clone()
                shuffled[:, columns[name]] = x[order][:, columns[name]]
                drops[name].append(sign * (unshuffled - measure(*own, shuffled)))
            else:
                drops[name].append(sign * (unshuffled - measure(*(part[order] for part in own), x)))
    importances = [
        Importance(name, float(np.mean(values)), float(np.std(values))) for name, values in drops.items() if values
    ]
    return sorted(importances, key=lambda importance: -importance.drop)


@torch.no_grad()
def _measure(
    model: nn.Module,
    task: Task,
    inputs: tuple[Tensor, ...],
    answers: tuple[Tensor, ...],
    metric: str,
    prepare: BatchTransform | None,
    size: int,
) -> float:
    """Returns the metric of samples."""
    sums = []
    for start in range(0, len(inputs[0]), size):
        batch = tuple(part[start : start + size] for part in inputs)
        output = model(*(batch if prepare is None else prepare(batch)))
        true = (part[start : start + size].cpu() for part in answers)
        sums.append(task.metric.sums_of(task.decode(output).cpu(), *true))
    return task.metric.compute(torch.stack(sums).sum(dim=0))[metric]


def _steepest(
    model: nn.Module,
    task: Task,
    inputs: tuple[Tensor, ...],
    answers: tuple[Tensor, ...],
    columns: Mapping[str, list[int]],
    prepare: BatchTransform | None,
    size: int,
) -> dict[str, list[int]]:
    """Returns the columns along whose inputs the loss is steepest, by the mean absolute gradient."""
    *own, x = (part[:size] for part in inputs)
    x = x.clone().requires_grad_()
    output = model(*((*own, x) if prepare is None else prepare((*own, x))))
    (gradient,) = torch.autograd.grad(task.objective(output, *(part[:size] for part in answers)), x)
    slope = gradient.abs().mean(dim=0).cpu()
    ranked = sorted(columns, key=lambda name: -float(slope[columns[name]].sum()))
    return {name: columns[name] for name in ranked[:MAX_COLUMNS]}

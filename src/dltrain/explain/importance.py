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

MAX_COLUMNS = 50
MAX_ROWS = 2000
SHUFFLES = 5
BATCH = 1000


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
    x: Tensor,
    target: Tensor,
    columns: Mapping[str, list[int]],
    seconds: float,
    weights: Tensor | None = None,
) -> list[Importance]:
    """Returns the importance of each column, the most important first.

    Inputs that come from one column are shuffled together; shuffled apart, they would make rows that cannot exist. Of
    a table with more than 50 columns only the 50 whose inputs have the largest gradients are tried.

    Args:
        model: trained.
        task: gives the metric.
        x: encoded rows `(N, F)` on the model's device; of more than 2,000, evenly spaced ones are taken.
        target: of the same rows.
        columns: positions of the inputs of each source column.
        seconds: after which no further shuffle is tried; columns that have not been shuffled by then are left out.
        weights: of the same rows, as in `Split.weights`.
    """
    deadline = perf_counter() + seconds
    rows = torch.from_numpy(np.linspace(0, len(x) - 1, min(len(x), MAX_ROWS)).round().astype(np.int64)).to(x.device)
    x, answers = x[rows], tuple(part[rows] for part in (target, weights) if part is not None)
    model.eval()
    if len(columns) > MAX_COLUMNS:
        columns = _steepest(model, task, x, answers, columns)
    metric = task.importance_metric
    sign = 1 if task.describe_metric(metric).better == "max" else -1
    unshuffled = _measure(model, task, x, answers, metric)
    drops: dict[str, list[float]] = {name: [] for name in columns}
    for shuffle in range(SHUFFLES):
        for number, (name, inputs) in enumerate(columns.items()):
            if perf_counter() >= deadline:
                break
            order = torch.randperm(len(x), generator=seeded(shuffle, number)).to(x.device)
            shuffled = x.clone()
            shuffled[:, inputs] = x[order][:, inputs]
            drops[name].append(sign * (unshuffled - _measure(model, task, shuffled, answers, metric)))
    importances = [
        Importance(name, float(np.mean(values)), float(np.std(values))) for name, values in drops.items() if values
    ]
    return sorted(importances, key=lambda importance: -importance.drop)


@torch.no_grad()
def _measure(model: nn.Module, task: Task, x: Tensor, answers: tuple[Tensor, ...], metric: str) -> float:
    """Returns the metric of encoded rows `(N, F)`."""
    parts = zip(x.split(BATCH), *(part.cpu().split(BATCH) for part in answers), strict=True)
    sums = [task.metric.sums_of(task.decode(model(inputs)).cpu(), *true) for inputs, *true in parts]
    return task.metric.compute(torch.stack(sums).sum(dim=0))[metric]


def _steepest(
    model: nn.Module, task: Task, x: Tensor, answers: tuple[Tensor, ...], columns: Mapping[str, list[int]]
) -> dict[str, list[int]]:
    """Returns the columns along whose inputs the loss is steepest, by the mean absolute gradient."""
    x = x[:BATCH].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(task.objective(model(x), *(part[:BATCH] for part in answers)), x)
    slope = gradient.abs().mean(dim=0).cpu()
    ranked = sorted(columns, key=lambda name: -float(slope[columns[name]].sum()))
    return {name: columns[name] for name in ranked[:MAX_COLUMNS]}

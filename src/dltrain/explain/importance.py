"""How much a trained model rests on each column of its table: what shuffling the column costs."""

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
    """What a column is worth to the model.

    Args:
        name: of the source column.
        drop: by how much the task's main metric worsens where the column is shuffled, in that metric's unit; the mean
            over the shuffles. Below 0 where the result happens to be better. Of several numbers it is R², for
            their units differ.
        spread: standard deviation over the shuffles.
    """

    name: str
    drop: float
    spread: float


def permutation_importance(
    model: nn.Module, task: Task, x: Tensor, target: Tensor, columns: Mapping[str, list[int]], seconds: float
) -> list[Importance]:
    """What shuffling each column costs, the most important first.

    Inputs that were made of one column are shuffled together, for apart they would be rows that cannot exist. Of a wide
    table only the columns whose inputs move the loss most are tried.

    Args:
        model: trained.
        task: its main metric is what worsens.
        x: encoded rows `(N, F)` on the model's device; of more than 2,000 evenly spaced ones are taken.
        target: of the same rows.
        columns: the inputs of each source column.
        seconds: after which no further shuffle is tried; a column that had none by then is left out.
    """
    deadline = perf_counter() + seconds
    rows = torch.from_numpy(np.linspace(0, len(x) - 1, min(len(x), MAX_ROWS)).round().astype(np.int64)).to(x.device)
    x, target = x[rows], target[rows]
    model.eval()
    if len(columns) > MAX_COLUMNS:
        columns = _most_felt(model, task, x, target, columns)
    metric = task.importance_metric
    sign = 1 if task.describe_metric(metric).better == "max" else -1
    whole = _measured(model, task, x, target, metric)
    drops: dict[str, list[float]] = {name: [] for name in columns}
    for shuffle in range(SHUFFLES):
        for number, (name, inputs) in enumerate(columns.items()):
            if perf_counter() >= deadline:
                break
            order = torch.randperm(len(x), generator=seeded(shuffle, number)).to(x.device)
            shuffled = x.clone()
            shuffled[:, inputs] = x[order][:, inputs]
            drops[name].append(sign * (whole - _measured(model, task, shuffled, target, metric)))
    found = [Importance(name, float(np.mean(of)), float(np.std(of))) for name, of in drops.items() if of]
    return sorted(found, key=lambda one: -one.drop)


@torch.inference_mode()
def _measured(model: nn.Module, task: Task, x: Tensor, target: Tensor, metric: str) -> float:
    parts = zip(x.split(BATCH), target.split(BATCH), strict=True)
    sums = [task.metric.update(task.decode(model(inputs)).cpu(), true.cpu()) for inputs, true in parts]
    return task.metric.compute(torch.stack(sums).sum(dim=0))[metric]


def _most_felt(
    model: nn.Module, task: Task, x: Tensor, target: Tensor, columns: Mapping[str, list[int]]
) -> dict[str, list[int]]:
    """The columns along whose inputs the loss is steepest, by the mean absolute gradient."""
    x = x[:BATCH].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(task.objective(model(x), target[:BATCH]), x)
    slope = gradient.abs().mean(dim=0).cpu()
    ranked = sorted(columns, key=lambda name: -float(slope[columns[name]].sum()))
    return {name: columns[name] for name in ranked[:MAX_COLUMNS]}

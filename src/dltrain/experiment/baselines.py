"""Runs the baselines for a data set, the cheapest first, and measures them with the model's metrics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated

from dltrain.kinds.kind import kind_of
from dltrain.tasks.comparison import Baseline
from dltrain.tasks.task import Task
from dltrain.types import Data, Range, SplitName


@dataclass(frozen=True)
class BaselineSettings:
    """The time limit for baselines.

    Args:
        seconds: no further baseline begins after this time; 0 for no baselines.
    """

    seconds: Annotated[float, Range(0)] = 20.0


def run_baselines(data: Data, task: Task, split: SplitName, settings: BaselineSettings) -> list[Baseline]:
    """Fits baselines to the training split, the cheapest first, and returns them measured on `split`."""
    began = perf_counter()
    target = data.splits[split].target
    measured = []
    for name, predict in kind_of(data.facts).baselines(data, split):
        if perf_counter() - began >= settings.seconds:
            break
        started = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops early is still a baseline
            predictions = predict()
        metrics = task.measure(predictions, target)
        if predictions.probabilities is not None:
            metrics |= task.epoch_metrics(predictions, target)
        measured.append(Baseline(name, metrics, predictions, perf_counter() - started))
    return measured

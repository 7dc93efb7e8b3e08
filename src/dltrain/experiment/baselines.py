"""Runs the baselines for a data set, the cheapest first, and measures them with the model's metrics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Literal

from dltrain.kinds.kind import kind_of
from dltrain.tasks.comparison import Baseline
from dltrain.tasks.task import Task
from dltrain.types import Data, Range, SplitName

LEAST_SECONDS, SHARE = 3.0, 0.25
LONGEST = 20.0  # seconds after which no further baseline begins


@dataclass(frozen=True)
class BaselineSettings:
    """The time limit for baselines.

    Args:
        seconds: no further baseline begins after this time; 0 for no baselines. `auto` is 20 seconds, and where methods
            can be fitted to a sample, a quarter of the training's time, but at least 3 seconds.
    """

    seconds: Literal["auto"] | Annotated[float, Range(0)] = "auto"

    def limit(self, train_seconds: float) -> float:
        """Returns the time that methods should take beside a training of so many seconds."""
        return max(LEAST_SECONDS, train_seconds * SHARE) if self.seconds == "auto" else self.seconds

    @property
    def longest(self) -> float:
        """Returns the time after which no further baseline begins."""
        return LONGEST if self.seconds == "auto" else self.seconds


def run_baselines(data: Data, task: Task, split: SplitName, seconds: float, longest: float = LONGEST) -> list[Baseline]:
    """Fits baselines to the training split, the cheapest first, and returns them measured on `split`.

    Args:
        data: the data.
        task: what is predicted.
        split: the split to predict.
        seconds: that methods which can be fitted to a sample should take in all; 0 for no baselines.
        longest: no further baseline begins after this time.
    """
    began = perf_counter()
    target = data.splits[split].weighted_target
    measured = []
    if not seconds:
        return []
    for name, predict, note in kind_of(data.facts).baselines(data, split, seconds):
        if perf_counter() - began >= longest:
            break
        started = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops early is still a baseline
            predictions = predict()
        metrics = task.measure(predictions, *target)
        if predictions.probabilities is not None:
            metrics |= task.epoch_metrics(predictions, *target)
        measured.append(Baseline(name, metrics, predictions, perf_counter() - started, note))
    return measured

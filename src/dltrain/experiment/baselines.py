"""Runs the plain methods for a data set, the cheapest first, and measures them as the model is measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated

from dltrain.kinds.corpus import baselines as ngrams
from dltrain.kinds.estimators import predictors
from dltrain.kinds.ratings import baselines as ratings
from dltrain.kinds.series import baselines as series
from dltrain.kinds.text import baselines as texts
from dltrain.tasks.task import Predictions, Task
from dltrain.types import Data, Kind, Range, SplitName

Predictor = Callable[[], Predictions]


@dataclass(frozen=True)
class BaselineSettings:
    """How long plain methods may take.

    Args:
        seconds: after so many no further method is begun; 0 for none at all.
    """

    seconds: Annotated[float, Range(0)] = 20.0


@dataclass(frozen=True)
class Baseline:
    """A plain method's result on one split.

    Args:
        name: of the method.
        metrics: those of the task, without a loss.
        predictions: of the split's samples.
        seconds: that it took.
    """

    name: str
    metrics: dict[str, float]
    predictions: Predictions
    seconds: float


# For each kind of data: names of methods, and what fits one to the training split and predicts the other split.
METHODS: Mapping[Kind, Callable[[Data, SplitName], Iterator[tuple[str, Predictor]]]] = {
    "table": predictors,
    "image": predictors,
    "text": texts.predictors,
    "corpus": ngrams.predictors,
    "ratings": ratings.predictors,
    "series": series.predictors,
}


def baselines(data: Data, task: Task, split: SplitName, settings: BaselineSettings) -> list[Baseline]:
    """Fits plain methods to the training split, the cheapest first, and measures them on `split`."""
    began = perf_counter()
    target = data.splits[split].target
    found = []
    for name, predict in METHODS[data.facts.kind](data, split):
        if perf_counter() - began >= settings.seconds:
            break
        started = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops early is still a baseline
            predictions = predict()
        metrics = task.metric.compute(task.metric.update(predictions.values, target)) | task.finish(predictions, target)
        found.append(Baseline(name, metrics, predictions, perf_counter() - started))
    return found

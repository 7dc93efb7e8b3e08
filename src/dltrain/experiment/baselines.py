"""Runs the baselines for a data set, the cheapest first, and measures them with the model's metrics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from dltrain.kinds.kind import kind_of
from dltrain.tasks.comparison import Baseline
from dltrain.tasks.task import Task
from dltrain.types import Data, Range, SplitName

SHARE = 0.12  # of the training's time, of which page and explanations also take a part
SHARE_OF_RUN, LEAST, MOST = 1 / 6, 0.5, 1.0  # of the run until then, and seconds, that they have after any training
LONGEST = 8.0  # seconds after which no further baseline begins
MOST_MEASURED, FEWEST_MEASURED = 20_000, 1_000  # samples, which tell two methods apart as well as more do
MOST_PROBABILITIES = 20_000_000  # of many classes


@dataclass(frozen=True)
class BaselineSettings:
    """The time limit for baselines.

    Args:
        seconds: no further baseline begins after this time; 0 for no baselines. `auto` is 8 seconds, and where methods
            can be fitted to a sample, an eighth of the training's time, but at least a sixth of the run so far, kept
            between 0.5 seconds and 1.
    """

    seconds: Literal["auto"] | Annotated[float, Range(0)] = "auto"

    def limit(self, train_seconds: float, run_seconds: float) -> float:
        """Returns the time that methods should take beside a training of so many seconds, in a run that has taken so
        many until now."""
        if self.seconds != "auto":
            return self.seconds
        return max(train_seconds * SHARE, min(MOST, max(LEAST, run_seconds * SHARE_OF_RUN)))

    @property
    def longest(self) -> float:
        """Returns the time after which no further baseline begins."""
        return LONGEST if self.seconds == "auto" else self.seconds


def rows_measured(data: Data, split: SplitName) -> NDArray[np.int64] | None:
    """Returns the positions of the samples of a split on which baselines are measured; `None` for all of them."""
    count = len(data.splits[split])
    most = max(FEWEST_MEASURED, min(MOST_MEASURED, MOST_PROBABILITIES // max(1, len(data.facts.classes))))
    if count <= most or not kind_of(data.facts).samples_stand_alone:
        return None
    return np.linspace(0, count - 1, most).round().astype(np.int64)


def run_baselines(data: Data, task: Task, split: SplitName, seconds: float, longest: float = LONGEST) -> list[Baseline]:
    """Fits baselines to the training split, the cheapest first, and returns them measured on `split`, of many samples
    on 20,000 of them.

    Args:
        data: the data.
        task: what is predicted.
        split: the split to predict.
        seconds: that methods which can be fitted to a sample should take in all; 0 for no baselines.
        longest: no further baseline begins after so many seconds of the processor, which other work on the machine
            does not change.
    """
    began = process_time()
    measured: list[Baseline] = []
    if not seconds:
        return []
    kind, count = kind_of(data.facts), len(data.splits[split])
    if (chosen := rows_measured(data, split)) is not None:
        data = kind.part_of(data, split, chosen)
    target = data.splits[split].weighted_target
    started = perf_counter()
    for name, predict, note in kind.baselines(data, split, seconds):
        if process_time() - began >= longest:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops early is still a baseline
            predictions = predict()
        metrics = task.measure(predictions, *target)
        if predictions.probabilities is not None:
            metrics |= task.epoch_metrics(predictions, *target)
        notes = [note] if note else []
        notes += [f"measured on {len(chosen):,} of the {count:,} samples, to save time"] if chosen is not None else []
        done = perf_counter()
        measured.append(Baseline(name, metrics, predictions, done - started, "; ".join(notes)))
        started = done
    return measured

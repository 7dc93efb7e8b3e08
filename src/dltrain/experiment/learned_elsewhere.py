"""Compares what a model's first weights had learned elsewhere with what was learned here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from time import perf_counter

import numpy as np
import torch
from torch import nn

from dltrain.errors import DltrainError
from dltrain.experiment.build import Setup
from dltrain.experiment.features import AT_ONCE, features_of
from dltrain.kinds.estimators import fit_and_predict, methods
from dltrain.models.names import name_of, picked_model
from dltrain.tasks.comparison import Baseline, Comparison
from dltrain.tasks.metric_table import METRICS
from dltrain.training.random_state import undisturbed
from dltrain.types import FrozenTrunk, SplitName

log = logging.getLogger("dltrain")

LINEAR = "logistic_regression", "linear_regression"
NAME = "frozen_features"
TRIED = 4 * AT_ONCE  # samples that show how long all take


def frozen_features(setup: Setup, split: SplitName, seconds: float) -> tuple[Baseline, ...]:
    """Returns a linear model on the features of the trunk as it came, as a baseline of one that was trained further.

    Args:
        setup: the objects of a run; its model is not changed.
        split: the split to predict.
        seconds: that it may take.

    Returns:
        The baseline; none if the trunk was not trained, its first weights are gone, or it takes too long.
    """
    picked = picked_model(setup.state.model)
    if not isinstance(picked, FrozenTrunk) or picked.is_trunk_fixed or setup.untrained is None or not seconds:
        return ()
    began = perf_counter()
    try:
        with undisturbed(setup.device):
            return _measure(setup, setup.untrained, split, began + seconds)
    except DltrainError as error:
        log.info("        %s were not measured: %s", NAME.replace("_", " "), error.what)
        return ()


def _measure(setup: Setup, build: Callable[[], nn.Module], split: SplitName, until: float) -> tuple[Baseline, ...]:
    began, model = perf_counter(), build().to(setup.device).eval()
    if not isinstance(model, FrozenTrunk):
        return ()
    loaders = setup.evaluation["train"], setup.evaluation[split]
    few = copy(loaders[0])
    few.inputs, few.target = tuple(tensor[:TRIED] for tensor in few.inputs), few.target[:TRIED]
    threads, started = torch.get_num_threads(), perf_counter()
    torch.set_num_threads(1)
    try:
        features_of(model, few, setup)
        each = (perf_counter() - started) / len(few.target)
        if perf_counter() + each * sum(len(loader.target) for loader in loaders) > until:
            return ()
        x, x_held_out = (features_of(model, loader, setup).cpu().numpy() for loader in loaders)
    finally:
        torch.set_num_threads(threads)
    facts, train = setup.data.facts, setup.data.splits["train"]
    make = next(make for name, make in methods(facts, boosting=False) if name in LINEAR)
    y = train.target.numpy() if facts.outputs else train.target.flatten().numpy()
    predictions = fit_and_predict(make, x, y, x_held_out, facts, np.arange(len(y)))
    target = setup.data.splits[split].weighted_target
    metrics = setup.task.measure(predictions, *target)
    if predictions.probabilities is not None:
        metrics |= setup.task.epoch_metrics(predictions, *target)
    note = "a linear model on the trunk's outputs with the weights that it came with"
    return (Baseline(NAME, metrics, predictions, perf_counter() - began, note),)


def compare_origins(
    setup: Setup, metrics: dict[str, float], baselines: tuple[Baseline, ...], comparison: Comparison | None
) -> list[str]:
    """Returns a sentence about what was learned elsewhere and what here; nothing for models that begin anew.

    Args:
        setup: the objects of the run.
        metrics: the model's, on the split of the baselines.
        baselines: measured on it.
        comparison: of the model with the best of them.
    """
    picked, metric = picked_model(setup.state.model), setup.task.primary_metric
    here = [baseline for baseline in baselines if baseline.name != NAME and metric in baseline.metrics]
    if not isinstance(picked, FrozenTrunk) or setup.untrained is None or not here or metric not in metrics:
        return []
    best = (max if METRICS[metric].better == "max" else min)(here, key=lambda baseline: baseline.metrics[metric])
    frozen = next((baseline.metrics[metric] for baseline in baselines if baseline.name == NAME), None)
    parts = [f"{best.words}, learned here alone, {best.metrics[metric]:.3f}"]
    label = METRICS[metric].label.lower()
    if picked.is_trunk_fixed:
        parts.insert(0, f"features learned elsewhere, with a head learned here, reach {metrics[metric]:.3f}")
        advice = comparison is not None and comparison.difference < comparison.margin
        parts += ["training the trunk as well may do better: model.freeze=none"] if advice else []
        return [f"{label}: {'; '.join(parts)}"]
    if frozen is not None:
        parts.insert(0, f"features learned elsewhere, with a linear model of them, reach {frozen:.3f}")
    parts.append(f"{name_of(setup.state.model)}, trained further here, {metrics[metric]:.3f}")
    return [f"{label}: {'; '.join(parts)}"]

"""The weights of a linear model beside the true coefficients, where the data knows them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dltrain.runs.reader import Floats, Run
from dltrain.types import Facts


class Coefficients(NamedTuple):
    """A linear model's weights `(F + 1,)` in the raw units of features and target, the intercept last."""

    names: list[str]
    true: Floats
    learned: Floats


def coefficients(run: Run) -> Coefficients | None:
    """A linear regression's weights beside the true ones; `None` where the truth or the weights are not known.

    The model computes `w · (x - mean) / std + b`, and the prediction is that times `target_std` plus `target_mean`. So
    a feature's raw weight is `target_std · w / std`, and the intercept is what all of it leaves at `x = 0`.
    """
    facts, scale = run.facts, feature_scale(run.facts)
    true = facts.truth.get("coefficients")
    if true is None or scale is None or facts.task != "regression":
        return None
    weight, bias = run.read_weight("linear.weight"), run.read_weight("linear.bias")
    if weight is None or weight.shape != (1, len(true)):
        return None
    mean, std = scale
    target_mean, target_std = facts.target_mean, facts.target_std
    if isinstance(target_mean, tuple) or isinstance(target_std, tuple):
        return None
    learned = target_std * weight[0].astype(np.float64) / std
    intercept = target_mean + target_std * (0.0 if bias is None else float(bias[0])) - float(learned @ mean)
    names = list(facts.features) if len(facts.features) == len(true) else [f"x{n}" for n in range(len(true))]
    return Coefficients(
        [*names, "intercept"],
        np.append(np.asarray(true, np.float64), float(facts.truth.get("bias", 0.0))),
        np.append(learned, intercept),
    )


def feature_scale(facts: Facts) -> tuple[Floats, Floats] | None:
    """Mean and standard deviation of each feature, `(F,)`; `None` where a stored feature is no scaled number."""
    stored = facts.preprocessing
    columns = stored.get("columns")
    if columns and all(
        column["kind"] == "numeric" and not column["indicator"] and not column["edges"] for column in columns
    ):
        stored = {name: [column[name] for column in columns] for name in ("mean", "std")}
    if "mean" in stored and "std" in stored:
        mean, std = np.asarray(stored["mean"], np.float64), np.asarray(stored["std"], np.float64)
        return (mean, std) if mean.shape == std.shape == facts.input_shape else None
    unscaled = facts.kind == "table" and not facts.preprocessing.keys() - {"low", "high"}
    return (np.zeros(facts.input_shape), np.ones(facts.input_shape)) if unscaled else None

"""Compares the weights of a linear model with the true coefficients, if the data has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dltrain.kinds.labels import form_of
from dltrain.kinds.table.encoder import columns_of
from dltrain.runs.reader import Floats, Run
from dltrain.types import Facts


class Coefficients(NamedTuple):
    """A linear model's weights `(F + 1,)` in the raw units of features and target, the intercept last."""

    names: list[str]
    true: Floats
    learned: Floats


def coefficients(run: Run) -> Coefficients | None:
    """Returns a linear regression's weights with the true ones; `None` if either is unknown.

    The model computes `w · (x - mean) / std + b`, and the prediction is that times `target_std` plus `target_mean`. So
    a feature's raw weight is `target_std · w / std`, and the intercept is the prediction at `x = 0`.
    """
    facts, scale = run.facts, feature_scale(run.facts)
    true = facts.truth.get("coefficients")
    if true is None or scale is None or form_of(facts) != "number":
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
    """Returns mean and standard deviation of each feature, `(F,)`; `None` if one is not a linearly scaled number."""
    scales = [column.linear_scale for column in columns_of(facts)]
    linear = [scale for scale in scales if scale is not None]
    if not scales or len(linear) < len(scales):
        return None
    mean, std = np.asarray(linear, np.float64).T
    return mean, std

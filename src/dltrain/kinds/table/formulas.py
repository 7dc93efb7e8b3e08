"""Data from formulas, whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from dltrain.data.splits import Fraction, Indices, split_indices
from dltrain.kinds.labels import TASKS, TargetReader
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.types import Data, Facts, Range, Split, SplitName


def cubic(
    *,
    rows: Annotated[int, Range(2)] = 1000,
    scale: bool = True,
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Returns y = x³ on `rows` evenly spaced points between -10 and 10.

    Args:
        rows: number of points.
        scale: whether the model sees x standardised.
        scale_target: whether the loss sees y standardised.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        seed: of the split.
    """
    x = torch.linspace(-10, 10, rows)[:, None]  # (N, 1)
    parts = split_indices(rows, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    truth = {"formula": "x³"}
    return _regression_data(x, x**3, parts, features=("x",), truth=truth, scale=scale, scale_target=scale_target)


def regression(
    *,
    rows: Annotated[int, Range(2)] = 1000,
    features: Annotated[int, Range(1)] = 10,
    bias: float = 5.0,
    noise: Annotated[float, Range(0)] = 1.0,
    scale: bool = True,
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Returns scikit-learn's `make_regression`; the true coefficients are kept among the facts.

    Args:
        rows: number of samples.
        features: number of inputs, all of them informative.
        bias: the true intercept.
        noise: standard deviation of the noise on the target.
        scale: whether the model sees the inputs standardised.
        scale_target: whether the loss sees the target standardised.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        seed: of the data and of the split.
    """
    from sklearn.datasets import make_regression

    x, y, coefficients = make_regression(
        rows, features, n_informative=features, bias=bias, noise=noise, coef=True, random_state=seed
    )
    parts = split_indices(rows, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    return _regression_data(
        torch.from_numpy(x).float(),
        torch.from_numpy(y).float()[:, None],
        parts,
        features=tuple(f"x{number}" for number in range(features)),
        truth={"coefficients": np.atleast_1d(coefficients).tolist(), "bias": bias},
        scale=scale,
        scale_target=scale_target,
    )


def _regression_data(
    x: Tensor,
    y: Tensor,
    parts: Mapping[SplitName, Indices],
    *,
    features: tuple[str, ...],
    truth: Mapping[str, object],
    scale: bool,
    scale_target: bool,
) -> Data:
    """Returns data of inputs `(N, F)` and a target `(N, 1)`, scaled by the training split alone."""
    train = parts["train"]
    target = TargetReader("y", TASKS["number"])
    encoder = TableEncoder.fit_numbers(x[train], features, target, scale=scale)
    spread = float(y[train].std(correction=0))
    facts = Facts(
        kind="table",
        task=target.task,
        input_shape=(len(features),),
        target=target.name,
        features=encoder.features,
        target_mean=float(y[train].mean()) if scale_target else 0.0,
        target_std=(spread or 1.0) if scale_target else 1.0,
        preprocessing=encoder.to_json(),
        truth=truth,
    )
    inputs = encoder.encode_numbers(x)
    splits = {name: Split((inputs[index],), y[index], tuple(map(str, index))) for name, index in parts.items()}
    return Data(facts, splits)

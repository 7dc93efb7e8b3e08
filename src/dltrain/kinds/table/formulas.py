"""Data from formulas, whose truth is known."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.splits import Fraction, split_indices
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
    """y = x³ on `rows` evenly spaced points between -10 and 10.

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
    return _regression_data(x, x**3, parts, scale, scale_target, features=("x",), target="y", truth={"formula": "x³"})


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
    """scikit-learn's `make_regression`; the true coefficients are kept among the facts.

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
        scale,
        scale_target,
        features=tuple(f"x{number}" for number in range(features)),
        target="y",
        truth={"coefficients": np.atleast_1d(coefficients).tolist(), "bias": bias},
    )


def _regression_data(
    x: Tensor,
    y: Tensor,
    parts: dict[SplitName, NDArray[np.int64]],
    scale: bool,
    scale_target: bool,
    *,
    features: tuple[str, ...],
    target: str,
    truth: dict[str, object],
) -> Data:
    """Inputs `(N, F)` and a target `(N, 1)`, scaled by the training split alone."""
    train = parts["train"]
    preprocessing: dict[str, object] = {"low": x[train].amin(dim=0).tolist(), "high": x[train].amax(dim=0).tolist()}
    if scale:
        mean, std = x[train].mean(dim=0), x[train].std(dim=0, correction=0)
        std = torch.where(std == 0, 1.0, std)
        x = (x - mean) / std
        preprocessing |= {"mean": mean.tolist(), "std": std.tolist()}
    spread = float(y[train].std(correction=0))
    facts = Facts(
        kind="table",
        task="regression",
        input_shape=(x.shape[1],),
        target=target,
        features=features,
        target_mean=float(y[train].mean()) if scale_target else 0.0,
        target_std=(spread or 1.0) if scale_target else 1.0,
        preprocessing=preprocessing,
        truth=truth,
    )
    splits = {name: Split((x[index],), y[index], tuple(str(row) for row in index)) for name, index in parts.items()}
    return Data(facts, splits)

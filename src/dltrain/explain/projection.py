"""Projects the samples of a split into a plane, by their first two principal components."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.data.algebra import on_one_thread
from dltrain.data.growing import Growing
from dltrain.explain.last_layer import last_layer_inputs
from dltrain.types import BatchTransform, Stored

MAX_ROWS = 2000
MAX_ROWS_OF_WIDE = 500  # where there are more than 500 features
BATCH = 128

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """Samples in the plane of their first two principal components.

    Args:
        rows: `(n,)` positions in the split.
        points: `(n, 2)` coordinates.
        explained: share of the variance along each of the two axes.
        source: what was projected, in words: inputs, or the last layer's inputs.
    """

    rows: NDArray[np.int64]
    points: Floats
    explained: tuple[float, float]
    source: str


def project_inputs(x: Tensor) -> Projection | None:
    """Returns the projection of encoded rows `(N, F)`; numbers are standardised, inputs of 0 and 1 stay as they are.

    `None` where the rows or features are too few, not finite, or all equal.
    """
    rows = _spaced_rows(len(x), x.shape[1])
    chosen = x[torch.from_numpy(rows).to(x.device)].cpu().double().numpy()
    numbers = ~np.isin(chosen, (0.0, 1.0)).all(axis=0)
    scale = np.where(numbers, chosen.std(axis=0), 1.0)
    return _project(chosen / np.where(scale > 0, scale, 1.0), rows, "inputs")


def project_features(
    model: nn.Module, inputs: tuple[Stored, ...], prepare: BatchTransform | None, seconds: float, batch: int = BATCH
) -> Projection | None:
    """Returns the projection of the inputs of the last linear layer; `None` where there is none, or time runs out.

    Args:
        model: trained.
        inputs: of the split, `(N, ...)`, on the model's device.
        prepare: what loaders do to a batch.
        seconds: after which no further batch is tried.
        batch: samples at once, at most 128.
    """
    deadline = perf_counter() + seconds
    rows = _spaced_rows(len(inputs[0]))
    chosen = torch.from_numpy(rows).to(inputs[0].device)
    joined = Growing()
    for features_of_batch in last_layer_inputs(model, inputs, prepare, min(batch, BATCH), chosen):
        joined.add(features_of_batch.cpu().double())
        if perf_counter() >= deadline and (seconds <= 0 or joined.count < len(rows)):
            return None  # the first rows alone would not do: they may all be of one class
    if not joined.count:
        return None
    features = joined.whole().numpy()
    spaced = _spaced_rows(len(features), features.shape[1])
    return _project(features[spaced], rows[spaced], "last layer's inputs")


def _spaced_rows(count: int, width: int = 0) -> NDArray[np.int64]:
    """Returns evenly spaced positions of at most 2,000 rows, or 500 where these are wide."""
    most = MAX_ROWS_OF_WIDE if width > MAX_ROWS_OF_WIDE else MAX_ROWS
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _project(x: Floats, rows: NDArray[np.int64], source: str) -> Projection | None:
    """Returns the projection of `(n, F)` by the eigenvectors of the smaller of `x.T @ x` and `x @ x.T`.

    The sign of each axis is fixed, so that equal data gives equal points.
    """
    if len(x) < 3 or x.shape[1] < 2 or not np.isfinite(x).all():
        return None
    x = x - x.mean(axis=0)
    with on_one_thread():
        if len(x) <= x.shape[1]:
            values, vectors = np.linalg.eigh(x @ x.T)
            points = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
        else:
            values, vectors = np.linalg.eigh(x.T @ x)
            points = x @ vectors[:, :-3:-1]
    total = float(np.square(x).sum())
    if total <= 0:
        return None
    points = points * np.where(points[np.abs(points).argmax(axis=0), [0, 1]] < 0, -1, 1)
    first, second = (float(value) / total for value in np.maximum(values[:-3:-1], 0))
    return Projection(rows, points, (first, second), source)

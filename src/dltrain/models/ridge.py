"""Ridge regression of a window: a linear model that is solved instead of trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dltrain.models.layers.windows import WindowShape
from dltrain.types import Spec

PENALTIES = tuple(10.0**exponent for exponent in range(-6, 2))  # relative to the mean square of the inputs
MOST_INPUTS = 3000  # of a map that sees all columns at once
HELD_OUT = 0.1  # share of the training windows that choose the penalty where there is no validation split


class Windows(NamedTuple):
    """Windows as a model sees them, and what it should return.

    Args:
        x: `(N, L, channels)`.
        target: `(N, H, C)`.
        size: `(N, C)` by what the loss multiplies an error.
    """

    x: Tensor
    target: Tensor
    size: Tensor

    def within(self, channels: int) -> Windows:
        """Returns the windows with the first channels alone."""
        return self._replace(x=self.x[:, :, :channels])

    def part(self, chosen: slice) -> Windows:
        """Returns some of the windows."""
        return Windows(self.x[chosen], self.target[chosen], self.size[chosen])


class Rows(NamedTuple):
    """The rows of a regression: inputs `(R, F)`, targets `(R, O)` and weights of errors `(R, 1)`."""

    x: Tensor
    y: Tensor
    size: Tensor


class Ridge(nn.Module):
    """A linear map of each column's window alike, or where the validation error is then lower, of all columns at once.

    Nothing of it is trained: `solve` minimises the squared error of the training windows plus a penalty on the weights,
    which the validation windows choose.

    Args:
        spec: of the data.
    """

    takes = ("series",)
    alike: Tensor
    together: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        length, channels = spec.input_shape
        self.channels = channels - spec.vectors  # vectors change while others are trained
        self.shape = shape = WindowShape.of(replace(spec, input_shape=(length, self.channels)))
        inputs = length * self.channels
        several = shape.columns > 1 and inputs <= MOST_INPUTS
        self.register_buffer("alike", torch.zeros(1 + shape.steps + shape.length * shape.beside, shape.horizon))
        self.register_buffer("together", torch.zeros(1 + inputs if several else 0, spec.out_features))

    def forward(self, window: Tensor) -> Tensor:
        window = window[:, :, : self.channels]
        forecast = self.shape.join(_mapped(self._columns(window), self.alike))
        return forecast + _mapped(window.flatten(1), self.together) if len(self.together) else forecast

    def _columns(self, window: Tensor) -> Tensor:
        """Returns what the forecast of each column is a map of, `(B, C, F)`."""
        return torch.cat([self.shape.values(window), self.shape.others(window).flatten(2)], dim=2)

    @torch.no_grad()
    def solve(self, train: Windows, val: Windows | None, levels: Sequence[float] = ()) -> None:
        """Finds the weights.

        Args:
            train: of the training split.
            val: of the validation split; None where there is none.
            levels: of quantiles that follow the forecast in the output, each with as many numbers as it.
        """
        train = train.within(self.channels)
        if val is None:
            count = max(1, round(len(train.x) * (1 - HELD_OUT)))
            last = slice(count, None) if count < len(train.x) else slice(None)
            train, val = train.part(slice(count)), train.part(last)
        val = val.within(self.channels)
        forms = [(self.alike, self._of_columns)]
        forms += [(self.together, self._of_windows)] if len(self.together) else []
        solved = [_solve(rows_of(train), rows_of(val)) for _, rows_of in forms]
        best = min(range(len(forms)), key=lambda at: solved[at][0])
        weights, (x, y, _) = solved[best][1], forms[best][1](val)  # errors of training windows may be near zero
        shifts = torch.quantile(y - _mapped(x, weights), torch.tensor(levels, dtype=y.dtype), dim=0)
        for buffer, _ in forms:
            buffer.zero_()
        parts = [weights]
        for shift in shifts:
            parts.append(weights.clone())
            parts[-1][0] += shift
        forms[best][0].copy_(torch.cat(parts, dim=1))

    def _of_columns(self, windows: Windows) -> Rows:
        """Returns a row for each column of each window."""
        x, target = self._columns(windows.x), windows.target.transpose(1, 2)
        return Rows(x.flatten(0, 1).double(), target.flatten(0, 1).double(), windows.size.reshape(-1, 1).double())

    def _of_windows(self, windows: Windows) -> Rows:
        """Returns a row for each window."""
        size = windows.size.repeat(1, windows.target.shape[1])
        return Rows(windows.x.flatten(1).double(), windows.target.flatten(1).double(), size.double())


def solved_parts(model: nn.Module) -> list[Ridge]:
    """Returns the parts of a model that are solved instead of trained."""
    return [module for module in model.modules() if isinstance(module, Ridge)]


def _mapped(x: Tensor, weights: Tensor) -> Tensor:
    """Returns a linear map of `x` `(..., F)`, whose intercept comes first, `(..., O)`."""
    return x @ weights[1:] + weights[0]


def _solve(train: Rows, val: Rows) -> tuple[float, Tensor]:
    """Returns the weights `(1 + F, O)` with the lowest mean squared error of the validation rows, and that error."""
    best = (math.inf, torch.zeros(1 + train.x.shape[1], train.y.shape[1], dtype=torch.float64))
    for weights in _solutions(train):
        error = float(((_mapped(val.x, weights) - val.y) * val.size).square().mean())
        if error < best[0]:
            best = (error, weights)
    return best


def _solutions(rows: Rows) -> Iterator[Tensor]:
    """Yields the weights `(1 + F, O)` for each penalty; those of a row are the mean of its outputs' weights."""
    share = rows.size.square().mean(dim=1, keepdim=True)
    share = share / share.sum()
    x_mean, y_mean = (share * rows.x).sum(dim=0), (share * rows.y).sum(dim=0)
    x, y = (rows.x - x_mean) * share.sqrt(), (rows.y - y_mean) * share.sqrt()
    dual = len(x) < x.shape[1]
    gram = x @ x.T if dual else x.T @ x
    unit = torch.eye(len(gram), dtype=gram.dtype) * gram.trace() / x.shape[1]
    for penalty in PENALTIES:
        factor, failed = torch.linalg.cholesky_ex(gram + penalty * unit)
        if failed:
            continue
        slope = x.T @ torch.cholesky_solve(y, factor) if dual else torch.cholesky_solve(x.T @ y, factor)
        yield torch.cat([(y_mean - x_mean @ slope)[None], slope])

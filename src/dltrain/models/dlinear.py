"""DLinear: one linear layer of a window's trend and one of the rest, for each column alike (Zeng et al., 2023)."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional

from dltrain.models.layers.windows import WindowShape
from dltrain.types import Range, Spec


class DLinear(nn.Module):
    """Decomposes a window into a moving average and the rest, and forecasts by a linear layer of each.

    Columns share the layers, and no column sees another. What is given beside the values has a linear layer of its own.
    Weights begin as the mean of the window, as in the authors' code.

    Args:
        spec: of the data.
        kernel: steps of the moving average, an odd number; the ends of a window are repeated.
    """

    takes = ("series",)

    def __init__(self, spec: Spec, kernel: Annotated[int, Range(1, 10_000)] = 25) -> None:
        super().__init__()
        self.shape = WindowShape.of(spec)
        self.kernel = kernel if kernel % 2 else kernel + 1
        self.trend = nn.Linear(self.shape.steps, self.shape.horizon)
        self.rest = nn.Linear(self.shape.steps, self.shape.horizon)
        for layer in (self.trend, self.rest):
            nn.init.constant_(layer.weight, 1 / self.shape.steps)
        self.beside = None
        if self.shape.beside:
            self.beside = nn.Linear(self.shape.length * self.shape.beside, self.shape.horizon, bias=False)
            nn.init.zeros_(self.beside.weight)

    def forward(self, window: Tensor) -> Tensor:
        values = self.shape.values(window)  # (B, C, T)
        ends = (self.kernel - 1) // 2
        padded = functional.pad(values, (ends, ends), mode="replicate")
        trend = functional.avg_pool1d(padded, self.kernel, stride=1)
        forecast = self.trend(trend) + self.rest(values - trend)
        if self.beside is not None:
            forecast = forecast + self.beside(self.shape.others(window).flatten(2))
        return self.shape.join(forecast)

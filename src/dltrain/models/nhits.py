"""N-HiTS: stacks that read a window at several rates and interpolate their forecasts (Challu et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.models.layers.windows import WindowShape, notes_beyond
from dltrain.types import Range, Spec


class Block(nn.Module):
    """Pools a window by its maxima, and makes of it by dense layers a few numbers, between which the window and its
    forecast are interpolated.

    Args:
        shape: of the window.
        pool: steps of which the maximum is taken.
        apart: steps from one of these numbers to the next.
        hidden: widths of the dense layers.
        dropout: after each of them.
    """

    def __init__(self, shape: WindowShape, pool: int, apart: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.shape, self.pool = shape, min(pool, shape.steps)
        self.knots = (ceil(shape.steps / apart), ceil(shape.horizon / apart))
        widths = [ceil(shape.steps / self.pool) + shape.length * shape.beside, *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        self.dense = nn.Sequential(*layers, nn.Linear(widths[-1], sum(self.knots)))

    def forward(self, values: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the window that it explains `(B, C, T)` and its forecast `(B, C, H)`, from what is left of the window
        and what is beside the values `(B, C, L·K)`."""
        pooled = functional.max_pool1d(values, self.pool, self.pool, ceil_mode=True)
        back, ahead = self.dense(torch.cat([pooled, others], dim=2)).split(self.knots, dim=2)
        return interpolated(back, self.shape.steps), interpolated(ahead, self.shape.horizon)


class NHiTS(nn.Module):
    """Blocks from coarse to fine, each of which reads what those before it did not explain of each column's window; the
    forecast is the sum of theirs. Columns share everything, and no column sees another.

    Args:
        spec: of the data.
        pools: steps of which each block takes the maximum.
        apart: steps from one forecast number of each block to the next; between them it is interpolated linearly.
        hidden: widths of each block's dense layers.
        dropout: after each of them.

    Raises:
        ConfigError: there are not as many `pools` as `apart`.
    """

    takes = ("series",)

    def __init__(
        self,
        spec: Spec,
        pools: Sequence[Annotated[int, Range(1)]] = (8, 4, 1),
        apart: Sequence[Annotated[int, Range(1)]] = (24, 12, 1),
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 256),
        dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    ) -> None:
        super().__init__()
        if len(pools) != len(apart) or not pools:
            raise ConfigError(
                f"there are {len(pools)} pools and {len(apart)} distances, one of each for every block",
                where="model.pools",
                fix="give as many of both",
                override="model.pools=[8,4,1] model.apart=[24,12,1]",
            )
        self.shape = shape = WindowShape.of(spec)
        self.notes = notes_beyond(max(shape.steps, shape.horizon), pools=max(pools), apart=max(apart))
        self.blocks = nn.ModuleList(
            Block(shape, pool, distance, hidden, dropout) for pool, distance in zip(pools, apart, strict=True)
        )

    def forward(self, window: Tensor) -> Tensor:
        values, others = self.shape.values(window), self.shape.others(window).flatten(2)
        forecast = torch.zeros(())
        for block in self.blocks:
            back, ahead = block(values, others)
            values, forecast = values - back, ahead + forecast
        return self.shape.join(forecast)


def interpolated(knots: Tensor, steps: int) -> Tensor:
    """Returns so many steps `(B, C, steps)` on the lines between numbers `(B, C, n)`, of which the first and the last
    are those of the first and the last step."""
    return functional.interpolate(knots, steps, mode="linear", align_corners=True)

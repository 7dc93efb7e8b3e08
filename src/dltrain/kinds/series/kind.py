"""The kind of data of series in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
from torch import nn

from dltrain.kinds.checks import Finding, check_balance, check_size
from dltrain.kinds.kind import Kind, UsableModel
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.series import baselines
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.forecast import forecast
from dltrain.kinds.series.window_scale import WindowScaled
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, SplitName

if TYPE_CHECKING:
    from dltrain.types import Raw


class Series(Kind):
    """Windows of a series, and the steps that follow them."""

    name: ClassVar[str] = "series"
    default_model: ClassVar[str] = "linear"
    budget: ClassVar[Budget] = Budget(batches=1000, fewest=8, most=200, large_batch=128)

    def encoder(self, facts: Facts) -> WindowEncoder:
        return WindowEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.series.page import SeriesPage

        return SeriesPage(facts)

    def wrap(self, model: nn.Module) -> nn.Module:
        return WindowScaled(model)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings; repeated samples are normal, since windows overlap."""
        yield from check_balance(data)
        yield from check_size(data)

    def describe(self, facts: Facts) -> str:
        return f"{facts.input_shape[0]} steps of {', '.join(facts.features)}"

    def forecast(self, model: UsableModel, steps: int, history: Raw | None = None) -> tuple[pd.DataFrame, list[str]]:
        return forecast(model, steps, history)

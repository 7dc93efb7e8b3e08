"""The task of forecasting the next steps of a series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from dltrain.tasks.metrics import Metric, forecast_errors
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.regression import Regression
from dltrain.types import Facts, Split, SplitName

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Forecasting(Regression):
    """Predicts the next H steps of C columns, `(B, H·C)` step by step; metrics are means over all steps."""

    name: ClassVar[str] = "forecasting"
    target: ClassVar[str] = ""
    export_words: ClassVar[str] = "numbers in the series' own unit, step by step"

    @property
    def together(self) -> int:  # type: ignore[override]
        """Returns how many neighbouring forecasts have similar errors: those that overlap."""
        return max(1, len(self.facts.outputs) // len(self.facts.features))

    def own_metric(self) -> Metric:
        columns, mean = len(self.facts.features), self.facts.target_mean
        return forecast_errors(columns, (mean if isinstance(mean, tuple) else (mean,))[:columns])

    def is_known(self, target: Tensor) -> Tensor:
        return ~target.isnan().any(dim=1)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.numbers import ForecastsPage

        return ForecastsPage(facts)

    def learn_certainty(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> dict[str, Any] | None:
        """Returns nothing: windows overlap and come in order, so a new error is not exchangeable with old ones."""
        return None

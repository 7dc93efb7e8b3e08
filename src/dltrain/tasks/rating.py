"""The task of predicting a user's rating of an item, a number within a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import Tensor

from dltrain.tasks.conformal import Floats
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.regression import Regression
from dltrain.types import Facts

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Rating(Regression):
    """Predicts one number `(B, 1)`, clamped to the range of the training ratings.

    In training an output may have more columns, `(B, 1 + n)` or `(B, members, 1 + n)`: penalties on each sample's
    embeddings, which are added to the loss. In evaluation a model leaves them out.
    """

    takes_penalty: ClassVar[bool] = True
    name: ClassVar[str] = "rating"
    target: ClassVar[str] = ""

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.numbers import RatingsPage

        return RatingsPage(facts)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        penalty = output[..., 1:].sum() / output[..., 0].numel()
        return super().objective(output[..., :1], target, weights) + penalty

    def decode(self, output: Tensor) -> Tensor:
        return super().decode(output).clamp(*self.facts.target_range)

    def intervals(self, predictions: Predictions, inputs: tuple[Tensor, ...], level: float) -> tuple[Floats, Floats]:
        low, high = super().intervals(predictions, inputs, level)
        least, most = self.facts.target_range
        return np.clip(low, least, most), np.clip(high, least, most)

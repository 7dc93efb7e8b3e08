"""What a user would give an item: a number on a bounded scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from dltrain.tasks.regression import Regression
from dltrain.types import Facts

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Rating(Regression):
    """One number `(B, 1)`, held within the range of the training ratings.

    In training an output may have columns after the first: the penalty on each sample's own rows of an embedding,
    `(B, 1 + n)`, which is added to the loss as it is. A model leaves them out in evaluation.
    """

    takes_penalty: ClassVar[bool] = True
    name: ClassVar[str] = "rating"
    target: ClassVar[str] = ""

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.numbers import RatingsPage

        return RatingsPage(facts)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        penalty = output[:, 1:].sum() / len(output)
        return super().objective(output[:, :1], target) + penalty

    def decode(self, output: Tensor) -> Tensor:
        return super().decode(output).clamp(*self.facts.target_range)

"""The common base of tasks whose outputs are scores of the next token at each position."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltrain.tasks.losses import CrossEntropy, Loss
from dltrain.tasks.task import Task
from dltrain.types import Facts


class TokenTask(Task):
    """Predicts a token at each position, from what stands before it; targets are `(B, T)` tokens, negative where
    ignored."""

    causal: ClassVar[bool] = True

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return CrossEntropy(facts)

    def combine_members(self, output: Tensor) -> Tensor:
        return output

    def decode(self, output: Tensor) -> Tensor:
        """Returns the output itself, since the metrics need the whole distribution, not only the likeliest token."""
        return output

    def evaluation_batch(self, batch_size: int) -> int:
        """Returns the batch size of training, since outputs, a number for each position and token, are large."""
        return batch_size

    def is_known(self, target: Tensor) -> Tensor:
        """Tells which samples `(N,)` have a token to predict."""
        return (target >= 0).any(dim=1)

"""Nearest neighbours: what a sample is, the most similar training samples say."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.types import Range, Spec


class KNN(nn.Module):
    """The nearest training samples in Euclidean distance, each of which votes for its own class or labels.

    It stores the training samples. Each neighbour is a member of an ensemble, whose prediction is the mean of its
    members' probabilities, so that the class with most votes wins. The one trained parameter is how sure a vote is,
    which changes probabilities alone.

    Args:
        spec: of the data.
        neighbours: the number of neighbours that vote.
    """

    takes = ("table", "image")

    def __init__(self, spec: Spec, neighbours: Annotated[int, Range(1)] = 5) -> None:
        super().__init__()
        self.neighbours, self.out_features = neighbours, spec.out_features
        self.sureness = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("samples", torch.zeros(0, prod(spec.input_shape)))
        self.register_buffer("votes", torch.zeros(0, spec.out_features))

    @property
    def members(self) -> int:
        """Returns the number of members of an output."""
        return self.neighbours

    def remember(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Stores training samples.

        Args:
            inputs: `(N, ...)` as the model takes them; the first ones are compared.
            target: `(N,)` or `(N, L)`, as in `Split`.

        Raises:
            ConfigError: the targets are numbers, or there are fewer samples than neighbours.
        """
        if target.is_floating_point():
            raise ConfigError(
                "nearest neighbours vote for classes or labels, and the target is a number",
                where="model",
                fix="choose another model",
                override="model=linear",
            )
        if len(target) <= self.neighbours:
            raise ConfigError(
                f"{self.neighbours} neighbours of each of {len(target)} training samples are too many",
                where="model.neighbours",
                fix="ask fewer",
                override=f"model.neighbours={max(1, len(target) // 2)}",
            )
        self.samples = inputs[0].flatten(1).float()
        if target.dim() == 1 and self.out_features > 1:
            self.votes = functional.one_hot(target, self.out_features).float()
        else:
            self.votes = 2.0 * target.reshape(len(target), self.out_features) - 1

    def forward(self, x: Tensor) -> Tensor:
        """Returns the votes `(B, neighbours, out_features)`; in training, a sample is no neighbour of its own."""
        distances = torch.cdist(x.flatten(1).float(), self.samples, compute_mode="donot_use_mm_for_euclid_dist")
        own = int(self.training)
        nearest = distances.topk(self.neighbours + own, largest=False).indices[:, own:]  # (B, neighbours)
        return self.sureness * self.votes[nearest]

    def make_room(self, saved: Mapping[str, Tensor]) -> None:
        """Stores samples of zeros, as many as a saved model has, so that its weights can be copied.

        Args:
            saved: its tensors, by their names.
        """
        for name in ("samples", "votes"):
            if name in saved:
                own = getattr(self, name)
                setattr(self, name, own.new_zeros(len(saved[name]), *own.shape[1:]))

"""The next token, at each position of a window."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from dltrain.data.tokens import END, PADDING, UNKNOWN
from dltrain.tasks.losses import IGNORED, Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.task import Predictions
from dltrain.types import Facts


class NextToken:
    """A distribution over the vocabulary at each position; targets are `(B, T)`, below 0 where nothing is asked."""

    metric_names: ClassVar[tuple[str, ...]] = ("perplexity", "bits_per_character")
    measure: ClassVar[str] = "bits_per_character"
    each_position: ClassVar[bool] = True

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.metric = surprise(characters_of(facts))

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        return self.loss(output.flatten(0, 1), target.flatten())

    def merged(self, output: Tensor) -> Tensor:
        return output

    def point(self, output: Tensor) -> Tensor:
        return output

    def predict(self, output: Tensor) -> Predictions:
        return Predictions(output.argmax(dim=2).cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        return {}


def losses_of(output: Tensor, target: Tensor) -> Tensor:
    """The negative log-probability `(B, T)`, in nats, of each token that was to come; 0 where none is asked for."""
    losses = functional.cross_entropy(output.flatten(0, 1).float(), target.flatten(), reduction="none")
    return losses.view_as(target)


def bits_of_each(target: Tensor, losses: Tensor, characters: Tensor) -> tuple[Tensor, Tensor]:
    """The bits that each window's tokens were worth, and how many characters they stand for, `(N,)` float64 both.

    Args:
        target: `(N, T)`.
        losses: `(N, T)` in nats.
        characters: `(V,)` of each token.
    """
    asked = target != IGNORED
    lengths = (characters[target.clamp(min=0)] * asked).sum(dim=1)
    return (losses.double() * asked).sum(dim=1) / math.log(2), lengths.double()


def surprise(characters: Tensor) -> Metric:
    """Perplexity for each token, and bits for each character.

    Predictions are logits `(B, T, V)`, or the losses `(B, T)` themselves.

    Args:
        characters: `(V,)` how many characters each token stands for.
    """

    def update(predicted: Tensor, target: Tensor) -> Tensor:
        losses = losses_of(predicted, target) if predicted.dim() > target.dim() else predicted
        asked = target != IGNORED
        lengths = characters.to(target.device)[target.clamp(min=0)]
        return torch.stack([(losses * asked).double().sum(), asked.double().sum(), (lengths * asked).double().sum()])

    def compute(sums: Tensor) -> dict[str, float]:
        nats, tokens, letters = sums.tolist()
        mean = nats / tokens
        return {
            "perplexity": math.exp(mean) if mean < 700 else math.inf,
            "bits_per_character": nats / math.log(2) / letters,
        }

    return Metric(update, compute)


def characters_of(facts: Facts) -> Tensor:
    """How many characters each token stands for, `(V,)`; an unknown one and the end of a document count as one."""
    special = {PADDING: 0, UNKNOWN: 1, END: 1}
    learned = facts.preprocessing.get("vocabulary", ())
    return torch.tensor([*special.values(), *map(len, learned)])

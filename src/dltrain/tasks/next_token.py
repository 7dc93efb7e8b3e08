"""The task of predicting the next token, at each position of a window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dltrain.data.tokens import END, IGNORED, PADDING, UNKNOWN, Vocabulary
from dltrain.runs.tables import safe_cell
from dltrain.tasks.comparison import Comparison, Contest, words
from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Rows
from dltrain.tasks.token_task import TokenTask
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class NextToken(TokenTask):
    """Predicts a distribution over the vocabulary at each position; targets are `(B, T)`, negative where ignored.

    Predictions hold the likeliest token at each position and, where the targets are given, the loss of each target.
    """

    name: ClassVar[str] = "next_token"
    primary_metric: ClassVar[str] = "bits_per_character"
    export_words: ClassVar[str] = "probabilities"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        self.vocabulary = Vocabulary.from_json(facts.preprocessing)
        self.characters = characters_of(self.vocabulary)
        super().__init__(facts, loss, metrics)

    def own_metric(self) -> Metric:
        return surprise(self.characters)

    @classmethod
    def output_count(cls, facts: Facts) -> int:
        return facts.vocab_sizes[0]

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.tokens import TokensPage

        return TokensPage(facts)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return self.loss(output.flatten(0, 1), target.flatten())

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        losses = None if target is None else losses_of(output, target).cpu()
        return Predictions(output.argmax(dim=2).cpu(), losses=losses)

    def measure(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> dict[str, float]:
        assert predictions.losses is not None
        return self.metric.compute(self.metric.update(predictions.losses, target))

    def compare(self, contest: Contest) -> Comparison | None:
        """Compares a model with the best baseline in bits per character."""
        if contest.ours.losses is None:
            return None
        best = min(contest.baselines, key=lambda baseline: baseline.metrics[self.primary_metric])
        assert best.predictions.losses is not None
        (mine, letters), (theirs, _) = (
            bits_of_each(contest.target, losses, self.characters)
            for losses in (contest.ours.losses, best.predictions.losses)
        )
        gain, total = (theirs - mine).numpy(), float(letters.sum())
        margin = 1.96 * float(gain.std(ddof=1)) * len(gain) ** 0.5 / total
        difference = float(gain.sum()) / total
        sentence = words(contest.model, best.name, difference, margin, 3, "bits per character")
        return Comparison(best.name, self.primary_metric, difference, margin, sentence)

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns the text of each window, the likeliest tokens, and the bits per character."""
        rows = zip(split.ids, self._spell_windows(split, predictions), self.errors(split, predictions), strict=False)
        return Rows(
            ["id", "true", "predicted", "bits_per_character"],
            ([*map(safe_cell, (name, true, likeliest)), f"{bits:.6g}"] for name, (true, likeliest), bits in rows),
        )

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        """Returns the likeliest next token at each position of a window, as one text; padding is followed by none."""
        values = predictions.values.masked_fill(inputs[0] == PADDING, PADDING)
        return {"predicted": [self.vocabulary.spell(window) for window in values.tolist()]}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        spelled = self._spell_windows(split, predictions)
        return [(safe_cell(spelled[index][0]), safe_cell(spelled[index][1])) for index in chosen]

    def _spell_windows(self, split: Split, predictions: Predictions) -> list[tuple[str, str]]:
        """Returns the target tokens and the likeliest tokens of each window as text, without ignored positions."""
        windows = []
        for target, likeliest in zip(split.target, predictions.values, strict=False):
            counted = target != IGNORED
            spell = self.vocabulary.spell
            windows.append((spell(target[counted].tolist()), spell(likeliest[counted].tolist())))
        return windows

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns the bits per character of each window."""
        assert predictions.losses is not None
        target = split.target[: len(predictions.values)]
        bits, letters = bits_of_each(target, predictions.losses, self.characters)
        return np.asarray(bits / letters.clamp(min=1))

    def deploy(self, output: Tensor) -> Tensor:
        return self.loss.probabilities(output)

    def agrees(self, deployed: Tensor, predictions: Predictions) -> bool:
        return torch.equal(deployed.argmax(dim=-1), predictions.values)


def losses_of(output: Tensor, target: Tensor) -> Tensor:
    """Returns the negative log-probability `(B, T)` of each target token, in nats; 0 where the target is ignored."""
    losses = functional.cross_entropy(output.flatten(0, 1).float(), target.flatten(), reduction="none")
    return losses.view_as(target)


def bits_of_each(target: Tensor, losses: Tensor, characters: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the sum of each window's losses in bits, and the number of its characters, each `(N,)` float64.

    Args:
        target: `(N, T)`.
        losses: `(N, T)` in nats.
        characters: `(V,)` number of characters of each token.
    """
    counted = target != IGNORED
    lengths = (characters[target.clamp(min=0)] * counted).sum(dim=1)
    return (losses.double() * counted).sum(dim=1) / math.log(2), lengths.double()


def surprise(characters: Tensor) -> Metric:
    """Returns the metric of perplexity per token and bits per character.

    Predictions are logits `(B, T, V)`, or losses `(B, T)` in nats.

    Args:
        characters: `(V,)` number of characters of each token.
    """

    def update(predicted: Tensor, target: Tensor) -> Tensor:
        losses = losses_of(predicted, target) if predicted.dim() > target.dim() else predicted
        counted = target != IGNORED
        lengths = characters.to(target.device)[target.clamp(min=0)]
        sums = ((losses * counted).double(), counted.double(), (lengths * counted).double())
        return torch.stack([part.sum() for part in sums])

    def compute(sums: Tensor) -> dict[str, float]:
        nats, tokens, letters = sums.tolist()
        mean = nats / tokens
        return {
            "perplexity": math.exp(mean) if mean < 700 else math.inf,
            "bits_per_character": nats / math.log(2) / letters,
        }

    return Metric(update, compute, ("perplexity", "bits_per_character"))


def characters_of(vocabulary: Vocabulary) -> Tensor:
    """Returns the number of characters of each token, `(V,)`; an unknown one and the end of a document count as 1."""
    special: Mapping[int, int] = {PADDING: 0, UNKNOWN: 1, END: 1}
    return torch.tensor([*special.values(), *map(len, vocabulary.words)])

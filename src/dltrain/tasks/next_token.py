"""The next token, at each position of a window."""

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
from dltrain.tasks.comparison import Baseline, Comparison, words
from dltrain.tasks.losses import CrossEntropy, Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Rows, Task
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class NextToken(Task):
    """A distribution over the vocabulary at each position; targets are `(B, T)`, below 0 where nothing is asked.

    Predictions hold the likeliest token of each position, and where the targets were known the loss of each. A
    baseline's hold its losses as values, too.
    """

    name: ClassVar[str] = "next_token"
    primary_metric: ClassVar[str] = "bits_per_character"
    causal: ClassVar[bool] = True
    export_words: ClassVar[str] = "probabilities"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        self.vocabulary = Vocabulary.from_json(facts.preprocessing)
        self.characters = characters_of(self.vocabulary)
        super().__init__(facts, loss, metrics)

    def own_metric(self) -> Metric:
        return surprise(self.characters)

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return CrossEntropy(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.tokens import TokensPage

        return TokensPage(facts)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        return self.loss(output.flatten(0, 1), target.flatten())

    def combine_members(self, output: Tensor) -> Tensor:
        return output

    def decode(self, output: Tensor) -> Tensor:
        """Returns the output itself: the metric is of all that was expected, not of the likeliest token."""
        return output

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        losses = None if target is None else losses_of(output, target).cpu()
        return Predictions(output.argmax(dim=2).cpu(), losses=losses)

    def measure(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        assert predictions.losses is not None
        return self.metric.compute(self.metric.update(predictions.losses, target))

    def evaluation_batch(self, batch_size: int) -> int:
        """Returns the size of a training batch: an output for each position and each token is large."""
        return batch_size

    def is_known(self, target: Tensor) -> Tensor:
        """Tells of which windows `(N,)` some token is asked."""
        return (target >= 0).any(dim=1)

    def compare(
        self, model: str, target: Tensor, ours: Predictions, baselines: Sequence[Baseline]
    ) -> Comparison | None:
        """Tells by how many bits per character the model is better than the best baseline."""
        if not baselines or len(target) < 3 or ours.losses is None:
            return None
        best = min(baselines, key=lambda baseline: baseline.metrics[self.primary_metric])
        assert best.predictions.losses is not None
        (mine, letters), (theirs, _) = (
            bits_of_each(target, losses, self.characters) for losses in (ours.losses, best.predictions.losses)
        )
        gain, total = (theirs - mine).numpy(), float(letters.sum())
        margin = 1.96 * float(gain.std(ddof=1)) * len(gain) ** 0.5 / total
        difference = float(gain.sum()) / total
        said = words(model, best.name, difference, margin, 3, "bits per character")
        return Comparison(best.name, self.primary_metric, difference, margin, said)

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns what stands in each window, the likeliest tokens, and the bits per character."""
        pairs = zip(split.ids, self._spelled(split, predictions), self.errors(split, predictions), strict=False)
        return Rows(
            ["id", "true", "predicted", "bits_per_character"],
            ([safe_cell(name), safe_cell(true), safe_cell(said), f"{bits:.6g}"] for name, (true, said), bits in pairs),
        )

    def columns(self, predictions: Predictions) -> dict[str, Any]:
        """Returns the likeliest token behind each position of a window."""
        return {"predicted": [self.vocabulary.spell(window) for window in predictions.values.tolist()]}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        spelled = self._spelled(split, predictions)
        return [(safe_cell(spelled[index][0]), safe_cell(spelled[index][1])) for index in chosen]

    def _spelled(self, split: Split, predictions: Predictions) -> list[tuple[str, str]]:
        """Returns what stands in each window where a token was asked for, and the likeliest token at each place."""
        found = []
        for target, likeliest in zip(split.target, predictions.values, strict=False):
            asked = target != IGNORED
            spell = self.vocabulary.spell
            found.append((spell(target[asked].tolist()), spell(likeliest[asked].tolist())))
        return found

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
    """Returns the negative log-probability `(B, T)`, in nats, of each token that was to come; 0 where none is asked."""
    losses = functional.cross_entropy(output.flatten(0, 1).float(), target.flatten(), reduction="none")
    return losses.view_as(target)


def bits_of_each(target: Tensor, losses: Tensor, characters: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the bits that each window's tokens were worth, and for how many characters they stand, `(N,)` float64.

    Args:
        target: `(N, T)`.
        losses: `(N, T)` in nats.
        characters: `(V,)` of each token.
    """
    asked = target != IGNORED
    lengths = (characters[target.clamp(min=0)] * asked).sum(dim=1)
    return (losses.double() * asked).sum(dim=1) / math.log(2), lengths.double()


def surprise(characters: Tensor) -> Metric:
    """Measures perplexity for each token, and bits for each character.

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

    return Metric(update, compute, ("perplexity", "bits_per_character"))


def characters_of(vocabulary: Vocabulary) -> Tensor:
    """Returns how many characters each token stands for, `(V,)`; an unknown one and the end of a document count 1."""
    special: Mapping[int, int] = {PADDING: 0, UNKNOWN: 1, END: 1}
    return torch.tensor([*special.values(), *map(len, vocabulary.words)])

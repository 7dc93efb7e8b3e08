"""The task of answering: a source is given, and the answer is written token by token."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from dltrain.data.tokens import END, IGNORED, PADDING, Vocabulary
from dltrain.errors import ConfigError
from dltrain.runs.tables import safe_cell
from dltrain.tasks.comparison import Comparison, Contest, mean_and_margin, words
from dltrain.tasks.decoding import SILENT, write_answers
from dltrain.tasks.edit_distance import edit_distances
from dltrain.tasks.evaluation import EvaluationSet, evaluate, evaluate_fully
from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.precision import autocast
from dltrain.tasks.predictions import Predictions, join
from dltrain.tasks.task import Rows
from dltrain.tasks.token_task import TokenTask
from dltrain.tasks.translation_scores import translation_scores
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page

UNSAYABLE = "\ufffd"  # a token that is not in the vocabulary, or the rest of an answer that was cut


class Generation(TokenTask):
    """Writes an answer to a source; targets are `(B, T)` tokens, negative where ignored.

    In training, the model is given the true beginning of the answer at each position. Its outputs may have fewer
    positions than the target, as batches are trimmed to their longest answer. A model that is right at every position
    then also writes the whole answer by itself, so that `exact` after an epoch needs no answer to be written.

    Predictions hold the answer that the model wrote by itself, and the loss of each of its tokens.
    """

    name: ClassVar[str] = "generation"
    primary_metric: ClassVar[str] = "exact"
    export_words: ClassVar[str] = "probabilities of the token that follows each position of the beginning of an answer"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        self.sources, self.answers = (Vocabulary.from_json(facts.preprocessing[name]) for name in ("source", "answer"))
        self.longest = facts.input_shape[1]
        self.beams = 1
        super().__init__(facts, loss, metrics)

    def own_metric(self) -> Metric:
        return ANSWERS

    @classmethod
    def output_count(cls, facts: Facts) -> int:
        return facts.vocab_sizes[1]

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.answers import AnswersPage

        return AnswersPage(facts)

    def with_beams(self, beams: int) -> Generation:
        if beams < 1:
            raise ConfigError(f"{beams} is out of range", where="--beams", fix="give at least 1")
        other = copy.copy(self)
        other.beams = beams
        return other

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return self.loss(output.flatten(0, 1), target[:, : output.shape[1]].flatten())

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        """Returns the likeliest token at each position after the true beginning."""
        tokens = functional.pad(likeliest(output), (0, self.longest - output.shape[1]), value=PADDING)
        return Predictions(tokens.cpu())

    def infer(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Predictions:
        """Returns the answers that a model writes to sources, the first two of the inputs."""
        writer = model.module if isinstance(model, AveragedModel) else model
        written = write_answers(writer, inputs[0], inputs[1], self.longest, self.beams)
        return Predictions(written.tokens.cpu(), losses=written.losses.cpu())

    def measure(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> dict[str, float]:
        edits = predictions.edits
        if edits is None:
            edits = self.count_edits(predictions.values, target)
        wrong, characters = edits.double().sum(dim=0).tolist()
        exact = float((edits[:, 0] == 0).double().mean())
        return {"exact": exact, "character_error_rate": wrong / max(1.0, characters)}

    def epoch_metrics(
        self, predictions: Predictions, target: Tensor, weights: Tensor | None = None
    ) -> dict[str, float]:
        """Returns the scores of answers that were written, which cost too much for every epoch."""
        if predictions.losses is None:
            return {}
        return translation_scores(self.spell(predictions.values), self.spell_true(target))

    def evaluate(self, model: nn.Module, on: EvaluationSet) -> tuple[dict[str, float], Predictions]:
        """Returns the metrics after true beginnings; if it is thorough, also those of answers that the model writes."""
        if not on.thorough:
            return evaluate_fully(model, self, on.loader, on.precision)
        metrics = evaluate(model, self, on.loader, on.precision)
        device = next(model.parameters()).device
        written = []
        for batch in on.loader:
            with autocast(on.precision, device):
                written.append(self.infer(model, batch.inputs))
        predictions = self.compared(join(written), on.split.target)
        target = on.split.target[: len(predictions.values)]
        scores = self.measure(predictions, target) | self.epoch_metrics(predictions, target)
        return metrics | scores, predictions

    def compared(self, predictions: Predictions, target: Tensor) -> Predictions:
        """Returns written answers with their distances from the true ones; there may be fewer than targets."""
        return replace(predictions, edits=self.count_edits(predictions.values, target[: len(predictions.values)]))

    def count_edits(self, values: Tensor, target: Tensor) -> Tensor:
        """Returns the characters to change in each answer `(N, T)`, and those of the true one, `(N, 2)`."""
        true = self.spell_true(target)
        edits = edit_distances(self.spell(values), true)
        return torch.from_numpy(np.stack([edits, np.array(list(map(len, true)), dtype=np.int64)], axis=1))

    def compare(self, contest: Contest) -> Comparison | None:
        """Compares a model with the best baseline in points of exact answers; of equal ones with that of the lowest
        character error rate."""
        if contest.ours.edits is None:
            return None
        order = [
            (-baseline.metrics["exact"], baseline.metrics["character_error_rate"]) for baseline in contest.baselines
        ]
        best = contest.baselines[order.index(min(order))]
        theirs = self.compared(best.predictions, contest.target).edits
        assert theirs is not None
        mine, other = ((edits[:, 0] == 0).double().numpy() for edits in (contest.ours.edits, theirs))
        difference, margin = mean_and_margin(100.0 * (mine - other))
        sentence = words(contest.model, best.words, difference, margin, 1, "points of exact answers")
        return Comparison(best.name, self.primary_metric, difference, margin, sentence)

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns the source, the true and the written answer, its probability, and the characters to change in it."""
        sources = split.texts or self.spell_sources(split.tensors[0])
        pairs = self._pairs(split, predictions)
        scores = self.probabilities(predictions).tolist()
        edits = self.errors(split, predictions).astype(int).tolist()
        rows = zip(split.ids, sources, pairs, scores, edits, strict=False)
        return Rows(
            ["id", "source", "true", "predicted", "probability", "edits"],
            (
                [*map(safe_cell, (name, source, *pair)), f"{probability:.6g}", str(count)]
                for name, source, pair, probability, count in rows
            ),
        )

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        """Returns the answer and its probability."""
        return {"predicted": self.spell(predictions.values), "probability": self.probabilities(predictions).tolist()}

    def probabilities(self, predictions: Predictions) -> Tensor:
        """Returns the probability of each written answer, `(N,)` float64; NaN where none was written."""
        if predictions.losses is None:
            return torch.full((len(predictions.values),), torch.nan, dtype=torch.float64)
        return (-predictions.losses.double().sum(dim=1)).exp()

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        pairs = self._pairs(split, predictions)
        return [(safe_cell(pairs[index][0]), safe_cell(pairs[index][1])) for index in chosen]

    def _pairs(self, split: Split, predictions: Predictions) -> list[tuple[str, str]]:
        """Returns the true and the written answers."""
        return list(zip(self.spell_true(split.target), self.spell(predictions.values), strict=False))

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns the characters to change in each answer."""
        edits = predictions.edits
        if edits is None:
            edits = self.count_edits(predictions.values, split.target[: len(predictions.values)])
        return edits[:, 0].double().numpy()

    def deploy(self, output: Tensor) -> Tensor:
        return self.loss.probabilities(output)

    def agrees(self, deployed: Tensor, predictions: Predictions) -> bool:
        """Tells whether the first tokens agree; those after them may follow other beginnings."""
        first = deployed[:, 0].clone()
        first[:, list(SILENT)] = -1.0
        return torch.equal(first.argmax(dim=1).cpu(), predictions.values[:, 0])

    def spell(self, values: Tensor) -> list[str]:
        """Returns written answers `(N, T)` as texts."""
        return [self.answers.spell(until_end(row)) for row in values.tolist()]

    def spell_true(self, target: Tensor) -> list[str]:
        """Returns true answers `(N, T)` as texts; what was cut or is not in the vocabulary is unsayable."""
        texts = []
        for row in target.tolist():
            tokens = [token for token in row if token != IGNORED]
            texts.append(self.answers.spell(until_end(tokens)) + UNSAYABLE * (bool(tokens) and END not in tokens))
        return texts

    def spell_sources(self, sources: Tensor) -> list[str]:
        """Returns sources `(N, S)` as texts."""
        return [self.sources.spell(row) for row in sources.tolist()]


def until_end(tokens: Iterable[int]) -> list[int]:
    """Returns the tokens before the first end."""
    return list(takewhile(lambda token: token != END, tokens))


def likeliest(output: Tensor) -> Tensor:
    """Returns the likeliest tokens `(B, T)` of outputs `(B, T, V)`, among those that an answer may hold."""
    silent = torch.zeros(output.shape[2], dtype=torch.bool, device=output.device)
    silent[list(SILENT)] = True
    return output.masked_fill(silent, -torch.inf).argmax(dim=2)


def _update(output: Tensor, target: Tensor) -> Tensor:
    target = target[:, : output.shape[1]]
    counted = target != IGNORED
    losses = functional.cross_entropy(output.flatten(0, 1).float(), target.flatten(), reduction="none").view_as(target)
    right = (likeliest(output) == target) & counted
    whole = (right | ~counted).all(dim=1) & (target == END).any(dim=1)
    sums = (losses.double() * counted, counted, right, whole, torch.ones_like(whole))
    return torch.stack([part.double().sum() for part in sums])


def _compute(sums: Tensor) -> dict[str, float]:
    nats, tokens, right, whole, samples = sums.tolist()
    mean = nats / tokens
    return {
        "exact": whole / samples,
        "token_accuracy": right / tokens,
        "perplexity": math.exp(mean) if mean < 700 else math.inf,
    }


# From outputs (B, T, V) after true beginnings, and targets (B, T).
ANSWERS = Metric(_update, _compute, ("exact", "token_accuracy", "perplexity"))

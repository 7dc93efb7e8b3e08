"""The task of reading a string: one of K characters at each of P places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.runs.tables import safe_cell
from dltrain.tasks.comparison import Comparison, Contest, mean_and_margin, words
from dltrain.tasks.losses import CrossEntropy, Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.statistics import Calibration, reliability
from dltrain.tasks.task import TOLERANCE, Rows, Task, each_member
from dltrain.tasks.temperature import fit_temperature
from dltrain.types import Facts, Split, SplitName

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page

BLANK = ""  # the class of a place behind the end of a string that is shorter than others


class Characters(Task):
    """Predicts the character at each place, the most probable one; targets are `(B, P)` class indices.

    `Facts.classes` are the characters, and `Facts.outputs` the places. Where strings differ in length, the class of an
    empty name fills those that are shorter; a predicted string ends before the first one.
    """

    name: ClassVar[str] = "characters"
    target: ClassVar[str] = "string"
    primary_metric: ClassVar[str] = "exact"
    positional: ClassVar[bool] = True
    unbalanced: ClassVar[str] = "the target is a string of characters"
    export_words: ClassVar[str] = "probabilities of the characters (columns) at each place (rows)"
    temperature: float = 1.0  # by which outputs are divided for the probabilities that are shown

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        self.blank = facts.classes.index(BLANK) if BLANK in facts.classes else None
        super().__init__(facts, loss, metrics)

    def own_metric(self) -> Metric:
        return string_matches(self.blank)

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return CrossEntropy(facts)

    @classmethod
    def output_count(cls, facts: Facts) -> int:
        return len(facts.outputs) * len(facts.classes)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.characters import CharactersPage

        return CharactersPage(facts)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns the mean loss over all places of all samples."""
        output, target, *weight = each_member(output, target, *([] if weights is None else [weights]))
        each = self._of_places(output).flatten(0, 1), target.flatten()  # (B·P, K) and (B·P,)
        if not weight:
            return self.loss(*each)
        return self.loss.weighted_mean(*each, weight[0].flatten())  # (B·P,)

    def combine_members(self, output: Tensor) -> Tensor:
        if output.dim() == 2:
            return output
        members = self._of_places(output).transpose(1, 2).flatten(0, 1)  # (B·P, members, K)
        return self.loss.combine_members(members).reshape(len(output), -1)

    def decode(self, output: Tensor) -> Tensor:
        return self._until_blank(self._of_places(self.combine_members(output)).argmax(dim=2))

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        output = self.combine_members(output.float())
        return Predictions(self.decode(output).cpu(), self._probabilities(output).cpu(), outputs=output.cpu())

    def explained(self, output: Tensor) -> Tensor:
        """Returns the sum over the places of the score of the predicted character."""
        return self._of_places(self.combine_members(output)).amax(dim=2).sum(dim=1)

    def deploy(self, output: Tensor) -> Tensor:
        return self._probabilities(output / self.temperature)

    def agrees(self, deployed: Tensor, predictions: Predictions) -> bool:
        assert predictions.probabilities is not None
        return torch.allclose(deployed, predictions.probabilities.float(), rtol=TOLERANCE, atol=TOLERANCE)

    def compare(self, contest: Contest) -> Comparison | None:
        """Compares a model with the best baseline in whole strings; of equal ones with the best in characters."""
        best = max(contest.baselines, key=lambda baseline: (baseline.metrics["exact"], baseline.metrics["accuracy"]))
        mine, theirs = (_is_exact(part.values, contest.target) for part in (contest.ours, best.predictions))
        difference, margin = mean_and_margin(100.0 * (mine - theirs))
        sentence = words(contest.model, best.words, difference, margin, 1, "points of whole strings")
        return Comparison(best.name, "exact", difference, margin, sentence)

    def calibrate(self, predictions: Predictions, target: Tensor) -> Calibration:
        """Returns how well the probability of whole strings matches how often they are right."""
        right = _is_exact(predictions.values, target) > 0
        return Calibration(reliability(self._scores(predictions, predictions.values), right).error)

    def learn_certainty(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> dict[str, Any] | None:
        held_out = predictions.get("val")
        if held_out is None or held_out.outputs is None:
            return None
        each = self._of_places(held_out.outputs).flatten(0, 1)
        target = splits["val"].target[: len(held_out.values)].flatten()
        self.temperature = fit_temperature(each, target, self._on_loss)
        return {"temperature": self.temperature}

    def use_certainty(self, stored: Mapping[str, Any]) -> None:
        self.temperature = float(stored["temperature"])
        if not 0 < self.temperature < float("inf"):
            raise ValueError("the temperature is not a positive number")

    def calibrated(self, predictions: Predictions) -> Predictions:
        if self.temperature == 1 or predictions.outputs is None:
            return predictions
        return replace(predictions, probabilities=self._probabilities(predictions.outputs / self.temperature).cpu())

    def measure_certainty(self, split: Split, predictions: Predictions) -> dict[str, Any]:
        target = split.target[: len(predictions.values)]
        if predictions.outputs is None or not len(target):
            return {}
        plain = replace(predictions, probabilities=self._probabilities(predictions.outputs).cpu())
        errors = [self.calibrate(part, target).error for part in (self.calibrated(predictions), plain)]
        return {"temperature": self.temperature, "error": errors[0], "error_before": errors[1]}

    def table(self, split: Split, predictions: Predictions) -> Rows:
        pairs = self.spell_pairs(split, predictions, range(len(predictions.values)))
        scores = self._scores(predictions, predictions.values)
        rows = zip(split.ids, pairs, scores.tolist(), strict=False)
        return Rows(
            ["id", "true", "predicted", "score"],
            ([safe_cell(sample), *pair, f"{score:.6g}"] for sample, pair, score in rows),
        )

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        """Returns the string of each sample, and the probability that all of it is right."""
        scores = self._scores(predictions, predictions.values)
        return {"predicted": list(map(self.spell, predictions.values.tolist())), "score": scores.tolist()}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        pairs = [(split.target[index].tolist(), predictions.values[index].tolist()) for index in chosen]
        return [(safe_cell(self.spell(true)), safe_cell(self.spell(predicted))) for true, predicted in pairs]

    def spell(self, characters: Sequence[int]) -> str:
        """Returns the string of class indices."""
        return "".join(self.facts.classes[index] for index in characters)

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns 1 minus the probability of the true string."""
        return 1 - self._scores(predictions, split.target[: len(predictions.values)])

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        """Returns how far the probability of a predicted string is from the recorded one, or from 0 if it is another
        string."""
        scores = self._scores(predictions, predictions.values).tolist()
        strings = [safe_cell(self.spell(values)) for values in predictions.values.tolist()]
        recorded = [1 - float(row["error"]) for row in rows]
        hits = [row["true"] == string for row, string in zip(rows, strings, strict=True)]
        pairs = [abs(score - known) for score, known, hit in zip(scores, recorded, hits, strict=True) if hit]
        return max(pairs, default=0.0)

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        target = split.target[: len(predictions.values)]
        columns = zip(self.facts.outputs, predictions.values.T, target.T, strict=True)
        metric = string_matches(None)
        parts = ((name, metric.update(values[:, None], true[:, None])) for name, values, true in columns)
        return {name: {"accuracy": metric.compute(sums)["accuracy"]} for name, sums in parts}

    def _of_places(self, output: Tensor) -> Tensor:
        """Returns outputs `(..., P·K)` as `(..., P, K)`."""
        return output.unflatten(-1, (len(self.facts.outputs), len(self.facts.classes)))

    def _probabilities(self, output: Tensor) -> Tensor:
        """Returns the probabilities `(B, P, K)` of outputs `(B, P·K)`."""
        return self._on_loss(self._of_places(output))

    def _on_loss(self, output: Tensor) -> Tensor:
        """Returns the probabilities `(..., K)` of outputs `(..., K)`, on the device of the loss."""
        of_loss = next(self.loss.buffers(), None)
        probabilities = self.loss.probabilities(output if of_loss is None else output.to(of_loss.device))
        return probabilities.to(output.device)

    def _until_blank(self, values: Tensor) -> Tensor:
        """Returns characters `(B, P)` in which nothing but blanks follows a blank."""
        if self.blank is None:
            return values
        ended = (values == self.blank).cumsum(dim=1) > 0
        return values.masked_fill(ended, self.blank)

    def _scores(self, predictions: Predictions, values: Tensor) -> NDArray[np.float64]:
        """Returns the probability of each sample's string `(N,)`, whose characters are `(N, P)`, up to its first
        blank."""
        assert predictions.probabilities is not None
        each = predictions.probabilities.double().gather(2, values[:, :, None]).squeeze(2)
        if self.blank is not None:
            blank = values == self.blank
            each = each.masked_fill(blank & (blank.cumsum(dim=1) > 1), 1.0)
        return np.asarray(each.prod(dim=1))


def string_matches(blank: int | None) -> Metric:
    """Returns the metric of the share of right characters, and of samples whose characters are all right.

    Places at which a blank is predicted and right do not count as characters.

    Args:
        blank: the class of places behind the end of a string; `None` where all strings are of one length.
    """

    def update(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        right = predicted == target
        counted = torch.ones_like(right) if blank is None else (predicted != blank) | (target != blank)
        # All places of a sample have its weight.
        weight = (
            torch.ones(len(target), device=target.device) if weights is None else weights.reshape(len(target), -1)[:, 0]
        )
        rows = [(right & counted).sum(dim=1), counted.sum(dim=1), right.all(dim=1), torch.ones_like(weight)]
        return torch.stack([(weight.double() * row).sum() for row in rows])

    def compute(sums: Tensor) -> dict[str, float]:
        right, counted, whole, samples = sums.tolist()
        return {"exact": whole / samples, "accuracy": right / counted if counted else 1.0}

    return Metric(update, compute, ("exact", "accuracy"), weighted=update)


def _is_exact(values: Tensor, target: Tensor) -> NDArray[np.float64]:
    """Returns 1 for each sample whose characters are all right, else 0, `(N,)`."""
    return np.asarray((values == target).all(dim=1).double())

"""The task of ranking items by what a user chooses next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.runs.tables import safe_cell
from dltrain.tasks.comparison import Comparison, Contest, mean_and_margin, words
from dltrain.tasks.evaluation import EvaluationSet, evaluate_fully
from dltrain.tasks.losses import Loss, SampledSoftmax
from dltrain.tasks.metrics import NOTHING, Metric, gains, hits
from dltrain.tasks.order import count_rated, rank_items, scored_by
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Rows, Task
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class Ranking(Task):
    """Ranks items for a user, from scores `(B, 1 + N)` of the chosen item and of N items drawn at random.

    In training an output may have more columns, a penalty as in `Rating`. The metrics are of the chosen item's rank
    among all items that the user has not rated, `Predictions.ranks`, which takes too long for every epoch. With one
    chosen item a user, recall equals the hit rate.
    """

    name: ClassVar[str] = "ranking"
    takes_penalty: ClassVar[bool] = True
    primary_metric: ClassVar[str] = "ndcg@10"
    export_words: ClassVar[str] = "scores, whose order alone has a meaning"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        super().__init__(facts, loss, metrics)
        self.candidates = 1 + int(facts.preprocessing["negatives"])
        self.items = facts.vocab_sizes[1]  # with item 0, the unknown one

    def own_metric(self) -> Metric:
        return NOTHING

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return SampledSoftmax(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.ranks import RanksPage

        return RanksPage(facts)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        penalty = output[..., self.candidates :].sum() / output[..., 0].numel()
        return super().objective(output[..., : self.candidates], target, weights) + penalty

    def combine_members(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else output.mean(dim=1)

    def decode(self, output: Tensor) -> Tensor:
        return output[:, :1]

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        return Predictions(self.decode(output).float().cpu())

    def epoch_metrics(
        self, predictions: Predictions, target: Tensor, weights: Tensor | None = None
    ) -> dict[str, float]:
        return {} if predictions.ranks is None else hits(predictions.ranks)

    def measure(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> dict[str, float]:
        return self.epoch_metrics(predictions, target)

    def evaluate(self, model: nn.Module, on: EvaluationSet) -> tuple[dict[str, float], Predictions]:
        """Returns the loss, if the loader draws other items, and if it is thorough the metrics of the order."""
        metrics: dict[str, float] = {}
        if on.loader.draw is not None:
            metrics, predictions = evaluate_fully(model, self, on.loader, on.precision)
        if on.thorough or on.loader.draw is None:
            device = next(model.parameters()).device
            predictions = rank_items(on.split, on.stored, self.items, scored_by(model, device))
            metrics |= self.epoch_metrics(predictions, on.split.target)
        return metrics, predictions

    def notes_on_new_data(self, inputs: tuple[Tensor, ...], stored: Mapping[str, Tensor]) -> list[str]:
        """Returns how many of the pairs are in the run's own data, if any are."""
        seen, total = count_rated(inputs, stored, self.items), len(inputs[0])
        if not seen:
            return []
        return [f"{seen:,} of {total:,} pairs are in the run's own data, and the model was trained on most of these"]

    def compare(self, contest: Contest) -> Comparison | None:
        """Compares a model with the best baseline in points of NDCG."""
        if contest.ours.ranks is None:
            return None
        best = max(contest.baselines, key=lambda baseline: baseline.metrics[self.primary_metric])
        assert best.predictions.ranks is not None
        difference, margin = mean_and_margin(100 * (gains(contest.ours.ranks) - gains(best.predictions.ranks)).numpy())
        sentence = words(contest.model, best.words, difference, margin, 1, "points of NDCG@10")
        return Comparison(best.name, self.primary_metric, difference, margin, sentence)

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns the user, the chosen item, the item that comes first, and the rank of the chosen one."""
        assert predictions.ranks is not None
        cells = zip(split.ids, *self._names(split, predictions), predictions.ranks.tolist(), strict=True)
        return Rows(
            ["id", self.facts.features[0], "true", "predicted", "place"],
            ([*map(safe_cell, (name, user, chosen, first)), f"{rank:g}"] for name, user, chosen, first, rank in cells),
        )

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        _, true, first = self._names(split, predictions)
        return [(safe_cell(true[index]), safe_cell(first[index])) for index in chosen]

    def _names(self, split: Split, predictions: Predictions) -> tuple[list[str], list[str], list[str]]:
        """Returns the names of each sample's user, of its item, and of the item that comes first; empty if unknown."""
        users, items = (["", *self.facts.preprocessing[name]] for name in ("users", "items"))
        user, item = (tensor.tolist() for tensor in split.tensors)
        first = predictions.values.flatten().tolist()
        return [users[at] for at in user], [items[at] for at in item], [items[at] for at in first]

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns the rank of each chosen item."""
        assert predictions.ranks is not None
        return np.asarray(predictions.ranks)

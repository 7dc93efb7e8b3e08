"""The task of learning vectors of words, by telling the words that stand somewhere from noise words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.data.tokens import Vocabulary
from dltrain.runs.tables import safe_cell
from dltrain.tasks.evaluation import EvaluationSet
from dltrain.tasks.losses import Loss, NegativeSampling
from dltrain.tasks.metrics import Metric
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.similar_words import SimilarWords
from dltrain.tasks.task import Rows, Task
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


class WordVectors(Task):
    """Learns vectors from scores `(B, 1 + N)` of the true word and of N noise words.

    Predictions hold by how much the true word's score is above that of the best noise word.
    """

    name: ClassVar[str] = "word_vectors"
    primary_metric: ClassVar[str] = "above_noise"
    unbalanced: ClassVar[str] = "its words are not classes"
    export_words: ClassVar[str] = "scores, whose order alone has a meaning"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        super().__init__(facts, loss, metrics)
        self.vocabulary = Vocabulary.of(facts)

    def own_metric(self) -> Metric:
        return ABOVE_NOISE

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return NegativeSampling(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.word_vectors import WordVectorsPage

        return WordVectorsPage(facts)

    def combine_members(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else output.mean(dim=1)

    def decode(self, output: Tensor) -> Tensor:
        """Returns by how much the true word's score is above that of the best noise word, `(B, 1)`; without noise
        words, the score."""
        if output.shape[1] == 1:
            return output
        return output[:, :1] - output[:, 1:].amax(dim=1, keepdim=True)

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        return Predictions(self.decode(output).float().cpu())

    def evaluate(self, model: nn.Module, on: EvaluationSet) -> tuple[dict[str, float], Predictions]:
        """Returns the loss and the share above noise; if it is thorough, how well known groups and pairs are told."""
        metrics, predictions = super().evaluate(model, on)
        return metrics | (self.score_meanings(model) if on.thorough else {}), predictions

    def score_meanings(self, model: nn.Module) -> dict[str, float]:
        """Returns how well the model's vectors tell odd words and related pairs, as far as the data knows such."""
        stored, vectors = self.facts.preprocessing, vectors_of(model)
        if vectors is None or not (stored.get("groups") or stored.get("pairs")):
            return {}
        similar = SimilarWords(self.vocabulary, vectors)
        scores = {
            "odd_one_out": similar.score_odd_ones(stored.get("groups", ())),
            "word_pairs": similar.score_pairs(stored.get("pairs", ())),
        }
        return {name: score for name, score in scores.items() if score is not None}

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns each word, the words around it, and by how much its score is above noise."""
        margins = predictions.values.flatten().tolist()
        rows = zip(split.ids, self._spell_around(split, range(len(margins))), margins, strict=False)
        return Rows(
            ["id", "around", "above_noise"],
            ([safe_cell(word), safe_cell(around), f"{margin:.6g}"] for word, around, margin in rows),
        )

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        return [
            (safe_cell(split.ids[row]), safe_cell(around))
            for row, around in zip(chosen, self._spell_around(split, chosen), strict=True)
        ]

    def _spell_around(self, split: Split, rows: Sequence[int]) -> list[str]:
        entries = self.vocabulary.entries
        around = split.inputs[0][torch.as_tensor(list(rows), dtype=torch.int64)].tolist()
        return [" ".join(entries[number] for number in words if number) for words in around]

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns by how much the best noise word's score is above that of each true word."""
        return -np.asarray(predictions.values.flatten(), dtype=np.float64)


def vectors_of(model: nn.Module) -> NDArray[np.float32] | None:
    """Returns the vectors of a model's words, `(V, width)`; None if it has none."""
    for module in model.modules():
        vectors = getattr(module, "vectors", None)
        if isinstance(vectors, Tensor):
            return np.asarray(vectors.detach().float().cpu())
    return None


def _count_above(predicted: Tensor, target: Tensor) -> Tensor:
    return torch.stack(
        [(predicted > 0).double().sum(), torch.tensor(len(target), dtype=torch.float64, device=predicted.device)]
    )


ABOVE_NOISE = Metric(_count_above, lambda sums: {"above_noise": float(sums[0] / sums[1])}, ("above_noise",))

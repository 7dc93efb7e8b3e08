"""The task of predicting one of K classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.runs.tables import safe_cell
from dltrain.tasks.certainty import LEVEL, Certainty, check_level, check_share
from dltrain.tasks.conformal import ROUNDING, Conformal
from dltrain.tasks.evaluation import EvaluationSet, evaluate_fully
from dltrain.tasks.losses import BinaryCrossEntropy, CrossEntropy, Loss
from dltrain.tasks.metrics import Metric, class_counts, roc_auc
from dltrain.tasks.predicted import MOST_SCORES
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.scored import ScoredTask
from dltrain.tasks.statistics import Calibration, best_thresholds, reliability
from dltrain.tasks.task import Rows
from dltrain.tasks.temperature import fit_temperature
from dltrain.tasks.wrong_labels import WrongLabel, find_wrong_labels
from dltrain.types import Encoded, Facts, Split, SplitName

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.tasks.pages.page import Page


MANY = 100  # classes, of more than which the area under each one's curve takes longer than training


class Classification(ScoredTask):
    """Predicts one of K classes, the most probable one."""

    name: ClassVar[str] = "classification"
    target: ClassVar[str] = "class"
    unbalanced: ClassVar[str] = ""
    temperature: float = 1.0  # by which outputs are divided for the probabilities that are shown
    conformal: Conformal | None = None  # of 1 minus the probability of the true class

    def own_metric(self) -> Metric:
        return class_counts(len(self.facts.classes))

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return BinaryCrossEntropy(facts) if len(facts.classes) == 2 else CrossEntropy(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.classes import ClassesPage

        return ClassesPage(facts)

    def decode(self, output: Tensor) -> Tensor:
        output = self.combine_members(output)
        return (output[:, 0] > 0).long() if output.shape[1] == 1 else output.argmax(dim=1)

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        output = self.combine_members(output.float())
        return Predictions(self.decode(output).cpu(), self.loss.probabilities(output).cpu(), outputs=output.cpu())

    def evaluate(self, model: nn.Module, on: EvaluationSet) -> tuple[dict[str, float], Predictions]:
        """Returns the metrics and predictions; of more than 100 classes those of scores only if it is thorough."""
        scores = on.thorough or len(self.facts.classes) <= MANY
        return evaluate_fully(model, self, on.loader, on.precision, scores=scores)

    def epoch_metrics(
        self, predictions: Predictions, target: Tensor, weights: Tensor | None = None
    ) -> dict[str, float]:
        assert predictions.probabilities is not None
        area = roc_auc(predictions.probabilities, target, weights)
        return {} if area is None else {"roc_auc": area}

    def calibrate(self, predictions: Predictions, target: Tensor) -> Calibration:
        if predictions.probabilities is None:
            return Calibration()
        scores = predictions.probabilities.double().numpy()
        error = reliability(scores.max(axis=1), (predictions.values == target).numpy()).error
        binary = len(self.facts.classes) == 2
        return Calibration(error, best_thresholds(scores[:, 1], target.numpy() == 1) if binary else ())

    def find_wrong_labels(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> tuple[WrongLabel, ...]:
        return find_wrong_labels(splits, predictions)

    def learn_certainty(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> dict[str, Any] | None:
        held_out = predictions.get("val")
        if held_out is None or held_out.outputs is None:
            return None
        target = splits["val"].target[: len(held_out.values)]
        temperature = fit_temperature(held_out.outputs, target, self._probabilities)
        shown = replace(held_out, probabilities=self._probabilities(held_out.outputs / temperature))
        scores = 1 - _of_class(shown, target)
        if not len(scores) or not np.isfinite(scores).all():
            return None
        self.temperature, self.conformal = temperature, Conformal.fit(scores)
        return {"temperature": self.temperature, "conformal": asdict(self.conformal)}

    def use_certainty(self, stored: Mapping[str, Any]) -> None:
        self.temperature = float(stored["temperature"])
        if not 0 < self.temperature < float("inf"):
            raise ValueError("the temperature is not a positive number")
        self.conformal = Conformal.from_json(stored["conformal"])

    def calibrated(self, predictions: Predictions) -> Predictions:
        if self.temperature == 1 or predictions.outputs is None:
            return predictions
        return replace(predictions, probabilities=self._probabilities(predictions.outputs / self.temperature))

    def _probabilities(self, outputs: Tensor) -> Tensor:
        """Returns the probabilities of stored outputs, on the CPU."""
        of_loss = next(self.loss.buffers(), None)
        return self.loss.probabilities(outputs if of_loss is None else outputs.to(of_loss.device)).cpu()

    def deploy(self, output: Tensor) -> Tensor:
        return super().deploy(output if self.temperature == 1 else output / self.temperature)

    def check_certainty(self, certainty: Certainty) -> None:
        if certainty.level is not None and not certainty.sets:
            fix = "add --sets for sets of classes, or leave it out"
            raise ConfigError("--interval alone is for predicted numbers", "--interval", fix, override="--sets")
        check_share("--interval", certainty.level, "0.9")
        check_share("--threshold", certainty.threshold, "0.5", zero=True)
        if certainty.threshold is not None and len(self.facts.classes) != 2:
            what = f"--threshold is for two classes, and the run has {len(self.facts.classes)}"
            raise ConfigError(what, where="--threshold", fix="leave it out")
        count = len(self.facts.classes)
        if certainty.top is not None and not 1 <= certainty.top <= count:
            nearest = str(min(max(certainty.top, 1), count))
            what = f"--top must lie between 1 and {count}, the number of classes, not {certainty.top}"
            raise ConfigError(what, "--top", f"give --top {nearest}", override=nearest, replaces=str(certainty.top))
        if certainty.sets and self.conformal is None:
            what = "the run has no validation split, or an earlier version trained it, so that it gives no sets"
            raise ConfigError(what, where="--sets", fix="leave it out, or train again with a data.val_fraction")
        if certainty.sets and self.conformal is not None:
            check_level(self.conformal, certainty)

    def decided(self, predictions: Predictions, certainty: Certainty) -> Predictions:
        if certainty.threshold is None:
            return predictions
        assert predictions.probabilities is not None
        return replace(predictions, values=(predictions.probabilities[:, 1].double() > certainty.threshold).long())

    def frame(self, encoded: Encoded, predictions: Predictions, certainty: Certainty) -> pd.DataFrame:
        frame = super().frame(encoded, predictions, certainty)
        if certainty.top is None:
            return frame
        assert predictions.probabilities is not None
        scores = predictions.probabilities.double().numpy()
        order = np.argsort(-scores, axis=1, kind="stable")[:, : certainty.top]
        frame = frame.drop(columns=[f"score_{name}" for name in self.facts.classes])
        names, rows = np.array(self.facts.classes, dtype=object), np.arange(len(scores))
        for place in range(certainty.top):
            chosen, at = order[:, place], 2 + 2 * place  # behind id and predicted
            frame.insert(at, f"top_{place + 1}", names[chosen])
            frame.insert(at + 1, f"score_{place + 1}", scores[rows, chosen])
        return frame

    def certainty_columns(
        self, predictions: Predictions, inputs: tuple[Tensor, ...], certainty: Certainty
    ) -> dict[str, Any]:
        if not certainty.sets or self.conformal is None:
            return {}
        members = self._sets(self.conformal, predictions, certainty.share).tolist()
        names = self.facts.classes
        return {"set": ["|".join(name for name, held in zip(names, row, strict=True) if held) for row in members]}

    def _sets(self, conformal: Conformal, predictions: Predictions, level: float) -> NDArray[np.bool_]:
        """Returns which classes each sample's set holds, `(N, K)`: the predicted one always, so that none is empty."""
        assert predictions.probabilities is not None
        members = 1 - predictions.probabilities.double().numpy() <= conformal.quantile(level) + ROUNDING
        members[np.arange(len(members)), predictions.values.numpy()] = True
        return np.asarray(members)

    def measure_certainty(self, split: Split, predictions: Predictions) -> dict[str, Any]:
        target = split.target[: len(predictions.values)]
        if self.conformal is None or predictions.outputs is None or not len(target):
            return {}
        shown = self.calibrated(predictions)
        plain = replace(predictions, probabilities=self._probabilities(predictions.outputs))
        measured = {
            "temperature": self.temperature,
            "error": self.calibrate(shown, target).error,
            "error_before": self.calibrate(plain, target).error,
        }
        if np.isfinite(self.conformal.quantile(LEVEL)):
            members = self._sets(self.conformal, shown, LEVEL)
            held = members[np.arange(len(members)), target.numpy()]
            measured |= {"level": LEVEL, "coverage": float(held.mean()), "size": float(members.sum(axis=1).mean())}
        return measured

    def table(self, split: Split, predictions: Predictions) -> Rows:
        assert predictions.probabilities is not None
        labels = [safe_cell(name) for name in self.facts.classes]
        pairs = zip(split.ids, split.target.tolist(), predictions.values.tolist(), strict=False)
        scores = predictions.probabilities
        if len(labels) > MOST_SCORES:
            best = scores.gather(1, predictions.values[:, None])
            return Rows(
                ["id", "true", "predicted", "score"],
                (
                    [safe_cell(sample), labels[t], labels[p], f"{float(best[row, 0]):.6g}"]
                    for row, (sample, t, p) in enumerate(pairs)
                ),
            )
        return Rows(
            ["id", "true", "predicted", *(f"score_{name}" for name in self.facts.classes)],
            (
                [safe_cell(sample), labels[t], labels[p], *(f"{score:.6g}" for score in scores[row].tolist())]
                for row, (sample, t, p) in enumerate(pairs)
            ),
        )

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        assert predictions.probabilities is not None
        classes, scores = self.facts.classes, predictions.probabilities.double().numpy()
        predicted = [classes[index] for index in predictions.values.tolist()]
        return {"predicted": predicted} | {f"score_{name}": scores[:, index] for index, name in enumerate(classes)}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        names = [safe_cell(name) for name in self.facts.classes]
        return [(names[int(split.target[index])], names[int(predictions.values[index])]) for index in chosen]

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns 1 minus the probability of the true class."""
        return 1 - _of_class(predictions, split.target[: len(predictions.values)])

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        assert predictions.probabilities is not None
        numbers = {safe_cell(name): number for number, name in enumerate(self.facts.classes)}
        true = torch.tensor([[numbers[row["true"]]] for row in rows])
        recorded = torch.tensor([[1 - float(row["error"])] for row in rows])
        return float((predictions.probabilities.gather(1, true) - recorded).abs().max())


def _of_class(predictions: Predictions, target: Tensor) -> NDArray[np.float64]:
    """Returns the probability of each sample's class, `(N,)`."""
    assert predictions.probabilities is not None
    return np.asarray(predictions.probabilities.gather(1, target[:, None]).flatten().double())

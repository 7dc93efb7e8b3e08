"""The task of predicting one real number, or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.errors import ConfigError
from dltrain.runs.tables import safe_cell
from dltrain.tasks.certainty import LEVEL, Certainty, check_level, check_share
from dltrain.tasks.comparison import Comparison, Contest, compare_errors
from dltrain.tasks.conformal import STORED, Conformal, Floats, Samples, fit_intervals, outside
from dltrain.tasks.losses import Loss, MeanSquaredError
from dltrain.tasks.metrics import Metric, regression_errors
from dltrain.tasks.outputs import output_columns, output_table
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Rows, Task, each_member
from dltrain.types import Facts, Split, SplitName

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page


SPREAD_INPUTS = 64  # inputs at most, on which the spread of errors may depend
FITTED = 20_000  # training samples at most, from which it is learned
FEWEST_STORED = 100  # scores of each of many outputs


class Regression(Task):
    """Predicts K real numbers `(B, K)`, standardised for the loss and in their own unit for everything else; a target
    that is NaN counts nowhere."""

    name: ClassVar[str] = "regression"
    target: ClassVar[str] = "number"
    primary_metric: ClassVar[str] = "rmse"
    together: int = 1  # number of neighbouring samples whose errors are similar
    conformal: tuple[Conformal, ...] = ()  # of the absolute error of each output
    uncertain: str = ""  # why there are no intervals

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        super().__init__(facts, loss, metrics)
        self.mean, self.std = facts.target_mean, facts.target_std
        self.scaled = (self.mean, self.std) != (0.0, 1.0)

    def own_metric(self) -> Metric:
        return regression_errors(self.facts.target_mean)

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        return MeanSquaredError(facts)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.numbers import NumbersPage

        return NumbersPage(facts)

    @property
    def importance_metric(self) -> str:
        """Returns RMSE; of several outputs R², since their units differ."""
        return "r2" if len(self.facts.outputs) > 1 else self.primary_metric

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        if self.scaled:
            target = (target - like(self.mean, target)) / like(self.std, target)
        target = target.to(output.dtype)
        if weights is None:
            return self.loss(*each_member(output, target))
        return super().objective(output, torch.where(weights > 0, target, 0.0), weights)

    def is_known(self, target: Tensor) -> Tensor:
        return ~target.isnan().reshape(len(target), -1).all(dim=1)

    def decode(self, output: Tensor) -> Tensor:
        output = self.combine_members(output)
        return self.in_unit(self.parts(output)[0], output)

    def parts(self, output: Tensor) -> tuple[Tensor, ...]:
        """Returns the predictions `(B, K)` in an output, and the ends of their intervals if the loss learns them."""
        return self.computed(output).chunk(1 + len(self.loss.levels), dim=-1)

    def in_unit(self, numbers: Tensor, output: Tensor) -> Tensor:
        """Returns standardised numbers `(B, K)` in the target's own unit, given the output that they are part of."""
        # In float64, because a target may be large compared to its spread; mps has no float64.
        exact = numbers.float() if numbers.device.type == "mps" else numbers.double()
        return exact * like(self.std, exact) + like(self.mean, exact) if self.scaled else numbers

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        output = self.combine_members(output.float())
        middle, *ends = (self.in_unit(part, output).cpu().double() for part in self.parts(output))
        if not ends:
            return Predictions(self.decode(output).cpu())
        low, high = (torch.minimum(ends[0], middle), torch.maximum(ends[1], middle))  # which lines may cross
        return Predictions(self.decode(output).cpu(), ends=torch.stack([low, high], dim=1))

    def compare(self, contest: Contest) -> Comparison | None:
        candidates = [contest.ours, *(baseline.predictions for baseline in contest.baselines)]
        mine, *theirs = (self._squared(predictions, contest.target, contest.weights) for predictions in candidates)
        unit = "% of standardised RMSE" if self.facts.outputs else "% of RMSE"
        return compare_errors(contest, mine, theirs, unit=unit, together=self.together)

    def _squared(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> NDArray[np.float64]:
        """Returns the squared error of each sample `(N,)`; of several outputs the mean of their standardised ones.

        With weights, errors are scaled so that their plain mean is the weighted one of each output, averaged over the
        outputs.
        """
        errors = np.asarray((predictions.values - target).double())
        scale = np.asarray(self.facts.target_std) if self.facts.outputs else 1.0
        squared = np.square(errors / scale).reshape(len(errors), -1)
        if weights is None:
            return np.asarray(squared.mean(axis=1))
        counted = np.asarray(weights.double())
        of_output = counted.mean(axis=0)
        squared = np.where(counted > 0, squared * counted, 0.0)[:, of_output > 0] / of_output[of_output > 0]
        return np.asarray(squared.mean(axis=1))

    def table(self, split: Split, predictions: Predictions) -> Rows:
        if self.facts.outputs:
            return output_table(self.facts.outputs, split, predictions)
        values = predictions.values.flatten().tolist()
        pairs = zip(split.ids, split.target.flatten().tolist()[: len(values)], values, strict=False)
        return Rows(["id", "true", "predicted"], ([safe_cell(name), f"{t:.9g}", f"{p:.9g}"] for name, t, p in pairs))

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        if self.facts.outputs:
            return output_columns(self.facts.outputs, predictions)
        return super().columns(predictions, inputs)

    def learn_certainty(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> dict[str, Any] | None:
        if "val" not in predictions:
            self.uncertain = "there is no validation split (data.val_fraction)"
            return {"uncertain": self.uncertain}
        held_out = _by_output(splits["val"], predictions["val"])
        training: Sequence[Samples | None] = [None] * len(held_out)
        if "train" in predictions:
            training = _by_output(splits["train"], predictions["train"], most=FITTED)
        stored = max(FEWEST_STORED, STORED // len(held_out))
        fitted = [fit_intervals(*pair, stored) for pair in zip(held_out, training, strict=True)]
        if predictions["val"].ends is not None:
            scores = self._outside(splits["val"], predictions["val"])
            sound = [column[np.isfinite(column)] for column in scores.T]
            fitted = [Conformal.fit(column, None, stored) if len(column) else None for column in sound]
        self.conformal = tuple(each for each in fitted if each is not None)
        if len(self.conformal) < len(fitted):
            self.conformal, self.uncertain = (), "no validation sample has a finite error"
            return {"uncertain": self.uncertain}
        return {"conformal": [asdict(each) for each in self.conformal]}

    def _outside(self, split: Split, predictions: Predictions) -> Floats:
        """Returns by how much true values lie outside of the predicted intervals, `(N, K)`."""
        low, high = _ends_of(predictions)
        return outside(_flat(split.target[: len(predictions.values)]), low, high)

    def use_certainty(self, stored: Mapping[str, Any]) -> None:
        self.uncertain = str(stored.get("uncertain", ""))
        if not self.uncertain:
            self.conformal = tuple(map(Conformal.from_json, stored["conformal"]))
            if len(self.conformal) != max(1, len(self.facts.outputs)):
                raise ValueError("there are not as many intervals as outputs")

    def check_certainty(self, certainty: Certainty) -> None:
        super().check_certainty(replace(certainty, level=None))
        check_share("--interval", certainty.level, "0.9")
        if certainty.level is None:
            return
        if not self.conformal:
            why = self.uncertain or "it does not record the errors of validation samples"
            fix = "leave it out, or train again with a data.val_fraction"
            raise ConfigError(f"the run gives no intervals: {why}", where="--interval", fix=fix)
        check_level(min(self.conformal, key=lambda each: each.count), certainty)

    def note_on_certainty(self, certainty: Certainty) -> str:
        if self.conformal and not self._has_intervals(certainty.share):
            fewest = min(each.count for each in self.conformal)
            return f"no low and high: {fewest} validation samples are too few for intervals of {certainty.share:g}"
        return f"no low and high: {self.uncertain}" if self.uncertain else ""

    def _has_intervals(self, level: float) -> bool:
        return bool(self.conformal) and all(np.isfinite(each.quantile(level)) for each in self.conformal)

    def intervals(self, predictions: Predictions, inputs: tuple[Tensor, ...], level: float) -> tuple[Floats, Floats]:
        """Returns the lower and upper ends of the intervals, `(N, K)` each."""
        if predictions.ends is not None:
            low, high = _ends_of(predictions)
            wider = np.array([each.quantile(level) for each in self.conformal])
            values = _flat(predictions.values)
            return np.minimum(low - wider, values), np.maximum(high + wider, values)
        values, columns = _flat(predictions.values), spread_inputs(inputs)
        pairs = zip(self.conformal, values.T, strict=True)
        radius = np.stack([each.radius(level, predicted, columns) for each, predicted in pairs], axis=1)
        return values - radius, values + radius

    def certainty_columns(
        self, predictions: Predictions, inputs: tuple[Tensor, ...], certainty: Certainty
    ) -> dict[str, Any]:
        if not self._has_intervals(certainty.share):
            return {}
        low, high = self.intervals(predictions, inputs, certainty.share)
        if not self.facts.outputs:
            return {"low": low[:, 0], "high": high[:, 0]}
        ends = (("low", low), ("high", high))
        return {f"{end}_{name}": x[:, at] for at, name in enumerate(self.facts.outputs) for end, x in ends}

    def measure_certainty(self, split: Split, predictions: Predictions) -> dict[str, Any]:
        if not self._has_intervals(LEVEL):
            return {}
        count = len(predictions.values)
        true, inputs = _flat(split.target[:count]), tuple(tensor[:count] for tensor in split.inputs)
        low, high = self.intervals(predictions, inputs, LEVEL)
        held = np.where(np.isnan(true), np.nan, (low <= true) & (true <= high))
        if np.isnan(held).all(axis=0).any() or not np.isfinite(high - low).all():
            return {}
        coverage = np.nanmean(held, axis=0)
        if not self.facts.outputs:
            return {"level": LEVEL, "coverage": float(coverage[0]), "width": float((high - low).mean())}
        lowest = int(coverage.argmin())
        return {
            "level": LEVEL,
            "coverage": float(coverage.mean()),
            "lowest": float(coverage[lowest]),
            "lowest_output": self.facts.outputs[lowest],
        }

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        return [(_spell(split.target[index]), _spell(predictions.values[index])) for index in chosen]

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns the absolute error; of several outputs their mean, in standard deviations."""
        errors = (predictions.values - split.target[: len(predictions.values)]).abs().double()
        if not self.facts.outputs:
            return np.asarray(errors.flatten())
        scaled = errors / torch.tensor(self.facts.target_std, dtype=torch.float64)
        return np.asarray(scaled.nanmean(dim=1) if scaled.isnan().any() else scaled.mean(dim=1))

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        recorded = torch.tensor([[float(part) for part in row["predicted"].split(", ")] for row in rows])
        spread = float(recorded.max() - recorded.min()) or float(recorded.abs().max()) or 1.0
        return float((predictions.values - recorded).abs().max()) / spread

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        metrics = {}
        for index, name in enumerate(self.facts.outputs):
            target, *weights = (part[: len(predictions.values), index] for part in split.weighted_target)
            metric = regression_errors(float(target.nanmean() if weights else target.mean()))
            if not target.isnan().all():
                metrics[name] = metric.compute(metric.sums_of(predictions.values[:, index], target, *weights))
        return metrics


def _by_output(split: Split, predictions: Predictions, most: int | None = None) -> list[Samples]:
    """Returns the samples of each output, at most so many, evenly spread."""
    count = len(predictions.values)
    chosen = slice(0, count, None if most is None else max(1, -(-count // most)))
    true, predicted = _flat(split.target[chosen]), _flat(predictions.values[chosen])
    inputs = spread_inputs(tuple(tensor[chosen] for tensor in split.inputs))
    return [(true[:, at], predicted[:, at], inputs) for at in range(true.shape[1])]


def spread_inputs(inputs: tuple[Tensor, ...]) -> Floats:
    """Returns the inputs on which the spread of errors may depend, `(N, F)`; none where they are no numbers or many."""
    numbers = [tensor for tensor in inputs if tensor.dim() == 2 and tensor.is_floating_point()]
    if not 0 < sum(tensor.shape[1] for tensor in numbers) <= SPREAD_INPUTS:
        return np.empty((len(inputs[0]), 0))
    return np.concatenate([tensor.double().numpy(force=True) for tensor in numbers], axis=1)


def _ends_of(predictions: Predictions) -> tuple[Floats, Floats]:
    """Returns the ends of predicted intervals, `(N, K)` each."""
    assert predictions.ends is not None
    low, high = predictions.ends.unbind(dim=1)
    return _flat(low), _flat(high)


def _flat(values: Tensor) -> Floats:
    return np.asarray(values.double()).reshape(len(values), -1)


def like(numbers: float | tuple[float, ...], tensor: Tensor) -> Tensor | float:
    """Returns one number as it is, several as a tensor `(K,)` of the given tensor's type and device."""
    return numbers if isinstance(numbers, float) else _on_device(numbers, tensor.dtype, tensor.device)


@cache
def _on_device(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns numbers `(K,)` as a tensor that stays on the device, where recorded steps read it."""
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=dtype, device=device)


def _spell(numbers: Tensor) -> str:
    return ", ".join("" if isnan(number) else f"{number:.9g}" for number in numbers.flatten().tolist())

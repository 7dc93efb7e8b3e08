"""The task of forecasting the next steps of a series, or of many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.runs.tables import safe_cell
from dltrain.tasks.certainty import LEVEL, Certainty
from dltrain.tasks.conformal import Conformal, Floats
from dltrain.tasks.evaluation import EvaluationSet
from dltrain.tasks.metric_table import METRICS, MetricInfo
from dltrain.tasks.metrics import Metric, forecast_errors
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.regression import Regression
from dltrain.tasks.task import Rows, each_member
from dltrain.types import Encoded, Facts, ForecastTimes, Split, SplitName

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.tasks.pages.page import Page

MOST_ROWS = 1_000_000  # of predictions.csv
FEWEST = 9  # of which the largest is above a new one with a probability of 90 %
FEWEST_SERIES = 5  # by which it is told whether intervals go by the last changes in a window
LAST_CHANGES = 12  # steps
SCALES = 5  # numbers of each column that follow an output: mean in two parts, deviation, two naive errors


class Forecasting(Regression):
    """Predicts the next H steps of C columns, `(B, H·C)` step by step; metrics are means over all steps.

    The output for one of several series is in that series' scale, which follows it: `(B, H·C + 5·C)`.
    """

    name: ClassVar[str] = "forecasting"
    target: ClassVar[str] = ""
    export_words: ClassVar[str] = "numbers in the series' own unit, step by step"
    profile: tuple[float, ...] = ()  # how errors grow with the step, of each output
    local: bool = False  # whether intervals go by the last changes in each window too

    @property
    def columns_of_values(self) -> int:
        """Returns C."""
        return max(1, len(self.facts.features))

    @property
    def width(self) -> int:
        """Returns H·C."""
        return max(1, len(self.facts.outputs))

    @property
    def horizon(self) -> int:
        """Returns H."""
        return self.width // self.columns_of_values

    @property
    def together(self) -> int:  # type: ignore[override]
        """Returns how many neighbouring forecasts have similar errors: those that overlap."""
        return max(1, self.horizon)

    @property
    def mixes_units(self) -> bool:
        """Tells whether a mean over all forecasts mixes numbers of different size or unit."""
        return mixes_units(self.facts)

    @property
    def primary_metric(self) -> str:  # type: ignore[override]
        """Returns RMSE, and where that would mix units, MASE."""
        return "mase" if self.mixes_units else "rmse"

    def own_metric(self) -> Metric:
        columns, mean = self.columns_of_values, self.facts.target_mean
        reference = (mean if isinstance(mean, tuple) else (mean,))[:columns]
        declared = {"mase": _first("mase")} if self.mixes_units else {}
        return forecast_errors(columns, reference, in_unit=columns == 1 or not self.mixes_units, info=declared)

    def is_known(self, target: Tensor) -> Tensor:
        missing = target.isnan()
        return ~(missing.all(dim=1) if self.facts.target_gaps else missing.any(dim=1))

    @classmethod
    def page(cls, facts: Facts) -> Page:
        from dltrain.tasks.pages.forecasts import ForecastsPage

        return ForecastsPage(facts)

    def computed(self, output: Tensor) -> Tensor:
        return output[..., : self.loss.out_features]

    def _scale(self, output: Tensor) -> Tensor | None:
        """Returns the scale that follows an output, `(..., 5, C)`; `None` where there is one series alone."""
        if output.shape[-1] == self.loss.out_features:
            return None
        return output[..., self.loss.out_features :].unflatten(-1, (SCALES, self.columns_of_values))

    def combine_members(self, output: Tensor) -> Tensor:
        if output.dim() == 2 or self._scale(output) is None:
            return super().combine_members(output)
        # All members have the same scale, of which a mean would lose digits.
        return torch.cat([super().combine_members(self.computed(output)), output[:, 0, self.loss.out_features :]], -1)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        scale = self._scale(output)
        if scale is None:
            return super().objective(output, target, weights)
        one = scale if output.dim() == 2 else scale[:, 0]
        one = one if target.device.type == "mps" else one.double()
        coarse, rest, std = one.unbind(1)[:3]
        steps = target.unflatten(1, (-1, self.columns_of_values))
        relative = ((steps - coarse[:, None] - rest[:, None]) / std[:, None]).flatten(1)
        computed, relative = self.computed(output), relative.to(output.dtype)
        if weights is None:
            return self.loss(*each_member(computed, relative))
        return self.loss.weighted_mean(*each_member(computed, torch.where(weights > 0, relative, 0.0), weights))

    def decode(self, output: Tensor) -> Tensor:
        return self._possible(super().decode(output))

    def in_unit(self, numbers: Tensor, output: Tensor) -> Tensor:
        scale = self._scale(output)
        if scale is None:
            return super().in_unit(numbers, output)
        exact, scale = (part.float() if output.device.type == "mps" else part.double() for part in (numbers, scale))
        coarse, rest, std = scale.unbind(1)[:3]
        values = exact.unflatten(1, (-1, self.columns_of_values)) * std[:, None] + (coarse + rest)[:, None]
        return values.flatten(1)

    def _possible(self, values: Tensor) -> Tensor:
        """Returns forecasts `(N, H·C)` that the series can have: none below zero, and whole numbers."""
        if not self.facts.target_low:
            return values
        lows = [-math.inf if low is None else low for low in self.facts.target_low] * self.horizon
        if any(low > -math.inf for low in lows):
            values = torch.maximum(values, torch.tensor(lows, dtype=values.dtype, device=values.device))
        if any(self.facts.target_rounded):
            whole = torch.tensor(self.facts.target_rounded * self.horizon, device=values.device)
            values = torch.where(whole, values.round(), values)
        return values

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        scale = self._scale(output.float())
        naive = None if scale is None else (scale if output.dim() == 2 else scale[:, 0])[:, 3:].cpu().double()
        return replace(super().predict(output, target), naive=naive)

    def evaluate(self, model: nn.Module, on: EvaluationSet) -> tuple[dict[str, float], Predictions]:
        metrics, predictions = super().evaluate(model, on)
        return metrics | self._scaled_errors(predictions, on.split.target[: len(predictions.values)]), predictions

    def measure(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> dict[str, float]:
        return super().measure(predictions, target, weights) | self._scaled_errors(predictions, target)

    def _scaled_errors(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        """Returns MASE and RMSSE: errors divided by those of the naive forecast in training, of each series and column
        (Hyndman and Koehler, 2006)."""
        naive = self._naive(predictions)
        if naive is None:
            return {}
        errors = (predictions.values - target).double().unflatten(1, (-1, self.columns_of_values))  # (N, H, C)
        absolute, squared = naive.unbind(1)  # (N, C), or (1, C)
        return {
            "mase": float((errors.abs() / absolute[:, None]).nanmean()),
            "rmsse": float((errors.square() / squared[:, None]).nanmean().sqrt()),
        }

    def _naive(self, predictions: Predictions) -> Tensor | None:
        """Returns the naive errors of each sample's series, `(N, 2, C)`, or of the one series, `(1, 2, C)`; `None` in
        older runs."""
        if predictions.naive is not None:
            return predictions.naive
        stored = self.facts.target_naive
        return torch.tensor([stored], dtype=torch.float64) if stored else None

    def _squared(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> NDArray[np.float64]:
        if predictions.naive is None:
            return super()._squared(predictions, target, weights)
        errors = (predictions.values - target).double().unflatten(1, (-1, self.columns_of_values))
        return np.asarray((errors.square() / predictions.naive[:, 1, None]).nanmean(dim=(1, 2)))

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        if predictions.naive is None:
            return super().errors(split, predictions)
        errors = (predictions.values - split.target[: len(predictions.values)]).double()
        columns = errors.unflatten(1, (-1, self.columns_of_values))
        return np.asarray((columns.abs() / predictions.naive[:, 0, None]).nanmean(dim=(1, 2)))

    def learn_certainty(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> dict[str, Any] | None:
        """Learns how large errors are, and how they grow with the step: from the validation split, or from the training
        split where errors are larger or more. Windows overlap and come in order, so that a new error is not quite
        exchangeable with these; how often intervals hold is measured on the test split."""
        if "val" not in predictions or not self.facts.target_naive:
            self.uncertain = "there is no validation split (data.val_fraction)"
            return {"uncertain": self.uncertain}
        held = [(splits[name], predictions[name]) for name in ("val", "train") if name in predictions]
        self.local = len(held) > 1 and self._tells_more_locally(*held)
        relative = [self._relative(split, predicted) for split, predicted in held]
        growth = np.sqrt(np.nanmean(np.square(relative[-1]), axis=0))
        if any(part.ends is not None for part in predictions.values()):
            growth = np.ones(self.width)  # predicted intervals grow by themselves
        self.profile = tuple(float(f"{each:.7g}") for each in np.where(growth > 0, growth, 1.0))
        # The errors of a forecast's steps are similar, so that they count as one, as long as 90 % can be told of these.
        candidates = [
            Conformal.fit(_finite(errors / np.array(self.profile)), units=max(FEWEST, len(errors)))
            for errors in relative
        ]
        candidates = [each for each in candidates if each.count]
        candidates = [each for each in candidates if each.largest_level >= LEVEL] or candidates
        if not candidates:
            self.uncertain = "no validation sample has a finite error"
            return {"uncertain": self.uncertain}
        self.conformal = (max(candidates, key=lambda each: each.quantile(min(LEVEL, each.largest_level))),)
        local = {"local": True} if self.local else {}
        return {"conformal": [asdict(self.conformal[0])], "profile": list(self.profile), **local}

    def _tells_more_locally(self, val: tuple[Split, Predictions], train: tuple[Split, Predictions]) -> bool:
        """Tells whether the changes at the end of each window make the errors of the validation split clearly likelier,
        by Laplace's distribution with a mean from training, as where the noise of several series grows."""
        if val[1].naive is None or val[1].ends is not None or len(val[0].tensors) < 3:
            return False
        gains = []
        for local in (False, True):
            sizes = [np.asarray(self._sizes(predicted, split.tensors, local)) for split, predicted in (val, train)]
            errors = [np.asarray((p.values - s.target[: len(p.values)]).double().abs()) for s, p in (val, train)]
            scale = sizes[0] * np.nanmean(errors[1] / sizes[1], axis=0)
            gains.append(np.nanmean(-np.log(scale) - errors[0] / scale, axis=1))
        gain, series = gains[1] - gains[0], np.asarray(val[0].tensors[1][:, 0])[: len(gains[0])]
        each = np.array([gain[series == one].mean() for one in np.unique(series)])
        return len(each) >= FEWEST_SERIES and bool(each.mean() > each.std(ddof=1) / math.sqrt(len(each)))

    def _relative(self, split: Split, predictions: Predictions) -> Floats:
        """Returns absolute errors `(N, H·C)`, or by how much true values lie outside of predicted intervals, divided by
        the naive error of their series."""
        sizes = self._sizes(predictions, split.tensors, self.local)
        if predictions.ends is not None:
            return self._outside(split, predictions) / np.asarray(sizes)
        errors = (predictions.values - split.target[: len(predictions.values)]).double().abs()
        return np.asarray(errors / sizes)

    def _sizes(self, predictions: Predictions, inputs: tuple[Tensor, ...], local: bool) -> Tensor:
        """Returns the naive error of each forecast step, `(N, H·C)` or `(1, H·C)`, or its mean with the last changes in
        each window."""
        naive = self._naive(predictions)
        assert naive is not None, "an older run learned no intervals"
        sizes = naive[:, 0]
        if local:
            count, columns, steps = len(sizes), self.columns_of_values, self.facts.preprocessing["window"]
            values = inputs[0][:count, max(0, steps - 1 - LAST_CHANGES) : steps, :columns].double()
            std = inputs[2][:count, 2 * columns : 3 * columns].double()
            sizes = (sizes + values.diff(dim=1).abs().mean(dim=1).to(sizes.device) * std.to(sizes.device)) / 2
        return sizes.repeat(1, self.horizon)

    def use_certainty(self, stored: Mapping[str, Any]) -> None:
        self.uncertain = str(stored.get("uncertain", ""))
        if "conformal" in stored:
            self.conformal = (Conformal.from_json(stored["conformal"][0]),)
            self.profile = tuple(float(each) for each in stored["profile"])
            self.local = bool(stored.get("local"))
            if len(self.profile) != self.width:
                raise ValueError("there are not as many intervals as steps")

    def intervals(self, predictions: Predictions, inputs: tuple[Tensor, ...], level: float) -> tuple[Floats, Floats]:
        sizes = np.asarray(self._sizes(predictions, inputs, self.local)) * np.array(self.profile)
        radius = self.conformal[0].quantile(level) * sizes
        values = np.asarray(predictions.values.double())
        low, high = values - radius, values + radius
        if predictions.ends is not None:
            low, high = (np.asarray(end) for end in predictions.ends.double().unbind(dim=1))
            low, high = np.minimum(low - radius, values), np.maximum(high + radius, values)
        return as_values(low, self.facts, down=True), as_values(high, self.facts, down=False)

    def certainty_columns(
        self, predictions: Predictions, inputs: tuple[Tensor, ...], certainty: Certainty
    ) -> dict[str, Any]:
        return self._by_column(self._ends(predictions, inputs, certainty.share))

    def _ends(self, predictions: Predictions, inputs: tuple[Tensor, ...], level: float) -> dict[str, Floats]:
        """Returns the ends of intervals `(N, H·C)`, `low` and `high`; none where there are no intervals."""
        if not self._has_intervals(level):
            return {}
        low, high = self.intervals(predictions, inputs, level)
        return {"low": low, "high": high}

    def _by_column(self, forms: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        """Returns arrays `(N, H·C)` as columns of one row a step, `(N·H,)`: `low`, or `low_NAME` of several columns."""
        names = self.facts.features
        steps = {form: np.asarray(values).reshape(-1, self.columns_of_values) for form, values in forms.items()}
        return {
            form if len(names) == 1 else f"{form}_{name}": values[:, at]
            for at, name in enumerate(names)
            for form, values in steps.items()
        }

    def frame(self, encoded: Encoded, predictions: Predictions, certainty: Certainty) -> pd.DataFrame:
        """Returns one row for each forecast step, with the time that it is for; of older runs one for each window."""
        import pandas as pd

        if encoded.times is None:
            return super().frame(encoded, predictions, Certainty())
        ends = self._ends(predictions, encoded.inputs, certainty.share)
        columns = self._by_column({"predicted": np.asarray(predictions.values), **ends})
        remarks = np.repeat(np.array(encoded.spelled_remarks, dtype=object), self.horizon)
        return pd.DataFrame(time_columns(encoded.times) | columns | {"remarks": remarks})

    def table(self, split: Split, predictions: Predictions) -> Rows:
        if split.times is None:
            return super().table(split, predictions)
        count = len(predictions.values)
        chosen = _last_of_each(split.times.of(slice(count)), MOST_ROWS // (self.horizon or 1))
        parts = {
            "true": np.asarray(split.target[:count]),
            "predicted": np.asarray(predictions.values),
            **self._ends(predictions, split.tensors, LEVEL),
        }
        columns = self._by_column({form: values[chosen] for form, values in parts.items()})
        times = time_columns(split.times.of(chosen))
        return Rows([*times, *columns], _spelled(times, columns))

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        """Returns the metrics of each step and column; of several columns those of each column over all steps too."""
        metrics = super().metrics_by_output(split, predictions)
        return metrics | (self.metrics_by_column(split, predictions) if self.columns_of_values > 1 else {})

    def metrics_by_column(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        """Returns the metrics of each column over all steps."""
        count, columns = len(predictions.values), self.columns_of_values
        both = (part.reshape(-1, columns) for part in (predictions.values, split.target[:count]))
        predicted, target = both
        metrics = {}
        for at, name in enumerate(self.facts.features):
            present = ~target[:, at].isnan()
            metric = forecast_errors(1, (float(target[present, at].mean()),))
            metrics[name] = metric.compute(metric.sums_of(predicted[present, at, None], target[present, at, None]))
        return metrics


def _finite(scores: Floats) -> Floats:
    return scores[np.isfinite(scores)]


def mixes_units(facts: Facts) -> bool:
    """Tells whether a mean over all forecasts mixes numbers of different size or unit: those of several columns, or of
    several series."""
    several = len(facts.features) > 1 or "series" in facts.preprocessing
    return several and bool(facts.target_naive)  # of older runs the naive errors are not known


def _first(name: str) -> MetricInfo:
    """Returns the description of a metric that is shown first."""
    return MetricInfo(METRICS[name].label, METRICS[name].better, METRICS[name].unit, METRICS[name].low, headline=True)


def _last_of_each(times: ForecastTimes, most: int) -> NDArray[np.int64]:
    """Returns the positions of all forecasts, or where these are more than `most`, of the last ones of each series."""
    if len(times) <= most:
        return np.arange(len(times))
    each = max(1, most // len(np.unique(times.codes)))
    ranks = np.zeros(len(times), np.int64)
    for code in np.unique(times.codes):
        mine = np.flatnonzero(times.codes == code)
        ranks[mine] = np.arange(len(mine))[::-1]
    return np.flatnonzero(ranks < each)


def time_columns(times: ForecastTimes) -> dict[str, NDArray[Any]]:
    """Returns the columns that say what each forecast step is for, `(N·H,)`: `series` of several, `time`, and for more
    than one step `origin`, the last time that the forecast is based on, and `step`."""
    spelled = np.array(times.times, dtype=object)
    steps = np.arange(times.horizon)
    columns: dict[str, NDArray[Any]] = {}
    if len(times.series) > 1 or times.series[0]:
        columns["series"] = np.repeat(np.array(times.series, dtype=object)[times.codes], times.horizon)
    columns["time"] = spelled[(times.first[:, None] + steps).ravel()]
    if times.horizon > 1:
        columns["origin"] = np.repeat(spelled[times.first - 1], times.horizon)
        columns["step"] = np.tile(steps + 1, len(times))
    return columns


def _spelled(times: Mapping[str, NDArray[Any]], numbers: Mapping[str, NDArray[np.float64]]) -> Iterator[list[str]]:
    cells = zip(*(column.tolist() for column in times.values()), strict=True)
    rows = zip(*(column.tolist() for column in numbers.values()), strict=True)
    for named, row in zip(cells, rows, strict=True):
        yield [*(safe_cell(str(cell)) for cell in named), *("" if math.isnan(each) else f"{each:.9g}" for each in row)]


def as_values(ends: Floats, facts: Facts, *, down: bool) -> Floats:
    """Returns ends of intervals `(N, H·C)` as values of their columns can be: whole, and not below the lowest possible.

    Args:
        ends: step by step.
        facts: of the columns, C.
        down: whether these are the lower ends, and are rounded down.
    """
    steps = ends.shape[1] // max(1, len(facts.features))
    if any(facts.target_whole):
        ends = np.where(np.array(facts.target_whole * steps), np.floor(ends) if down else np.ceil(ends), ends)
    lows = [-math.inf if low is None else low for low in facts.target_low] * steps
    return np.maximum(ends, lows) if lows else ends

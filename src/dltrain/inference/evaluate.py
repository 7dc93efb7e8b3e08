"""Evaluates a trained model on labelled data: metrics with intervals, by group, calibration, and a threshold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import name_list, nearest, read_cells
from dltrain.data.gathered import Gathered
from dltrain.data.loader import TensorLoader
from dltrain.data.nouns import count
from dltrain.data.sample_files import TableFiles
from dltrain.errors import DataError, DltrainError
from dltrain.experiment.results import fingerprint
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.starting_weights import fill_in
from dltrain.experiment.targets import resolve
from dltrain.inference.inputs import Input
from dltrain.inference.load import FEWEST, LoadedModel
from dltrain.kinds.kind import kind_of
from dltrain.tasks.evaluation import EvaluationSet
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.statistics import Threshold, wilson
from dltrain.tasks.task import Task
from dltrain.types import Encoded, Split, WeighingEncoder

BATCH = 32  # samples, for a task whose outputs are large
RESAMPLES, MANY = 1000, 50_000  # above so many rows, fewer resamples are as precise
MOST_GROUPS, FEW_NUMBERS = 20, 10
NAMED = 5  # samples that a note names


@dataclass(frozen=True)
class Interval:
    """A metric's 95 % interval over the samples."""

    measure: str
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """The samples that share a value of a column, and the metrics on them."""

    name: str
    samples: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model on labelled data.

    Args:
        source: the data, in words.
        split: its samples, encoded.
        predictions: the model's predictions of them.
        metrics: all metrics that training measures.
        interval: the interval of the main metric; `None` for too few samples.
        calibration_error: `None` where numbers or labels are predicted.
        thresholds: the best thresholds for two classes.
        certainty: how often intervals or sets hold the truth, as `tasks.certainty.describe` reads it.
        groups: the metrics by group, if there is a column to group by.
        notes: what was left out or is unusual.
        own_split: whether the samples are a split of the run's own.
        trained: how many new samples are exactly some that the model was trained on; `None` if nobody knows.
    """

    source: str
    split: Split
    predictions: Predictions
    metrics: dict[str, float]
    interval: Interval | None
    calibration_error: float | None
    thresholds: tuple[Threshold, ...]
    certainty: Mapping[str, Any]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    own_split: bool = True
    trained: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the evaluation for JSON, without samples."""
        return {
            "source": self.source,
            "samples": len(self.split),
            "metrics": self.metrics,
            "interval": None if self.interval is None else asdict(self.interval),
            "calibration_error": self.calibration_error,
            "thresholds": [asdict(threshold) for threshold in self.thresholds],
            "certainty": dict(self.certainty),
            "groups": [asdict(group) for group in self.groups],
            "notes": list(self.notes),
            "own_split": self.own_split,
            "trained": self.trained,
        }


def evaluate_input(
    model: LoadedModel, opened: Input, source: str, slices: str | None, note: Callable[[Input], None]
) -> Evaluation:
    """Evaluates new labelled data, part by part; samples without a label are left out.

    Args:
        model: the model to evaluate.
        opened: the data.
        source: its name.
        slices: a column to group by.
        note: called after each part.

    Raises:
        DataError: the data has no labels, or is not of the kind that the model was trained on.
    """
    parts: list[tuple[Split, pd.Series[Any] | None]] = []
    gathered: list[Gathered] = []
    unlabelled = weightless = 0
    unreadable: list[str] = []
    for raw in opened.parts:
        encoded, target = model.encoder.encode(raw), model.encoder.targets(raw)
        labelled = model.task.is_known(target)
        unlabelled += int((~labelled).sum())
        unreadable += [f"{encoded.ids[row]} ({encoded.remarks[row][0].cell})" for row in encoded.unreadable]
        labelled[list(encoded.unreadable)] = False
        weight = model.encoder.weights(raw) if isinstance(model.encoder, WeighingEncoder) else None
        if weight is not None:
            weightless += int((labelled & (weight == 0)).sum())
            labelled, weight = labelled & (weight > 0), weight[labelled & (weight > 0)]
        ids = tuple(name for name, keep in zip(encoded.ids, labelled.tolist(), strict=True) if keep)
        times = None if encoded.times is None else encoded.times.of(labelled.numpy())
        gathered = gathered or [Gathered() for _ in encoded.inputs]
        for whole_input, part in zip(gathered, encoded.inputs, strict=True):
            whole_input.add(part[labelled])
        split = Split((), target[labelled], ids, weight=weight, times=times)
        column = None if slices is None else _column_of_samples(raw, slices, encoded)[labelled.numpy()]
        parts.append((split, column))
        note(opened)
    splits = [split for split, _ in parts if len(split)]
    if not splits and unreadable:
        raise DataError(
            f"{count(len(unreadable), 'sample')} cannot be read: {name_list(unreadable, NAMED)}",
            where="data.path",
            fix="give other files",
        )
    if not splits:
        what = "every sample with a label has weight 0" if weightless else "no sample has a label"
        raise DataError(what, where="data.path", fix="give labelled data, or use dltrain predict")
    whole = Split(
        tuple(one.finish() for one in gathered),
        torch.cat([split.target for split in splits]),
        tuple(name for split in splits for name in split.ids),
        weight=_join_weights(splits),
        times=splits[0].times if len(splits) == 1 else None,  # a series comes in one part
    )
    columns = [column for _, column in parts if column is not None]
    notes = [one.note for one in gathered if one.note]
    notes += [f"left out {count(unlabelled, 'sample')} without a label"] if unlabelled else []
    notes += [f"left out {count(weightless, 'sample')} of weight 0"] if weightless else []
    if unreadable:
        notes.append(f"left out {count(len(unreadable), 'sample')} that cannot be read: {name_list(unreadable, NAMED)}")
    if column_of_weights := model.facts.weight:
        absent = f"there is no column {column_of_weights}, so all samples count alike"
        notes.append(absent if whole.weight is None else f"samples are weighed by {column_of_weights}")
    notes += opened.notes
    if model.facts.classes and whole.target.dim() == 1 and (whole.target == whole.target[0]).all():
        notes.append(f"every sample is labelled {model.facts.classes[int(whole.target[0])]}")
    notes += model.task.notes_on_new_data(whole.tensors, stored_tensors_of(model))
    known = model.kind.were_trained_on(whole.inputs, stored_tensors_of(model))
    if trained := [] if known is None else [whole.ids[row] for row in known.nonzero().flatten().tolist()]:
        of = f"{len(trained):,} of these {count(len(whole), 'sample')}"
        notes.append(f"the model was trained on {of}, so that the metrics are too good: {name_list(trained, NAMED)}")
    with model.kind.telling_unlike(model) as tell_unlike:
        evaluation = evaluate_split(model, whole, source, pd.concat(columns) if columns else None)
    notes += _note_on_unlike(model, whole, tell_unlike(whole.inputs))
    return replace(evaluation, notes=tuple(notes), own_split=False, trained=None if known is None else len(trained))


def _note_on_unlike(model: LoadedModel, split: Split, unlike: Tensor | None) -> list[str]:
    """Returns a note on samples that are unlike those of training, if there are any."""
    names = [] if unlike is None else [split.ids[row] for row in unlike.nonzero().flatten().tolist()]
    if not names:
        return []
    return [f"{model.kind.unlike_words}: {len(names):,} of {count(len(split), 'sample')}, {name_list(names, NAMED)}"]


def _join_weights(splits: Sequence[Split]) -> Tensor | None:
    """Returns the weights of all samples `(N,)`; `None` where no split has any.

    Raises:
        DataError: only some have weights.
    """
    weights = [split.weight for split in splits if split.weight is not None]
    if weights and len(weights) < len(splits):
        raise DataError("only some rows have a weight", where="data.path", fix="give every row a weight, or none")
    return torch.cat(weights) if weights else None


def evaluate_split(
    model: LoadedModel, split: Split, source: str, column: pd.Series[Any] | None = None, notes: Sequence[str] = ()
) -> Evaluation:
    """Evaluates encoded samples, and groups of them by the values of a column `(N,)`."""
    size = model.task.fitting_batch(BATCH, model.bytes_each, FEWEST)
    draw = model.kind.loader_options(model.facts).fixed_draw
    loader = TensorLoader(split, size, model.device, prepare=model.encoder.prepare, draw=draw)
    on = EvaluationSet(loader, split, stored_tensors_of(model), model.precision)
    metrics, predictions = model.task.evaluate(model.module, on)
    certainty = model.task.measure_certainty(split, predictions)
    predictions = model.task.calibrated(predictions)
    calibration = model.task.calibrate(predictions, split.target)
    groups = () if column is None else tuple(_groups(model.task, predictions, split.weighted_target, column))
    interval = interval_of(model.task, predictions, *split.weighted_target)
    return Evaluation(
        source,
        split,
        predictions,
        metrics,
        interval,
        calibration.error,
        calibration.thresholds,
        certainty,
        groups,
        tuple(notes),
    )


def stored_tensors_of(model: LoadedModel) -> Mapping[str, Tensor]:
    """Returns the tensors that the run keeps beyond its facts; empty if it keeps none."""
    return model.kept if model.run.kept.exists() else {}


def own_test_split(model: LoadedModel, trust: Collection[str]) -> tuple[Split, str]:
    """Returns the held-out split of the run's own data, and which split it is.

    Raises:
        DataError: the data is missing or has changed; the error names the metrics that training measured.
    """
    node = fill_in(model.config.node("data"), kind_of(model.facts).input_format(model.facts))
    name = model.record.shown_split
    measured = model.record.of_split(name)
    figures = "  ".join(f"{key} {value:.4g}" for key, value in measured.items() if value is not None)
    advice = f"give labelled data, data.path=...; after training the {name} split had {figures}"
    try:
        resolve("data", node, trust)
        SOURCES.forget()
        data = SOURCES.load(node).data
    except DltrainError as error:
        raise DataError(f"the run's own data cannot be read: {error.what}", error.where, advice) from None
    if name not in data.splits or fingerprint(data) != model.record.data.fingerprint:
        raise DataError("the data has changed since the run was trained", where="data.path", fix=advice)
    return data.splits[name], name  # type: ignore[index]


def interval_of(task: Task, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> Interval | None:
    """Returns the interval of the task's main metric, of accuracy as on the page, and else by a percentile bootstrap;
    `None` for fewer than three samples."""
    count = len(target)
    if count < 3:
        return None
    if task.primary_metric == "accuracy" and weights is None and target.dim() == 1:
        right = round(task.measure(predictions, target)["accuracy"] * count)
        return Interval("accuracy", *wilson(right, count))
    answers = (target,) if weights is None else (target, weights)
    random = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES if count <= MANY else RESAMPLES // 5):
        chosen = torch.from_numpy(random.integers(0, count, count))
        values.append(task.measure(predictions.of(chosen), *(part[chosen] for part in answers))[task.primary_metric])
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return Interval(task.primary_metric, low, high)


def _groups(
    task: Task, predictions: Predictions, target: tuple[Tensor, ...], column: pd.Series[Any]
) -> Iterator[Group]:
    """Yields the metrics of each value, the most frequent first; for many different numbers, of each quartile."""
    for name, at in _members(column).items():
        chosen = torch.from_numpy(at)
        yield Group(name, len(at), task.measure(predictions.of(chosen), *(part[chosen] for part in target)))


def _members(column: pd.Series[Any]) -> Mapping[str, NDArray[np.int64]]:
    cells = read_cells(column.reset_index(drop=True))
    x = cells.as_numbers()
    names: NDArray[Any] = np.array([*cells.values, "(missing)"], dtype=object)[cells.codes]
    if cells.all_numbers and len(cells.values) > FEW_NUMBERS:
        edges = np.unique(np.nanquantile(x, [0, 0.25, 0.5, 0.75, 1]))
        bins = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        spans = [f"{low:g} to {high:g}" for low, high in pairwise(edges.tolist())]
        names = np.where(np.isnan(x), "(missing)", np.array(spans, dtype=object)[bins])
        order = [*spans, "(missing)"]
    else:
        order = [str(name) for name in pd.Series(names).value_counts().index[:MOST_GROUPS]]
    return {name: at for name in order if len(at := np.flatnonzero(names == name))}


def _column_of_samples(raw: object, name: str, encoded: Encoded) -> pd.Series[Any]:
    """Returns what samples are grouped by, `(N,)`: a column of their table, or the series of forecasts.

    Raises:
        DataError: there is no such column, or these are forecasts of one series.
    """
    times = encoded.times
    if times is None:
        return column_of(raw, name)
    if name != "series" or len(times.series) < 2:
        raise DataError(
            "a forecast belongs to no single row, by whose cells it could be grouped",
            where="--slices",
            fix="group by series: --slices series" if len(times.series) > 1 else "leave it out",
            override="series" if len(times.series) > 1 else "",
            replaces=name,
        )
    return pd.Series(np.array(times.series, dtype=object)[times.codes])


def column_of(raw: object, name: str) -> pd.Series[Any]:
    """Returns a column of a table.

    Raises:
        DataError: the table has no such column.
    """
    if isinstance(raw, TableFiles):
        raw = raw.frame
    if not isinstance(raw, pd.DataFrame):
        raise DataError("files have no columns to slice by", where="--slices", fix="leave it out")
    if name not in raw.columns:
        close = nearest(name, map(str, raw.columns))
        raise DataError(
            f"the table has no column {name!r}",
            where="--slices",
            fix=f"did you mean {close[0]}?" if close else f"name one of its columns: {name_list(raw.columns)}",
            override=close[0] if close else "",
            replaces=name,
        )
    return raw[name]

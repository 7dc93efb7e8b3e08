"""Baselines for samples that are vectors: linear models, nearest neighbours, gradient boosting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.algebra import on_one_thread
from dltrain.kinds.labels import form_of
from dltrain.kinds.method import Method
from dltrain.tasks.predictions import Predictions
from dltrain.types import MISSING_LABEL, Data, Facts, Split, SplitName

MAX_ROWS = {"logistic_regression": 20_000, "nearest_neighbours": 5_000, "tfidf_logistic_regression": 50_000}
NEIGHBOURS = (1, 3, 5, 9, 15, 25)
# Beyond which a fit takes longer than training.
MOST_CLASSES = {"logistic_regression": 100, "tfidf_logistic_regression": 100, "gradient_boosting": 20}
SOME = 1_200  # samples of a fit that tells how long a longer one takes
WORTH = 1.25  # times the samples of a fit, from which on another one is worth its time
SHARES = {"linear_regression": 0.3, "logistic_regression": 0.3, "nearest_neighbours": 0.3}  # of the time that is left

Inputs = NDArray[np.float32] | pd.DataFrame
Maker = Callable[[NDArray[Any]], Any]


def predictors(
    data: Data, split: SplitName, features: Callable[[Split], NDArray[np.float32]], seconds: float, *, boosting: bool
) -> Iterator[Method]:
    """Yields baselines, which are fitted to the training split and predict another split.

    A method that would take longer than its share of the time is fitted to a sample of the training split.

    Args:
        data: the data.
        split: the split to predict.
        features: returns the inputs of the baselines for a split, `(N, F)`.
        seconds: that all methods may take.
        boosting: whether to include gradient boosting.
    """
    train = data.splits["train"]
    x, x_held_out = features(train), features(data.splits[split])
    form = form_of(data.facts)
    y = train.target.numpy() if data.facts.outputs else train.target.flatten().numpy()
    weight = None if train.weight is None else train.weight.numpy()
    fitted = fit_and_predict_places if form == "string" else fit_and_predict
    order = np.random.default_rng(0).permutation(len(y))
    makers = dict(methods(data.facts, boosting=boosting))
    fits = {name: partial(fitted, make, x, y, x_held_out, data.facts, weight=weight) for name, make in makers.items()}
    notes = {name: note_on_weight(make, y[:SOME], weight) for name, make in makers.items()}
    yield from within_time(fits, order, data.facts, seconds, notes)


def within_time(
    fits: Mapping[str, Callable[[NDArray[np.int64]], Predictions]],
    order: NDArray[np.int64],
    facts: Facts,
    seconds: float,
    notes: Mapping[str, str],
) -> Iterator[Method]:
    """Yields methods that take about so many seconds together, with notes on what is left out to save time.

    Args:
        fits: functions from the positions of training samples to predictions, the cheapest method first.
        order: all positions, at random.
        facts: of the data.
        seconds: that all may take.
        notes: on the methods.
    """
    began, first = perf_counter(), next(iter(fits))
    many = [name for name in fits if len(facts.classes) > MOST_CLASSES.get(name, len(facts.classes))]
    skipped = [f"{name.replace('_', ' ')} is not fitted to more than {MOST_CLASSES[name]} classes" for name in many]
    for name in fits:
        if name in many:
            continue
        fit = partial(_fit_alone, fits[name])
        left = seconds - (perf_counter() - began)
        most = min(len(order), MAX_ROWS.get(name, len(order)))
        rows, predict = len(order), partial(fit, np.sort(order))
        if name != first and len(order) > 2 * SOME:
            rows, predictions = fitted_within(fit, order[:most], left * SHARES.get(name, 1.0))
            predict = partial(_itself, predictions)
        words = [f"fitted to {rows:,} of the {len(order):,} samples, to save time"] if rows < len(order) else []
        words += [notes[name]] if notes[name] else []
        words += skipped if name == first else []
        yield Method(name, predict, "; ".join(words))


def _fit_alone(fit: Callable[[NDArray[np.int64]], Predictions], rows: NDArray[np.int64]) -> Predictions:
    with on_one_thread():
        return fit(rows)


def fitted_within(
    fit: Callable[[NDArray[np.int64]], Predictions], order: NDArray[np.int64], seconds: float
) -> tuple[int, Predictions]:
    """Fits a method to as many samples as this time allows; returns their number and the predictions.

    It is fitted to a few, and from the time that they took, to as many more as should fit into the time that is left.

    Args:
        fit: a function from the positions of training samples to predictions.
        order: positions at random, of which the first are taken.
        seconds: that it may take.
    """
    rows, taken, left = min(SOME, len(order)), [(0, 0.0)], seconds
    while True:
        started = perf_counter()
        with catch_warnings():
            simplefilter("ignore")  # a solver that stops early is still a baseline
            predictions = fit(np.sort(order[:rows]))
        taken.append((rows, perf_counter() - started))
        left -= taken[-1][1]
        (fewer, less), (_, time) = taken[-2:]
        each = max((time - less) / (rows - fewer), 0.1 * time / rows)
        more = min(len(order), int((left - time) / each) + rows)
        if more == rows or more < min(WORTH * rows, len(order)):
            return rows, predictions
        rows = more


def methods(facts: Facts, *, boosting: bool) -> Iterator[tuple[str, Maker]]:
    """Yields names, each with a function from training targets, `(N,)` or `(N, K)`, to a scikit-learn estimator."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from dltrain.kinds.ridge import RidgeOfMany

    if form_of(facts) == "number":
        each = MultiOutputRegressor if facts.outputs else _itself
        yield "mean", lambda y: DummyRegressor()
        yield "linear_regression", lambda y: make_pipeline(StandardScaler(), RidgeOfMany())
        yield "nearest_neighbours", lambda y: _nearest_neighbours(y, classification=False)
        booster = HistGradientBoostingRegressor
    else:
        several = facts.outputs and form_of(facts) == "labels"
        each, common = (OneVsRestClassifier, "commonest_labels") if several else (_itself, "majority")
        yield common, lambda y: each(DummyClassifier(strategy="prior"))
        logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        yield "logistic_regression", lambda y: each(logistic)
        yield "nearest_neighbours", lambda y: each(_nearest_neighbours(y, classification=True))
        booster = HistGradientBoostingClassifier
    if boosting:
        yield "gradient_boosting", lambda y: each(booster(random_state=0))


def _itself(estimator: Any) -> Any:
    return estimator


def _nearest_neighbours(y: NDArray[Any], *, classification: bool) -> Any:
    """Returns an estimator whose number of neighbours is chosen by cross-validation, where there are rows enough."""
    from sklearn.model_selection import KFold, StratifiedKFold

    from dltrain.kinds.neighbours import NeighboursClassifier, NeighboursRegressor

    rarest = np.bincount(y).clip(1).min() if classification and y.ndim == 1 else len(y)
    folds = min(5, int(rarest))
    smallest_fit = len(y) - -(-len(y) // max(folds, 2))
    counts = tuple(k for k in NEIGHBOURS if k <= smallest_fit) if folds >= 2 else ()
    stratified = classification and y.ndim == 1
    splitter = (StratifiedKFold if stratified else KFold)(max(folds, 2), shuffle=True, random_state=0)
    return (NeighboursClassifier if classification else NeighboursRegressor)(counts or (1,), splitter)


def fit_and_predict(
    make: Maker,
    x: Inputs,
    y: NDArray[Any],
    x_held_out: Inputs,
    facts: Facts,
    rows: NDArray[np.int64],
    weight: NDArray[np.float32] | None = None,
    *,
    each_alone: bool = False,
) -> Predictions:
    """Fits a method to training samples and returns its predictions.

    Of several numbers or labels, of which some are missing, each has a method of its own, fitted to the samples that
    have it.

    Args:
        make: the maker of the method.
        x: training inputs `(N, F)`.
        y: training targets `(N,)` or `(N, K)`.
        x_held_out: inputs of the samples to predict.
        facts: of the data.
        rows: positions of the training samples that are used.
        weight: `(N,)` of the training samples; methods that take none ignore it.
        each_alone: whether each of several numbers has a method of its own even if none is missing.
    """
    labels = form_of(facts) == "labels"
    missing = y == MISSING_LABEL if labels else np.isnan(y)
    if not each_alone and not missing.any():
        return predicted(_fit(make, x, y, rows, weight), x_held_out, facts)
    parts = []
    for values, gaps in zip(y.T, missing.T, strict=True):
        known = rows[~gaps[rows]]
        known = known if len(known) else np.flatnonzero(~gaps)
        if labels:
            parts.append(_label_scores(make, x, values, x_held_out, known, weight))
        else:
            parts.append(predicted(_fit(make, x, values[:, None], known, weight), x_held_out, facts).values)
    outputs = torch.cat(parts, dim=1)
    return Predictions((outputs > 0.5).long(), outputs) if labels else Predictions(outputs)


def _label_scores(
    make: Maker,
    x: Inputs,
    values: NDArray[Any],
    x_held_out: Inputs,
    rows: NDArray[np.int64],
    weight: NDArray[np.float32] | None,
) -> torch.Tensor:
    """Returns the probability `(M, 1)` that held-out samples have a label, by a method fitted to it alone."""
    if len(set(values[rows].tolist())) < 2:
        return torch.full((x_held_out.shape[0], 1), float(values[rows].mean()) if len(rows) else 0.5)
    method = _fit(make, x, values, rows, weight)
    return torch.from_numpy(np.asarray(method.predict_proba(x_held_out), dtype=np.float32)[:, 1:])


def fit_and_predict_places(
    make: Maker,
    x: Inputs,
    y: NDArray[Any],
    x_held_out: Inputs,
    facts: Facts,
    rows: NDArray[np.int64],
    weight: NDArray[np.float32] | None = None,
) -> Predictions:
    """Fits a method to each place of strings, `y` is `(N, P)`, and returns its predictions; arguments as for
    `fit_and_predict`."""
    of_place = replace(facts, outputs=())
    parts = [predicted(_fit(make, x, place, rows, weight), x_held_out, of_place) for place in y.T]
    scores = torch.stack([part.probabilities for part in parts if part.probabilities is not None], dim=1)
    return Predictions(scores.argmax(dim=2), scores)


def _fit(make: Maker, x: Inputs, y: NDArray[Any], rows: NDArray[np.int64], weight: NDArray[np.float32] | None) -> Any:
    method = make(y[rows])
    name = None if weight is None else _weight_parameter(method)
    weighting = {name: weight[rows]} if name and weight is not None else {}
    return method.fit(x.iloc[rows] if isinstance(x, pd.DataFrame) else x[rows], y[rows], **weighting)


def note_on_weight(make: Maker, y: NDArray[Any], weight: NDArray[np.float32] | None) -> str:
    """Returns a note where samples have weights and a method takes none; else an empty text."""
    if weight is None or _weight_parameter(make(y)):
        return ""
    return "fitted without the weights, which it cannot use"


def _weight_parameter(method: Any) -> str:
    """Returns the name under which the method's `fit` takes weights, also within pipelines; empty if it takes none."""
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if not isinstance(method, Pipeline):
        return "sample_weight" if has_fit_parameter(method, "sample_weight") else ""
    last, estimator = method.steps[-1]
    inside = _weight_parameter(estimator)
    return f"{last}__{inside}" if inside else ""


def predicted(method: Any, x: Any, facts: Facts) -> Predictions:
    """Returns what a fitted scikit-learn estimator predicts for samples `x`, in the form that the task needs."""
    if form_of(facts) == "number":
        values = np.asarray(method.predict(x), dtype=np.float32)
        return Predictions(torch.from_numpy(values.reshape(x.shape[0], -1)))
    by_class = np.asarray(method.predict_proba(x), dtype=np.float32)
    if facts.outputs:
        scores = torch.from_numpy(by_class)
        return Predictions((scores > 0.5).long(), scores)
    probabilities = np.zeros((x.shape[0], len(facts.classes)), dtype=np.float32)
    probabilities[:, method.classes_] = by_class
    scores = torch.from_numpy(probabilities)
    return Predictions(scores.argmax(dim=1), scores)

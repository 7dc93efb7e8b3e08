"""What plain methods reach on the same split: the row that every result is read against."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.tasks import Predictions, Task
from dltrain.types import Data, Range, Split, SplitName

MAX_ROWS = {"logistic_regression": 20_000, "nearest_neighbours": 5_000}
NEIGHBOURS = (1, 3, 5, 9, 15, 25)
THUMBNAIL = 16  # pixels; what plain methods see of a picture


@dataclass(frozen=True)
class BaselineSettings:
    """How long plain methods may take.

    Args:
        seconds: after so many no further method is begun; 0 for none at all.
    """

    seconds: Annotated[float, Range(0)] = 20.0


@dataclass(frozen=True)
class Baseline:
    """A plain method's result on one split.

    Args:
        name: of the method.
        metrics: those of the task, without a loss.
        predictions: of the split's samples.
        seconds: that it took.
    """

    name: str
    metrics: dict[str, float]
    predictions: Predictions
    seconds: float


def baselines(data: Data, task: Task, split: SplitName, settings: BaselineSettings) -> list[Baseline]:
    """Fits plain methods to the training split, the cheapest first, and measures them on `split`.

    Tables are seen as the model sees them, pictures as grey thumbnails of 16×16 pixels.
    """
    began = perf_counter()
    train, held_out = data.splits["train"], data.splits[split]
    x, x_held_out = features(data, train), features(data, held_out)
    y = train.target.flatten().numpy()
    classes = len(data.facts.classes)
    rng = np.random.default_rng(0)
    found = []
    for name, make in methods(data):
        if perf_counter() - began >= settings.seconds:
            break
        started = perf_counter()
        rows = np.arange(len(y))
        if len(y) > MAX_ROWS.get(name, len(y)):
            rows = np.sort(rng.choice(len(y), MAX_ROWS[name], replace=False))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops early is still a baseline
            method = make(y[rows]).fit(x[rows], y[rows])
            predictions = predict(method, x_held_out, classes)
        sums = task.metric.update(predictions.values, held_out.target)
        metrics = task.metric.compute(sums) | task.finish(predictions, held_out.target)
        found.append(Baseline(name, metrics, predictions, perf_counter() - started))
    return found


def features(data: Data, split: Split) -> NDArray[np.float32]:
    """What plain methods see of a split, `(N, F)`."""
    (inputs,) = split.inputs
    if data.facts.kind == "image":
        grey = inputs.float().mean(dim=1, keepdim=True) / 255
        size = (min(THUMBNAIL, inputs.shape[2]), min(THUMBNAIL, inputs.shape[3]))
        inputs = torch.nn.functional.adaptive_avg_pool2d(grey, size)
    return np.asarray(inputs.flatten(1).float())


def methods(data: Data) -> Iterator[tuple[str, Callable[[NDArray[Any]], Any]]]:
    """Names, and what makes a scikit-learn estimator for the targets `(N,)` of its training rows."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classification = data.facts.task == "classification"

    def nearest_neighbours(y: NDArray[Any]) -> Any:
        kind = KNeighborsClassifier if classification else KNeighborsRegressor
        folds = min(5, int(np.bincount(y).clip(1).min())) if classification else min(5, len(y))
        smallest_fit = len(y) - -(-len(y) // max(folds, 2))
        counts = [k for k in NEIGHBOURS if k <= smallest_fit]
        estimator = make_pipeline(StandardScaler(), kind())
        if folds < 2 or len(counts) < 2:
            return estimator.set_params(**{f"{kind.__name__.lower()}__n_neighbors": 1})
        splitter = (StratifiedKFold if classification else KFold)(folds, shuffle=True, random_state=0)
        return GridSearchCV(estimator, {f"{kind.__name__.lower()}__n_neighbors": counts}, cv=splitter)

    if classification:
        yield "majority", lambda y: DummyClassifier(strategy="prior")
        yield "logistic_regression", lambda y: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    else:
        yield "mean", lambda y: DummyRegressor()
        yield "linear_regression", lambda y: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))
    yield "nearest_neighbours", nearest_neighbours
    if data.facts.kind == "table":
        boosting = HistGradientBoostingClassifier if classification else HistGradientBoostingRegressor
        yield "gradient_boosting", lambda y: boosting(random_state=0)


def predict(method: Any, x: NDArray[np.float32], classes: int) -> Predictions:
    """What a fitted scikit-learn estimator says, in the form of a task's predictions."""
    if not classes:
        return Predictions(torch.from_numpy(np.asarray(method.predict(x), dtype=np.float32))[:, None])
    probabilities = np.zeros((len(x), classes), dtype=np.float32)
    probabilities[:, method.classes_] = method.predict_proba(x)
    scores = torch.from_numpy(probabilities)
    return Predictions(scores.argmax(dim=1), scores)
